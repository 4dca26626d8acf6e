"""What a sample looks like: each modality holds all that knows it, and is had by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from augment_ops.errors import InputError, nearest

if TYPE_CHECKING:
    from augment_ops.modalities.base import Modality

# Name → module that has it as MODALITY; imported when it is asked for, because each brings libraries of its own.
_MODULES = {"image": "augment_ops.modalities.image.modality"}
NAMES = tuple(_MODULES)
DEFAULT = "image"  # what files and documents are of that name none: there was no other when they were written
UNNAMED = "image"  # of what names none: the first one, of which everything was before there were others


@cache
def modality(name: str) -> Modality:
    """The modality of that name.

    Raises:
        InputError: there is none.
    """
    if name not in _MODULES:
        raise InputError("modality", repr(name), " | ".join(NAMES), f"correct the name.{nearest(name, NAMES)}")
    found: Modality = import_module(_MODULES[name]).MODALITY
    return found
