"""A table of interactions as a source of samples: one row, one sample, which is what its user had done before.

The class of a sample is the item of its row. What a user did at the same moment is no part of it: nobody knows what
came first, and the order of a file (by number of the item, say) would tell it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.sample_index import beside, index_columns
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.parts import parts, texts_of
from augment_ops.data.sources.roles import one_role_each, read_roles
from augment_ops.data.sources.times import seconds_of
from augment_ops.errors import DataError, nearest
from augment_ops.modalities.interactions.histories import AGE, ITEM, OLDEST_S
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.source import Defect, Leftovers, RawSample, Scalar, Schema

CONTENT = "history_sha256"  # the index's column of what equal histories have in common
KNOWN = "known_interactions"  # the index's column of how much is known of the user before
# From how many on a user is called so. Data sets of the field are often cut to users with five or twenty interactions,
# so that what is published of models says nothing of those below.
_KNOWN: Sequence[tuple[int, str]] = ((20, "20 or more"), (5, "5 to 19"), (1, "1 to 4"), (0, "none"))
_KEPT = frozenset((*index_columns(CONTENT, ()), KNOWN))  # names that the snapshot's index has itself
_SHOWN = 40  # characters of a cell
_EXAMPLE = "user=userId,item=movieId,time=timestamp"


@dataclass(frozen=True, kw_only=True)
class InteractionRoles:
    """The columns of a table of interactions, by what they are; every other column is kept beside.

    Attributes:
        user: who did it.
        item: with what.
        time: when; a number whose order is that of time, or a date in ISO 8601.
    """

    user: str = "user"
    item: str = "item"
    time: str = "time"

    @classmethod
    def parse(cls, text: str) -> InteractionRoles:
        """Read `role=column,role=column`.

        Raises:
            DataError: an unknown role, one given twice, no column for one, or a column with two roles.
        """
        given = read_roles(text, single=[one.name for one in fields(cls)], several=(), example=_EXAMPLE)
        roles = cls(**given)  # type: ignore[arg-type]
        one_role_each(roles.columns.values())
        return roles

    @property
    def columns(self) -> dict[str, str]:
        """Role → column."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, kw_only=True)
class _InteractionTable:
    """All rows of a file, in its order.

    Attributes:
        users, items: names, None where a cell is empty.
        times: float64 (N,), NaN where a cell is no time.
        extra: the other columns, by what the index calls them.
    """

    users: list[str | None]
    items: list[str | None]
    times: NDArray[np.float64]
    extra: Mapping[str, list[str | None]]

    def defect(self, row: int) -> str:
        """Why a row is no interaction; empty where it is one."""
        for role, names in (("user", self.users), ("item", self.items)):
            if names[row] is None:
                return f"unreadable: no {role}"
        return "unreadable: no time" if np.isnan(self.times[row]) else ""


