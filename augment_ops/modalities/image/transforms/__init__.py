"""The transforms of images, each declared in a module of this folder; compiled ones as loops and tensors."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from augment_ops.modalities.image.declaration import Declaration


@cache
def declarations() -> Mapping[str, Declaration]:
    """Name → what is declared of it, of all modules of this folder: a new one need not be named anywhere else.

    Raises:
        ValueError: two declare one name.
    """
    found: dict[str, Declaration] = {}
    for module in pkgutil.iter_modules(__path__):
        for declaration in getattr(import_module(f"{__name__}.{module.name}"), "DECLARED", ()):
            if declaration.name in found:
                raise ValueError(f"{declaration.name} is declared twice, the second time in {module.name}")
            found[declaration.name] = declaration
    return found
