"""What a pipeline was compiled from: its tasks run in an image that may hold another version of this program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augment_ops import __version__
from augment_ops.content import digest_of
from augment_ops.errors import InputError
from augment_ops.parameter import Parameter
from augment_ops.pipeline.graph import STAGES, Stage
from augment_ops.pipeline.parameters import parameters


def stamp(stages: Sequence[Stage] = STAGES, declared: Sequence[Parameter] = parameters()) -> str:
    """Version of this package, and digest of graph and parameters: every task of a compiled pipeline has it.

    What people read of them, and what a stage asks of a machine, changes nothing of it.
    """
    graph = [[s.name, s.inputs, s.after, s.params, s.files] for s in stages]
    digest = digest_of([graph, [_told(one) for one in declared]])
    return f"augment-ops {__version__}, graph {digest[:16]}"


def _told(one: Parameter) -> list[Any]:
    bounds = [one.minimum, one.maximum, one.pattern, one.min_length, one.max_length]
    return [one.name, type(one.default).__name__, one.default, one.choices, *bounds]


def check_stamp(found: str) -> None:
    """Refuse a task of a pipeline that was compiled from another version of this program.

    Raises:
        InputError: it was.
    """
    here = stamp()
    if found != here:
        raise InputError(
            "compiled pipeline",
            f"{found[:80]!r}, from which it was compiled",
            f"{here!r}, which this task's image has",
            "run `augment-ops kubeflow compile` of that image's version and upload what it writes, or give the "
            "pipeline the image of its own version",
        )
