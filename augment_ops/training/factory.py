"""What builds a network: a function that a run names by `package.module:factory`, or a library's name of one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from augment_ops.errors import InputError

if TYPE_CHECKING:
    from augment_ops.modalities.base import Factory

# Where factories of this program stood when older records and commands named them.
_MOVED: Mapping[str, str] = MappingProxyType(
    {"augment_ops.training.models:small_cnn": "augment_ops.modalities.image.networks:small_cnn"}
)

# Library → the function that finds a network in it by its name.
_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "torchvision": "augment_ops.modalities.image.library_networks:torchvision_network",
        "timm": "augment_ops.modalities.image.library_networks:timm_network",
    }
)


def library_version(reference: str) -> str:
    """Name and version of the library that has the network; empty for a function that somebody wrote."""
    library, _, name = reference.partition(":")
    if library not in _LIBRARIES or not name:
        return ""
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return library  # which `load_factory` says


def current(reference: str) -> str:
    """The reference, or where the factory stands today that an older record names."""
    return _MOVED.get(reference, reference)


def load_factory(reference: str) -> Factory:
    """The factory of `package.module:factory`, `torchvision:name` or `timm:name`.

    Raises:
        InputError: not of that form, not importable, or not callable; or the library has no such network.
        NotInstalled: the library is not there.
    """
    fix = "give --model package.module:factory, a function (input_shape, classes) -> torch.nn.Module"
    reference = current(reference)
    library, _, name = reference.partition(":")
    if library in _LIBRARIES and name:
        return imported(_LIBRARIES[library], "--model", "package.module:factory", fix)(name)  # type: ignore[no-any-return]
    factory = imported(reference, "--model", "package.module:factory", fix)
    if not callable(factory):
        raise InputError("--model", f"{reference!r} is a {type(factory).__name__}", "a function", fix)
    return factory  # type: ignore[no-any-return]


def imported(reference: str, option: str, form: str, fix: str) -> Any:
    """What `package.module:name` names; the current directory is searched too.

    Raises:
        InputError: not of that form, or not importable.
    """
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise InputError(option, repr(reference), form, fix)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything, or be a script that exits
        found = f"{reference!r}: {type(error).__name__}: {str(error)[:200]}"
        raise InputError(option, found, f"a {form.partition(':')[2]} that can be imported", fix) from error
