"""A table as a source of samples: one row, one sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.sample_index import beside, index_columns
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.parts import parts, texts_of
from augment_ops.data.split import SHARES
from augment_ops.errors import DataError, Fault, nearest
from augment_ops.modalities.source import COLUMN_SPLITS, Defect, Leftovers, RawSample, Scalar, Schema
from augment_ops.modalities.tabular.apart import apart
from augment_ops.modalities.tabular.reading import LARGEST, ColumnSurvey, codes_of, numbers_of
from augment_ops.modalities.tabular.roles import ColumnRoles
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema

if TYPE_CHECKING:
    import pandas as pd

CONTENT = "row_sha256"  # the index's column of what equal rows have in common
_KEPT = frozenset(index_columns(CONTENT, ()))  # names that the snapshot's index has itself
_ID_BYTES = 8  # of a hash of the row: of a million rows, one pair in 37 million is mistaken for a repetition
_SHOWN = 40  # characters of a cell


class TableSource:
    """Rows of a CSV or Parquet file, read twice: once for what the columns hold, once for the rows.

    Args:
        place: the file.
        roles: which column is what.
        schema: of the data set that the rows are to be compared with; by default they have their own. Categories that
            it does not know get the code for unknown ones.

    Attributes:
        name: kebab-case, of the data set.
        leftovers: none: a table is read whole.
    """

    def __init__(self, place: Place, roles: ColumnRoles, schema: TableSchema | None = None) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place, self._roles, self._given = place, roles, schema

    def samples(self) -> Iterator[RawSample]:
        """One sample a row; `data` is float64 (F,). See `augment_ops.modalities.source.Source`.

        Raises:
            DataError: no table; a column that a role names is missing, or a role's cells cannot be what it says.
        """
        seen: Counter[bytes] = Counter()
        first = 0
        for part in parts(self._place):
            yield from self._samples(part, first, seen)
            first += len(part)

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The file, and what its columns are taken for; see `Source`."""
        yield "file", self._place.sha256()
        yield "columns", repr(self._roles)
        if self._given is not None:
            yield "schema", repr(self._given)

    @property
    def schema(self) -> Schema:
        """The columns that are features, as a manifest holds them."""
        return self.columns.content()

    @cached_property
    def columns(self) -> TableSchema:
        """The columns that are features; reads the file once where none was given.

        Raises:
            DataError: see `samples`; or a column that is neither numbers nor categories: every such column at once.
        """
        surveys: dict[str, ColumnSurvey] = {}
        rows = 0
        for part in parts(self._place):
            if not rows:
                surveys = {name: ColumnSurvey() for name in self._features(list(part.columns))}
            rows += len(part)
            for name, survey in surveys.items():
                survey.look(part[name])
        if not rows:
            raise DataError(f"{self._place.uri}: table", "no rows", "a row a sample", "give a table with rows")
        if self._given is not None:
            return self._given
        columns: list[TableColumn] = []
        faults: list[Fault] = []
        for name, survey in surveys.items():
            try:
                columns.append(survey.column(name, self._place.uri, category=name in self._roles.category))
            except DataError as error:
                faults += error.faults
        if faults:
            raise faults_of(self._place.uri, faults)
        return TableSchema(tuple(columns))

    @cached_property
    def _apart(self) -> list[str]:
        """The split of each row of the file, where it keeps subjects apart; none of rows that are only compared."""
        if not self._roles.apart or self._given is not None:
            return []
        times: list[float | None] = []
        subjects: list[str | None] = []
        for part in parts(self._place):
            times += self._times(part, {})
            subjects += self._texts(part, self._roles.apart)
        found = apart(np.array([np.nan if time is None else time for time in times]), subjects)
        empty = [name for name in ("train", *SHARES) if name not in found]
        if empty:
            known = len(set(subjects))
            fix = "give more subjects or a longer time, or subject= in place of apart=, which lets time alone decide"
            raise self._fault("columns: apart", f"no row for {empty[0]}: {known} subjects", "rows in every part", fix)
        return found

    def _features(self, names: list[str]) -> list[str]:
        """The columns that are no roles, in the order of the file, once it is seen that the roles' are there."""
        roles = self._roles
        wanted = {**{column: role for role, column in roles.single.items()}}
        wanted |= dict.fromkeys(roles.ignore, "ignore") | dict.fromkeys(roles.category, "category")
        if self._given is not None:  # what production sends may have no label yet
            wanted |= dict.fromkeys(self._given.names, "feature")
        faults = [
            Fault(
                f"columns: {role}",
                f"no column {column!r} in {self._place.uri}.{nearest(column, names)}",
                f"one of {', '.join(names)}"[:300],
                f"correct --columns, such as {role}={names[0]}",
            )
            for column, role in wanted.items()
            if column not in names
        ]
        if faults:
            raise faults_of(self._place.uri, faults)
        features = [name for name in names if name not in wanted or wanted[name] in ("category", "feature")]
        if not features:
            fix = "give the table columns that a model can learn from"
            raise DataError(f"{self._place.uri}: columns", "no column beside the roles'", "features", fix)
        return features

    def _samples(self, part: pd.DataFrame, first: int, seen: Counter[bytes]) -> Iterator[RawSample]:
        count = len(part)
        rows, texts, defects = self._rows(part)
        labels, subjects = self._texts(part, self._roles.label), self._texts(part, self._roles.whose)
        times = self._times(part, defects)
        splits = self._splits(part, first)
        ids = self._texts(part, self._roles.id)
        called = beside(self._roles.ignore, _KEPT, self._place.uri)
        extra = {called[name]: texts_of(part[name]) for name in self._roles.ignore}
        for row in range(count):
            sha = hashlib.sha256(rows[row].data)
            sha.update(repr((labels[row], subjects[row], times[row], splits[row], *(t[row] for t in texts))).encode())
            given = ids[row]
            if self._roles.id and given is None:
                raise self._fault("id", f"nothing in line {first + row + 2}", "an id in every row", "fill or drop it")
            defect = defects.get(row)
            values: Mapping[str, Scalar] = {name: column[row] for name, column in extra.items()}
            yield RawSample(
                id=given or _named(sha.digest()[:_ID_BYTES], seen),
                label=labels[row],
                split=splits[row],
                subject=subjects[row],
                time=times[row],
                source=f"line {first + row + 2}",  # a reader counts from 1, after the header
                data=rows[row] if defect is None else Defect(defect),
                extra=values,
            )

    def _rows(self, part: pd.DataFrame) -> tuple[NDArray[np.float64], list[list[str | None]], dict[int, str]]:
        """Rows (n, F), the texts of categories by column, and of each row that has one its first unreadable value."""
        rows = np.empty((len(part), len(self.columns)))
        texts: list[list[str | None]] = []
        defects: dict[int, str] = {}
        for place, column in enumerate(self.columns.columns):
            cells = part[column.name]
            if column.kind == "category":
                texts.append(texts_of(cells))
                rows[:, place] = codes_of(column, texts[-1])
                continue
            rows[:, place], unreadable = numbers_of(cells)
            for row in np.flatnonzero(unreadable).tolist():
                value = str(cells.iloc[row])[:_SHOWN]
                defects.setdefault(row, f"unreadable: {column.name} is {value!r}, which is no number up to {LARGEST:g}")
        rows += 0.0  # minus zero is zero: equal rows have equal bytes
        return rows, texts, defects

    def _texts(self, part: pd.DataFrame, name: str) -> list[str | None]:
        return texts_of(part[name]) if name else [None] * len(part)

    def _splits(self, part: pd.DataFrame, first: int) -> list[str | None]:
        if self._apart:
            return list(self._apart[first : first + len(part)])
        given = self._texts(part, self._roles.split)
        for row, text in enumerate(given):
            if text is not None and text.lower() not in COLUMN_SPLITS:
                found = f"{text[:_SHOWN]!r} in line {first + row + 2}.{nearest(text, COLUMN_SPLITS)}"
                raise self._fault("split", found, " | ".join(COLUMN_SPLITS), "use one of these names")
        return [None if text is None else COLUMN_SPLITS[text.lower()] for text in given]

    def _times(self, part: pd.DataFrame, defects: dict[int, str]) -> list[float | None]:
        """Seconds since 1970, or the numbers as they are; a row whose time cannot be read has a defect."""
        import pandas as pd

        name = self._roles.time
        if not name:
            return [None] * len(part)
        cells = part[name]
        if cells.dtype.kind == "M":
            seconds = _seconds(pd.to_datetime(cells, utc=True))
        else:
            seconds, dates = numbers_of(cells)
            if dates.any():
                moments = pd.to_datetime(cells[dates].astype(str), utc=True, format="ISO8601", errors="coerce")
                seconds[dates] = _seconds(moments)
        for row in np.flatnonzero(np.isnan(seconds)).tolist():
            value = str(cells.iloc[row])[:_SHOWN]
            defects.setdefault(row, f"unreadable: {name} is {value!r}, which is no time")
        return [None if np.isnan(value) else value for value in seconds.tolist()]

    def _fault(self, part: str, found: str, expected: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}: {part}", found, expected, fix)


def faults_of(uri: str, faults: list[Fault]) -> DataError:
    """One error for one fault, or for all of a table's."""
    if len(faults) == 1:
        return DataError(faults[0].where, faults[0].found, faults[0].expected, faults[0].fix)
    return DataError.of(uri, faults)


def _seconds(moments: pd.Series[Any]) -> NDArray[np.float64]:
    """Since 1970, float64 (n,); NaN where there is no moment. By microseconds: nanoseconds end in the year 2262."""
    whole = moments.dt.as_unit("us")
    seconds = whole.astype("int64").to_numpy(np.float64) / 1e6
    return np.where(whole.isna(), np.nan, seconds)


def _named(row: bytes, seen: Counter[bytes]) -> str:
    """An id by content; of rows that are the same, the second is `…-2`."""
    seen[row] += 1
    return row.hex() + (f"-{seen[row]}" if seen[row] > 1 else "")
