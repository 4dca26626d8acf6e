"""What builds a network: a function that a run names by `package.module:factory`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from augment_ops.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    Factory = Callable[[tuple[int, ...], int], nn.Module]

# Where factories of this program stood when older records and commands named them.
_MOVED: Mapping[str, str] = MappingProxyType(
    {"augment_ops.training.models:small_cnn": "augment_ops.modalities.image.networks:small_cnn"}
)


def current(reference: str) -> str:
    """The reference, or where the factory stands today that an older record names."""
    return _MOVED.get(reference, reference)


def load_factory(reference: str) -> Factory:
    """Import `package.module:factory`; the current directory is searched too.

    Raises:
        InputError: not of that form, not importable, or not callable.
    """
    fix = "give --model package.module:factory, a function (input_shape, classes) -> torch.nn.Module"
    reference = current(reference)
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise InputError("--model", repr(reference), "package.module:factory", fix)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything, or be a script that exits
        found = f"{reference!r}: {type(error).__name__}: {str(error)[:200]}"
        raise InputError("--model", found, "a factory that can be imported", fix) from error
    if not callable(factory):
        raise InputError("--model", f"{reference!r} is a {type(factory).__name__}", "a function", fix)
    return factory  # type: ignore[no-any-return]
