"""A witness that notes each head together with an authority's timestamp of it, and believes no head without one.

The authority keeps nothing, so the tokens are kept in a folder or object prefix, as other witnesses keep heads.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance import clock
from augment_ops.governance.authority import Authority
from augment_ops.governance.witness import Head, Witness, damaged, silent
from augment_ops.shown import address

SCHEMES = ("tsa+https://", "tsa+http://")
# Heads that are read: a token takes 1 ms to verify, and who decides waits for it. The newest stands for all before it.
READ = 200
_FORM = "tsa+https://authority/path?keep=/mnt/elsewhere&certificate=/etc/tsa.pem, whole paths both; keep may be a URI"


class Keeper(Witness, Protocol):
    """A witness that gives its newest heads with all that was noted of them."""

    def last(self, count: int) -> list[Head]:
        """At most so many, oldest first."""


class TimestampWitness:
    """Heads with their tokens; see `augment_ops.governance.witness.Witness`.

    Args:
        keeper: where they lie: whoever takes that away takes the proof away.
    """

    def __init__(self, authority: Authority, keeper: Keeper) -> None:
        self._authority, self._keeper = authority, keeper
        self._heard: tuple[datetime, float] | None = None  # what the authority said, and when by a clock since boot
        self.name = f"{keeper.name} with timestamps of {authority.name}"
        self.outside = keeper.outside

    def note(self, head: Head) -> None:
        """Ask for a token, once, and keep it; that this machine's clock is another than the authority's, is raised."""
        try:
            token, stamped = self._authority.stamp(_text(head))
        except Exception as error:  # of httpx, of the library, of nonsense
            raise silent(f"{self.name}, entry {head.seq}", error) from error
        self._heard = (stamped, time.clock_gettime(_SINCE_BOOT)) if _SINCE_BOOT is not None else None
        self._keeper.note(replace(head, token=b64encode(token).decode()))
        if abs(clock.now() - stamped) > clock.DIFFER:
            found = f"a clock that says {clock.now():%Y-%m-%dT%H:%M:%S}Z, at entry {head.seq}"
            fix = "set this machine's clock (timedatectl); the entry is made, and the next ones go by its time"
            raise GovernanceError(self.name, found, f"{stamped:%Y-%m-%dT%H:%M:%S}Z, as the authority has it", fix)

    def heads(self) -> Iterator[Head]:
        """The newest, with the authority's time in place of that of whoever noted them."""
        yield from map(self._proven, self._keeper.last(READ))

    def newest(self) -> Head | None:
        """As its keeper knows it."""
        head = self._keeper.newest()
        return None if head is None else self._proven(head)

    def time(self) -> datetime | None:
        """By the last token that this process was given; None before the first: an entry asks the authority once."""
        if self._heard is None or _SINCE_BOOT is None:
            return None
        said, then = self._heard
        return said + timedelta(seconds=time.clock_gettime(_SINCE_BOOT) - then)

    def _proven(self, head: Head) -> Head:
        try:
            stamped = self._authority.time_of(b64decode(head.token, validate=True), _text(head))
        except Exception as error:
            raise damaged(self.name, f"entry {head.seq}: {' '.join(str(error).split())[:100]}") from error
        return replace(head, at=stamped.astimezone(UTC).isoformat(timespec="seconds"))


# Goes on while a machine sleeps; macOS has none, and its entries go by the time of the kept tokens alone.
_SINCE_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def open_timestamps(uri: str, home: Path | None) -> TimestampWitness:
    """The witness at `tsa+https://authority/path?keep=…&certificate=…`; the rest of the query is the authority's.

    Raises:
        InputError: another form, or see `Authority`.
    """
    from augment_ops.governance.witness import open_keeper

    try:
        parts = urlsplit(uri.removeprefix("tsa+"))
    except ValueError:  # brackets that are no address
        parts = urlsplit("")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    keep, certificate = (dict(asked).get(name, "") for name in ("keep", "certificate"))
    if not parts.hostname or not ("://" in keep or Path(keep).is_absolute()) or not Path(certificate).is_absolute():
        fix = "write it like that; %26 stands for & within a value, and %20 for a blank"
        raise InputError("AUGMENT_OPS_WITNESSES", address(uri)[:200], _FORM, fix)
    query = urlencode([(name, value) for name, value in asked if name not in ("keep", "certificate")])
    authority = Authority(urlunsplit(parts._replace(query=query)), Path(certificate))
    # A folder of its own below it: heads without a token, of another witness in the same place, are none here.
    return TimestampWitness(authority, open_keeper(f"{keep.rstrip('/')}/timestamps", home))


def _text(head: Head) -> bytes:
    """What is stamped: number, hash and signer. The words before them keep it from being a text of other things."""
    return f"augment-ops ledger head 1: {head.seq} {head.hash} {head.signer}".encode()
