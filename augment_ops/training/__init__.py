"""Training of candidate and control under one seed and one budget, by the trainer that a run names."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from augment_ops.errors import InputError, nearest

if TYPE_CHECKING:
    from augment_ops.training.base import Trainer

# Name → module that has it as TRAINER; imported when it is asked for, because each brings libraries of its own.
_MODULES = {"torch": "augment_ops.training.torch_trainer", "sklearn": "augment_ops.training.sklearn_trees"}
NAMES = tuple(_MODULES)


@cache
def trainer(name: str) -> Trainer:
    """The trainer of that name, or the user's own by `package.module:object`.

    Raises:
        InputError: there is none, or what the user names is none.
    """
    if ":" in name:
        from augment_ops.training.own import own_trainer

        return own_trainer(name)
    if name not in _MODULES:
        raise InputError(
            "--trainer",
            repr(name),
            f"{' | '.join(NAMES)} | package.module:object",
            f"correct the name.{nearest(name, NAMES)}",
        )
    found: Trainer = import_module(_MODULES[name]).TRAINER
    return found