class InteractionSource:
    """Interactions of one table, in any order: they are sorted here, user by user.

    All rows are held in memory, some 200 bytes each: the next row may be anybody's, of any time.

    Args:
        place: the file.
        roles: which column is what.
        room: items that a history may have.
        last: whether the last moment of each user is held out for testing, and the one before for validation.
        items: of the data set that the interactions are to be compared with; by default they have their own. What it
            does not know is left out of histories.

    Attributes:
        name: kebab-case, of the data set.
        leftovers: none: a table is read whole.
    """

    def __init__(
        self, place: Place, roles: InteractionRoles, *, room: int, last: bool, items: Items | None = None
    ) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place, self._roles, self._room, self._last, self._given = place, roles, room, last, items
        self._items = items

    def samples(self) -> Iterator[RawSample]:
        """One sample a row; `data` is int32 (H, 2). See `augment_ops.modalities.source.Source`.

        Raises:
            DataError: no table; a column that a role names is missing; more items than a model can score.
        """
        table = self._read()
        rows = [row for row in range(len(table.users)) if not table.defect(row)]
        if not rows:
            raise self._without_rows(table)
        self._items = self._given or Items.of(name for name in (table.items[row] for row in rows) if name)
        yield from self._defects(table)
        of_user: dict[str, list[int]] = {}
        for row in rows:
            of_user.setdefault(str(table.users[row]), []).append(row)
        for user in sorted(of_user):
            yield from self._of_user(user, np.array(of_user[user], np.int64), table, self._items)

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The file, and what its columns are taken for; see `Source`."""
        yield "file", self._place.sha256()
        yield "columns", repr(self._roles), str(self._room), str(self._last)
        if self._given is not None:
            yield "items", repr(self._given)

    @property
    def schema(self) -> Schema:
        """The catalogue of items; complete after the last sample."""
        return (self._items or Items(())).content()

    def _read(self) -> _InteractionTable:
        users: list[str | None] = []
        items: list[str | None] = []
        times: list[NDArray[np.float64]] = []
        extra: dict[str, list[str | None]] = {}
        for part in parts(self._place):
            self._look(list(part.columns))
            users += texts_of(part[self._roles.user])
            items += texts_of(part[self._roles.item])
            times.append(seconds_of(part[self._roles.time]))
            others = [name for name in part.columns if name not in self._roles.columns.values() and name]
            for name, called in beside(others, _KEPT, self._place.uri).items():
                extra.setdefault(called, []).extend(texts_of(part[name]))
        return _InteractionTable(users=users, items=items, times=np.concatenate(times or [np.zeros(0)]), extra=extra)

    def _look(self, names: list[str]) -> None:
        """See that the columns that roles name are there."""
        for role, column in self._roles.columns.items():
            if column not in names:
                raise self._fault(
                    f"columns: {role}",
                    f"no column {column!r}.{nearest(column, names)}",
                    f"one of {', '.join(names)}"[:300],
                    f"correct --interaction-columns, such as {role}={names[0]}",
                )

    def _defects(self, table: _InteractionTable) -> Iterator[RawSample]:
        for row in range(len(table.users)):
            found = table.defect(row)
            if found:
                yield RawSample(
                    id=f"row-{row + 1}",
                    label=table.items[row],
                    split="train" if self._last else None,
                    subject=table.users[row],
                    time=None if np.isnan(table.times[row]) else float(table.times[row]),
                    source=f"row {row + 1}",
                    data=Defect(found),
                    extra={**{name: column[row] for name, column in table.extra.items()}, KNOWN: None},
                )

    def _of_user(
        self, user: str, rows: NDArray[np.int64], table: _InteractionTable, items: Items
    ) -> Iterator[RawSample]:
        """The samples of one user, the oldest first; of one moment in the order of the catalogue."""
        codes = np.array([items.code(str(table.items[row])) for row in rows], np.int64)
        times = table.times[rows]
        order = np.lexsort((rows, codes, times))
        rows, codes, times = rows[order], codes[order], times[order]
        moments = np.unique(times)
        before = np.searchsorted(times, times, side="left")  # how many are older than each
        seen: Counter[str] = Counter()
        for place, row in enumerate(rows.tolist()):
            item, known = str(table.items[row]), int(before[place])
            seen[item] += 1
            extra: Mapping[str, Scalar] = {name: column[row] for name, column in table.extra.items()}
            yield RawSample(
                id=_named(user, item, seen[item]),
                label=item,
                split=_held_out(times[place], moments) if self._last else None,
                subject=user,
                time=float(times[place]),
                source=f"row {row + 1}",
                data=_history(codes[:known], times[:known], times[place], self._room),
                extra={**extra, KNOWN: next(name for least, name in _KNOWN if known >= least)},
            )

    def _without_rows(self, table: _InteractionTable) -> DataError:
        """Why no row is an interaction, and what to do about the reason that most have."""
        reasons = Counter(table.defect(row).removeprefix("unreadable: ") for row in range(len(table.users)))
        told = ", ".join(f"{reason} in {count:,}" for reason, count in reasons.most_common())
        roles = ", ".join(f"{role}={column}" for role, column in self._roles.columns.items())
        return self._fault(
            "table",
            f"no interaction in {len(table.users):,} rows" + (f": {told}" if told else ""),
            "rows with a user, an item and a time, a number or a date in ISO 8601",
            f"correct the table, or --interaction-columns ({roles})",
        )

    def _fault(self, part: str, found: str, expected: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}: {part}", found, expected, fix)


def _named(user: str, item: str, time: int) -> str:
    """An id by content: user, item, and which time it is; no other three have it, whatever names hold."""
    return f"{user.replace('%', '%25').replace(':', '%3A')}:{item}:{time}"


def _history(codes: NDArray[np.int64], times: NDArray[np.float64], moment: float, room: int) -> NDArray[np.int32]:
    """The newest items of those given: int32 (room, 2)."""
    is_known = codes > 0
    codes, times = codes[is_known][-room:], times[is_known][-room:]
    out = np.zeros((room, 2), np.int32)
    if len(codes):
        out[-len(codes) :, ITEM] = codes
        out[-len(codes) :, AGE] = np.minimum(moment - times, OLDEST_S)
    return out


def _held_out(time: Any, moments: NDArray[np.float64]) -> str:
    """The split of what a user did at a time, where the last two moments are held out and one is left to learn from."""
    if len(moments) > 1 and time == moments[-1]:
        return "test"
    return "validation" if len(moments) > 2 and time == moments[-2] else "train"
