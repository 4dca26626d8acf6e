"""Who may ask a service: tokens, of which only hashes are kept, each for some of the things that can be asked.

A token is 256 random bits, so a plain sha256 of it tells nobody what it is; there is nothing to guess, as with
passwords (NIST SP 800-63B, 5.1.2, on look-up secrets of at least 112 bits).
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import ClassVar, Literal, get_args

from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.errors import InputError, nearest
from augment_ops.files import replace_file
from augment_ops.locks import held

Scope = Literal["predict", "label", "augment", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 60  # characters of a name: it is a label of metrics
_BITS = 256
_MODE = 0o600
_PATIENCE_S = 10.0  # with somebody else who gives one out
_ABSENT = (0, 0, 0)  # in place of time, size and number of a file that is not there
_LOOK_S = 1.0  # a token that was revoked is refused so soon


@dataclass(frozen=True, kw_only=True)
class Token:
    """One that was given out.

    Attributes:
        name: whose it is.
        sha256: of what its holder sends.
        scopes: `predict` asks the model, `label` brings labels, `augment` has samples augmented, `admin` sees
            metrics.
        created: ISO 8601, UTC.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created: str


@dataclass(frozen=True)
class _Document:
    NEWEST_FORMAT: ClassVar[int] = 1

    format: int = 1
    tokens: tuple[Token, ...] = field(default=())


class Tokens:
    """The tokens of a state folder, read again when the file has changed.

    Args:
        path: of the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Token] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._looked = -_LOOK_S

    def __len__(self) -> int:
        """How many there are."""
        self._look()
        return len(self._known)

    @property
    def in_force(self) -> bool:
        """Whether one was ever given out: from then on nobody asks without one, also when the last was revoked."""
        self._look()
        return self._stamp != _ABSENT

    def of(self, secret: str) -> Token | None:
        """The token whose secret somebody has sent."""
        self._look()
        digest = sha256_hex(secret.encode())
        found = self._known.get(digest)
        return found if found is not None and hmac.compare_digest(found.sha256, digest) else None

    def all(self) -> tuple[Token, ...]:
        """Those that were given out, by name."""
        return tuple(sorted(_read(self._path).tokens, key=lambda one: one.name))

    def create(self, name: str, scopes: Collection[str]) -> str:
        """Give out a token; what is returned is shown once, and kept nowhere.

        Raises:
            InputError: no name, a name that is taken, or a scope that there is not.
        """
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise InputError("name of a token", repr(name)[:80], f"kebab-case of at most {_LONGEST}", "name its holder")
        unknown = [one for one in scopes if one not in SCOPES]
        if unknown or not scopes:
            fix = f"name what it is for.{nearest(unknown[0], SCOPES) if unknown else ''}"
            raise InputError("scope", unknown[0] if unknown else "none", ", ".join(SCOPES), fix)
        secret = secrets.token_urlsafe(_BITS // 8)
        asked, now = tuple(one for one in SCOPES if one in scopes), datetime.now(UTC).isoformat("T", "seconds")
        made = Token(name=name, sha256=sha256_hex(secret.encode()), scopes=asked, created=now)
        with self._changing(f"token {name}"):
            known = _read(self._path).tokens
            if any(one.name == name for one in known):
                raise InputError("name of a token", f"{name}, which there is", "a new name", f"revoke {name} first")
            self._write((*known, made))
        return secret

    def revoke(self, name: str) -> None:
        """Refuse a token from now on.

        Raises:
            InputError: there is none of that name.
        """
        with self._changing(f"token {name}"):
            known = _read(self._path).tokens
            names = [one.name for one in known]
            if name not in names:
                fix = f"augment-ops token list shows them.{nearest(name, names)}"
                raise InputError("name of a token", repr(name)[:80], ", ".join(names) or "one that was given out", fix)
            self._write(tuple(one for one in known if one.name != name))

    def _changing(self, doing: str) -> AbstractContextManager[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return held(self._path.with_suffix(".lock"), doing, _PATIENCE_S)

    def _write(self, tokens: tuple[Token, ...]) -> None:
        replace_file(self._path, canonical_json(_Document(tokens=tokens)), mode=_MODE)
        self._stamp = None

    def _look(self) -> None:
        now = monotonic()
        if now - self._looked < _LOOK_S and self._stamp is not None:
            return
        self._looked = now
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            stamp = _ABSENT
        if stamp != self._stamp:
            self._known = {one.sha256: one for one in _read(self._path).tokens}
            self._stamp = stamp


def tokens_path(home: Path) -> Path:
    """Where the tokens of a state folder are."""
    return home / "serving" / "tokens.json"


def _read(path: Path) -> _Document:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _Document()
    return from_json(_Document, content)


class Rates:
    """How many requests each token may still make: a bucket that fills at a steady rate and holds one second's worth.

    Args:
        per_s: requests a second; None for any number.
    """

    def __init__(self, per_s: float | None) -> None:
        self._per_s = per_s
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> bool:
        """Whether one more may be made now; it counts."""
        if self._per_s is None:
            return True
        now, room = monotonic(), max(1.0, self._per_s)
        left, at = self._left.get(name, (room, now))
        left = min(room, left + (now - at) * self._per_s)
        self._left[name] = (left - 1 if left >= 1 else left, now)
        return left >= 1
