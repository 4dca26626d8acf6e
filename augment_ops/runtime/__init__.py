"""A registered artifact gives predictions: its file held against a grammar, and read in a process of its own."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from augment_ops.errors import StoreError, nearest

if TYPE_CHECKING:
    from augment_ops.runtime.artifact import Artifact
    from augment_ops.runtime.base import Model, Runtime

# Format → module that has its runtime as RUNTIME; imported when it is asked for.
_MODULES = {"pt2": "augment_ops.runtime.pt2", "skops": "augment_ops.runtime.skops"}
FORMATS = tuple(_MODULES)


@cache
def runtime(name: str) -> Runtime:
    """The runtime of a format.

    Raises:
        StoreError: there is none.
    """
    if name not in _MODULES:
        raise StoreError(
            "format of an artifact",
            repr(name)[:80],
            " | ".join(FORMATS),
            f"load it with the version of augment-ops that wrote it.{nearest(name, FORMATS)}",
        )
    found: Runtime = import_module(_MODULES[name]).RUNTIME
    return found


def load(artifact: Artifact, device: str = "cpu", scores: int | None = None) -> Model:
    """The model of an artifact, by its format: see `Runtime.load`."""
    return runtime(artifact.format).load(artifact, device, scores)
