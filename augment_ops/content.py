"""Content addressing: one canonical form, one hash, one way from a value to a document and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from augment_ops.errors import StoreError

T = TypeVar("T")

# Metadata of a field that a document got later: where it has its default it is left out, so that documents from before
# it keep their digests, and whatever is keyed by them (a bootstrap's draws) stays what it was.
LATER = {"later": True}


def sha256_hex(data: bytes | memoryview) -> str:
    """Hex sha256 of `data` (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no layout: equal values give equal bytes.

    Dataclasses become objects, tuples become arrays. NaN and infinities are kept as the tokens that `json` reads
    back, because a measurement that is not a number must reach the gate as such (law 2).
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value: object) -> str:
    """Hex sha256 over the canonical JSON of `value`."""
    return sha256_hex(canonical_json(value))


def from_json(cls: type[T], data: bytes) -> T:
    """Read a document that `canonical_json` wrote back into the frozen dataclass `cls`.

    A class with a field `format` says in `NEWEST_FORMAT` which it knows; whatever else a later one has, it is refused.

    Raises:
        StoreError: not JSON, not of that form, or written by a newer version.
    """
    try:
        read = json.loads(data)
        _refuse_newer(cls, read)
        value: T = _adapter(cls).validate_python(read)  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:  # of JSON, UTF-8, numbers and nesting, and of pydantic
        raise StoreError(
            f"document {cls.__name__}",
            str(error).splitlines()[0][:200],
            f"the canonical JSON of a {cls.__name__}",
            "restore it from a backup, or start a new run",
        ) from error
    return value


def _refuse_newer(cls: type[Any], read: object) -> None:
    known = getattr(cls, "NEWEST_FORMAT", None)
    found = read.get("format") if isinstance(read, dict) else None
    if isinstance(known, int) and isinstance(found, int) and found > known:
        raise StoreError(
            f"document {cls.__name__}",
            f"format {found}, written by a newer version of augment-ops",
            f"format {known} or an earlier one",
            "update augment-ops here to the version that wrote it",
        )


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = (f for f in dataclasses.fields(value) if not (f.metadata.get("later") and _is_default(value, f)))
        return {f.name: _plain(getattr(value, f.name)) for f in shown}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _is_default(value: object, field: dataclasses.Field[Any]) -> bool:
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    return bool(getattr(value, field.name) == default)


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
