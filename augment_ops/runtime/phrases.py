"""Small parts of which the grammar of a JSON document is put together: each holds a value to one form.

A form is a function from a value, and the path to it, to the value as it may be read on. It raises `Refused` where the
value is anything else. There is no form for "whatever stands there".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

Form = Callable[[Any, str], Any]
MAX_ITEMS = 200_000  # of one list: far more than any network's nodes
_MAX_DIGITS = 20  # a 64-bit integer has 19 and a sign


class Refused(ValueError):  # noqa: N818 - `archive.py` makes one error of the project's of it
    """A value that the grammar does not know: where it stands, and what is there."""

    def __init__(self, where: str, found: str) -> None:
        super().__init__(f"{where}: {found}" if where else found)


def parse(text: bytes, where: str) -> Any:
    """The JSON document of `text`; UTF-8, no key twice, no number that takes long to read.

    Raises:
        Refused: it is no such document.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_no_key_twice,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise Refused(where, f"no JSON of ours ({str(error)[:80]})") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > 2 * _MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return float(text)


def _refused(value: Any, where: str, expected: str) -> Refused:
    return Refused(where, f"{str(value)[:80]!r}, where {expected} is written")


def text(pattern: str, called: str) -> Form:
    """A string that a regular expression describes from end to end."""
    compiled = re.compile(pattern, re.ASCII)

    def form(value: Any, where: str) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise _refused(value, where, called)
        return value

    return form


def chosen(accept: Callable[[str], bool], called: str) -> Form:
    """A string that a function accepts."""

    def form(value: Any, where: str) -> str:
        if not isinstance(value, str) or not accept(value):
            raise _refused(value, where, called)
        return value

    return form


def integer(least: int = -(2**63), most: int = 2**63 - 1) -> Form:
    """An integer of 64 bits within bounds; a flag is none."""

    def form(value: Any, where: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _refused(value, where, f"an integer from {least} to {most}")
        return value

    return form


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _refused(value, where, "true or false")
    return value


def number(value: Any, where: str) -> float | int | str:
    """A finite number, or the words that stand for the others in torch's files."""
    if value in ("Infinity", "-Infinity", "NaN") and isinstance(value, str):
        return str(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _refused(value, where, "a number")
    return value  # type: ignore[no-any-return]


def only(expected: Any) -> Form:
    """Exactly a value, of its type."""

    def form(value: Any, where: str) -> Any:
        if type(value) is not type(expected) or value != expected:
            raise _refused(value, where, repr(expected)[:60])
        return value

    return form


def nothing_or(inner: Form) -> Form:
    """None, or a value of the form."""
    return lambda value, where: None if value is None else inner(value, where)


def items(inner: Form, most: int = MAX_ITEMS) -> Form:
    """A list."""

    def form(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise _refused(value, where, f"a list of at most {most}")
        return [inner(item, f"{where}[{i}]") for i, item in enumerate(value)]

    return form


def named(key: Form, inner: Form) -> Form:
    """An object whose keys are names."""

    def form(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise _refused(value, where, "an object")
        return {key(name, where): inner(item, f"{where}.{name[:60]}") for name, item in value.items()}

    return form


def record(optional: tuple[str, ...] = (), **fields: Form) -> Form:
    """An object with these fields and no other; the optional ones may be left out."""

    def form(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refused(value, where, "an object")
        unknown, missing = sorted(value.keys() - fields.keys()), sorted(fields.keys() - value.keys() - set(optional))
        if unknown or missing:
            raise _refused(", ".join(unknown or missing), where, f"an object of {', '.join(fields)}")
        return {name: inner(value[name], f"{where}.{name}") for name, inner in fields.items() if name in value}

    return form


def one_of(**variants: Form) -> Form:
    """An object with exactly one of these fields."""

    def form(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in variants:
            names = ", ".join(value) if isinstance(value, dict) else value
            raise _refused(names, where, f"one of {', '.join(variants)}")
        (name,) = value
        return {name: variants[name](value[name], f"{where}.{name}")}

    return form
