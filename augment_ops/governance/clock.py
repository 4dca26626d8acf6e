"""The time of an entry: never before the entry that precedes it, never ahead of a clock that can be asked.

What one machine's clock says cannot be checked by that machine. PostgreSQL's clock can be asked, and that of the
storage of an outside witness; where there is neither, a clock that is ahead shows only once others write after it.
They do not wait for it: their entries take the time of the one before, and their own is kept with their signature.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from augment_ops.errors import GovernanceError

DIFFER = timedelta(seconds=60)  # what machines that share a ledger may differ in time


def now() -> datetime:
    """By this machine's clock."""
    return datetime.now(UTC)


def entry_time(where: str, own: datetime, last: str | None, outside: datetime | None) -> str:
    """The time that the next entry carries.

    Args:
        own: what this machine's clock says.
        last: time of the newest entry.
        outside: what the clock of another machine says.

    Raises:
        GovernanceError: this machine's clock is ahead of the other's, or behind it and the newest entry.
    """
    if outside is not None and own - outside > DIFFER:
        raise _wrong(where, own, f"{outside:%Y-%m-%dT%H:%M:%S}Z, as the database or the outside witness has it")
    text = own.isoformat(timespec="microseconds")
    if last is None or text >= last:
        return text
    if datetime.fromisoformat(last) - own > DIFFER and outside is not None and outside - own > DIFFER:
        raise _wrong(where, own, f"a time after {last}, when the newest entry was made")
    return last


def ahead(last: str, own: datetime) -> str | None:
    """What to say of a newest entry that lies in the future; None where it does not."""
    try:
        distance = datetime.fromisoformat(last) - own
    except (ValueError, TypeError):
        return None  # verification says what is wrong with it
    if distance <= DIFFER:
        return None
    return (
        f"the newest entry was made by a clock that was {distance - timedelta(microseconds=distance.microseconds)} "
        f"ahead of this one: until {last[:19]}Z entries carry its time, and their own with their signatures. "
        "Compare the clocks (timedatectl)"
    )


def _wrong(where: str, own: datetime, expected: str) -> GovernanceError:
    found = f"a clock that says {own.isoformat(timespec='seconds')}"
    fix = "set this machine's clock (timedatectl), and do it again; nothing was entered"
    return GovernanceError(where, found, expected, fix)
