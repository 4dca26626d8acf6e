"""A trainer of the user's own, by `package.module:object`: looked at before a run begins, and told by its source."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from typing import Any

from pydantic import BaseModel, ValidationError

from augment_ops.errors import Fault, InputError
from augment_ops.runtime import FORMATS
from augment_ops.training.base import Trainer
from augment_ops.training.factory import imported

_FORM = "package.module:trainer"
_FIX = "give --trainer package.module:object, an object or class as augment_ops/training/base.py has Trainer"
_METHODS = {"entries": 1, "check": 2, "check_settings": 2, "device": 1, "fit": 4}  # member → what it is given
_OPTIONAL = {"pace": 5}  # the same of what a trainer may have beside
_TAKEN = ("name", "version", "description", "torch", "sklearn")  # of a recipe
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")


def own_trainer(reference: str) -> Trainer:
    """The trainer of that name; a class is made an object of, without arguments.

    Raises:
        InputError: it cannot be imported or made, or is none: every member that is missing or wrong at once.
    """
    found = imported(reference, "--trainer", _FORM, _FIX)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            said = f"{reference}: {type(error).__name__}: {str(error)[:200]}"
            raise InputError("--trainer", said, "a class that takes no argument", _FIX) from error
    faults = [*_values(reference, found), *_methods(reference, found)]
    if faults:
        raise InputError.of("--trainer", faults)
    return found  # type: ignore[no-any-return]


def source_of(reference: str) -> str:
    """sha256 of the file that has it; empty where it has none."""
    module = sys.modules.get(reference.partition(":")[0])
    try:
        return hashlib.sha256(inspect.getsource(module).encode()).hexdigest() if module else ""
    except (OSError, TypeError):
        return ""


def _values(reference: str, found: Any) -> list[Fault]:
    faults = []

    def look(member: str, right: bool, value: Any, expected: str) -> None:
        if not right:
            faults.append(Fault(f"{reference}.{member}", _shown(value), expected, _FIX))

    name, format, settings = (_member(found, one) for one in ("name", "format", "settings"))
    named = isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in _TAKEN
    look("name", named, name, f"a word of a-z, 0-9 and underscores, none of {', '.join(_TAKEN)}")
    look("format", format in FORMATS, format, " | ".join(FORMATS))
    look("settings", _is_section(settings), settings, "a pydantic model that has a default for everything")
    return faults


def _methods(reference: str, found: Any) -> list[Fault]:
    faults = []
    beside = {member: count for member, count in _OPTIONAL.items() if _member(found, member) is not None}
    for member, count in {**_METHODS, **beside}.items():
        method = _member(found, member)
        if not callable(method) or not _takes(method, count):
            expected = f"a method of {count} argument{'s' * (count > 1)}"
            faults.append(Fault(f"{reference}.{member}", _shown(method), expected, _FIX))
    return faults


def _takes(method: Any, count: int) -> bool:
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # one that no signature is known of
        return True
    return True


def _is_section(settings: Any) -> bool:
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        return False
    try:
        settings()
    except ValidationError:
        return False
    return True


def _member(found: Any, name: str) -> Any:
    try:
        return getattr(found, name, None)
    except Exception as error:  # a property may raise anything
        return error


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:100]
