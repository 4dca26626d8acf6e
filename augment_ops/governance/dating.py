"""Whether entries are as old as they say, by timestamps of their heads: a head stands for every entry before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from augment_ops.governance.clock import DIFFER
from augment_ops.governance.timestamps import READ
from augment_ops.governance.witness import Head

# What lies between an entry and its first timestamp where an authority was away for a while. Nothing is decided by it.
_LATE = timedelta(hours=1)
_SHOWN = 5  # lines


class Dating:
    """Goes along the entries, and collects what their times and those of the timestamps do not agree in.

    Attributes:
        warnings: for people. As faults, a clock that was ahead once or an authority that was away would block for good.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._stamped: dict[str, str] = {}  # hash → when an authority saw it first
        self._from: int | None = None  # older entries have timestamps that were not read
        self._open: tuple[int, str] | None = None  # the oldest entry that no timestamp stands for yet

    def know(self, heads: Sequence[Head]) -> None:
        """Take in what one witness has of heads with a timestamp, oldest first."""
        for head in heads:
            self._stamped[head.hash] = min(head.at, self._stamped.get(head.hash, head.at))
        if heads:
            start = heads[0].seq + 1 if len(heads) >= READ else 1
            self._from = start if self._from is None else min(start, self._from)

    def see(self, row: RowMapping) -> None:
        """Hold an entry against the timestamps; entries come in order."""
        if not self._stamped:
            return
        stamped = self._stamped.pop(row["hash"], None)
        if self._from is None or not isinstance(row["seq"], int) or row["seq"] < self._from:
            return
        self._open = self._open or (row["seq"], row["at"])
        if stamped is not None:
            self._judge(row, stamped, *self._open)
            self._open = None

    def _judge(self, row: RowMapping, stamped: str, first: int, oldest: str) -> None:
        try:
            seen = datetime.fromisoformat(stamped)
            late, ahead = seen - datetime.fromisoformat(oldest), datetime.fromisoformat(row["at"]) - seen
        except (ValueError, TypeError):
            return  # verification says what is wrong with the entry
        if late > _LATE:
            of = f"entries {first} to {row['seq']} say" if first != row["seq"] else f"entry {first} says"
            self._warn(f"{of} {oldest[:19]}Z; an authority saw that first at {stamped[:19]}Z: nothing proves it older")
        if ahead > DIFFER:
            self._warn(f"entry {row['seq']} says {row['at'][:19]}Z; an authority stamped it before, at {stamped[:19]}Z")

    def _warn(self, line: str) -> None:
        self.warnings += [line] if len(self.warnings) < _SHOWN else []
