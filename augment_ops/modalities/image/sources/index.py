"""A CSV or Parquet file that lists images: columns `path` and `label`, optionally `subject`, `time` and `split`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from augment_ops.data.bounds import TABLE_BYTES
from augment_ops.data.sample_index import beside, index_columns
from augment_ops.data.sources.locate import Place, why_unreadable
from augment_ops.data.sources.table import LARGEST, read_csv, read_parquet, table_faults
from augment_ops.errors import DataError, Fault, nearest
from augment_ops.files import leads_outside
from augment_ops.modalities.image.sources import CONTENT, MEASURES
from augment_ops.modalities.source import COLUMN_SPLITS, Leftovers, RawSample, Scalar

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("path", "label")
_OWN = (*_REQUIRED, "subject", "time", "split")
_KEPT = frozenset(index_columns(CONTENT, MEASURES))  # names that the snapshot's index has itself
_ROWS_SHOWN = 5
_SHOWN = 60  # characters of a cell
_CELL = (str, bool, int, float, Decimal, date, time, timedelta, UUID, np.generic)
_VALUES = "one value a cell: text, a number of at most 63 bits, a date"


class IndexSource:
    """Images listed in a table. Paths are relative to the table's folder; other columns are kept as metadata.

    A column whose name the snapshot itself uses (`height`, say) is kept as `meta_<name>`.
    """

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a row, with its path as id; see `Source`."""
        table = self._table()
        self._refuse_cells(table)
        paths = self._paths(table)
        rows = len(paths)
        labels = [_text(value) for value in table["label"]]
        splits = self._splits(table) if "split" in table else [None] * rows
        subjects = [_text(value) for value in table["subject"]] if "subject" in table else [None] * rows
        times = self._times(table) if "time" in table else [None] * rows
        self._refuse_gaps({"subject": subjects, "time": times, "split": splits})
        called = beside([name for name in table.columns if name not in _OWN], _KEPT, self._place.uri)
        extra = {other: _scalars(table[name]) for name, other in called.items()}
        files = self._files(paths)
        for row, content in enumerate(self._place.read_many(files)):
            data = why_unreadable(content) if isinstance(content, Exception) else content
            values = {name: column[row] for name, column in extra.items()}
            yield RawSample(
                id=paths[row],
                label=labels[row],
                split=splits[row],
                subject=subjects[row],
                time=times[row],
                source=paths[row],
                data=data,
                extra=values,
            )

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The table, and the files that it lists, in its order; see `Source`."""
        yield "file", self._place.sha256()
        table = self._table()
        self._refuse_cells(table)
        yield from ((digest,) for digest in self._place.sha256_each(self._files(self._paths(table))))

    def _table(self) -> pd.DataFrame:
        with self._place.open() as file:
            size = self._place.bytes_of(file)
            if size > TABLE_BYTES:
                found, fix = f"{size:,} bytes; at most {TABLE_BYTES:,} are read", "split it into several data sets"
                raise self._fault("table", found, "a table of images", fix)
            try:
                table = read_parquet(file) if self._place.path.lower().endswith(".parquet") else read_csv(file)
            except table_faults() as error:
                found = (str(error).splitlines() or [type(error).__name__])[0][:200]
                fix = "save it again: CSV in UTF-8 with commas, or Parquet"
                raise self._fault("table", found, "a table with a header row", fix) from error
        table.columns = [str(name).strip() for name in table.columns]
        if len(table.columns) == 1 and set(table.columns[0]) & set(";\t|"):
            found = f"one column, {table.columns[0][:_SHOWN]!r}"
            raise self._fault("table", found, "columns with commas between them", "save it as CSV with commas")
        faults = [
            Fault(name, f"no such column.{nearest(name, table.columns)}", "a column of that name", "add or rename it")
            for name in _REQUIRED
            if name not in table
        ]
        if faults:
            raise DataError.of(self._place.uri, faults)
        if table.empty:
            raise self._fault("table", "no rows", "one row an image", "list the images")
        return table

    def _refuse_cells(self, table: pd.DataFrame) -> None:
        """A cell is one value: a list, a structure or bytes would be compared as what Python writes for it."""
        faults = []
        for name in table.columns:
            column = table[name]
            for row, value in enumerate(column.tolist() if column.dtype == object else ()):
                large = isinstance(value, int) and abs(value) > LARGEST
                if large or not (value is None or isinstance(value, _CELL)):
                    text = repr(value)
                    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
                    found = f"{type(value).__name__} {shown} in {_rows([row])}"
                    faults.append(
                        Fault(f"column {name!r}", found, _VALUES, "give each part a column; write ids as text")
                    )
                    break
        if faults:
            raise DataError.of(self._place.uri, faults)

    def _paths(self, table: pd.DataFrame) -> list[str]:
        paths = [_text(value) for value in table["path"]]
        blank = [row for row, path in enumerate(paths) if path is None]
        if blank:
            raise self._fault("path", f"no path in {_rows(blank)}", "a path in every row", "fill or drop these rows")
        return [posixpath.normpath(str(path).strip().replace("\\", "/")) for path in paths]

    def _files(self, paths: list[str]) -> list[str]:
        """The files that the paths mean, in the data set's file system.

        Raises:
            DataError: one that leads outside, where that is not allowed.
        """
        files = [posixpath.normpath(posixpath.join(self._place.folder, path)) for path in paths]
        self._refuse_outside(paths, files)
        return files

    def _refuse_outside(self, paths: list[str], files: list[str]) -> None:
        """An index is text that anybody may have written: it names files of its own data set, or the user says more."""
        folder, inside = self._place.folder, self._place.inside
        if inside is None:
            return
        below = folder.rstrip("/") + "/"
        outside = [
            row
            for row, file in enumerate(files)
            if not file.startswith(below) or (self._place.is_local and leads_outside(file, inside))
        ]
        if outside:
            raise self._fault(
                "path",
                f"{paths[outside[0]]!r}, which leads outside {folder}, in {_rows(outside)}",
                "files in the folder of the index or below",
                "put the files there; --allow-outside reads what you trust (it is recorded with the run)",
            )

    def _splits(self, table: pd.DataFrame) -> list[str | None]:
        given = [_text(value) for value in table["split"]]
        unknown = sorted({text for text in given if text is not None and text.strip().lower() not in COLUMN_SPLITS})
        if unknown:
            found = f"{unknown[0]!r}.{nearest(unknown[0], COLUMN_SPLITS)}"
            raise self._fault("split", found, " | ".join(COLUMN_SPLITS), "use one of these names")
        return [None if text is None else COLUMN_SPLITS[text.strip().lower()] for text in given]

    def _times(self, table: pd.DataFrame) -> list[float | None]:
        """Numbers as they are; dates as seconds since 1970, those without a zone in UTC."""
        import pandas as pd

        column = table["time"]
        if pd.api.types.is_numeric_dtype(column):
            return [None if pd.isna(value) else float(value) for value in column]
        try:
            moments = pd.to_datetime(column, utc=True, format=None if column.dtype.kind == "M" else "ISO8601")
        except (ValueError, TypeError) as error:
            found = str(error).splitlines()[0][:200]
            fix = "write times as 2024-05-31T12:00:00Z"
            raise self._fault("time", found, "ISO 8601 dates or numbers", fix) from error
        return [None if pd.isna(moment) else moment.timestamp() for moment in moments]

    def _refuse_gaps(self, columns: dict[str, list[Any]]) -> None:
        """A split by subject or time cannot be honest about samples that have none."""
        for name, values in columns.items():
            missing = [row for row, value in enumerate(values) if value is None]
            if missing and len(missing) < len(values):
                raise self._fault(
                    name, f"nothing in {_rows(missing)}", "a value in every row, or no such column", "fill or drop it"
                )

    def _fault(self, part: str, found: str, expected: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}: {part}", found, expected, fix)


def _text(value: Any) -> str | None:
    """Cell to text: None where empty; 3 and 3.0 are the same class, whether the column had gaps or not."""
    import pandas as pd

    if value is None or pd.isna(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _scalars(column: pd.Series) -> list[Scalar]:
    """Values that Parquet keeps and JSON hashes: numbers and truth values as they are, all else as text."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return [None if pd.isna(value) else value for value in column.tolist()]
    return [None if value is None or pd.isna(value) else str(value) for value in column.tolist()]


def _rows(numbers: list[int]) -> str:
    shown = ", ".join(str(number + 2) for number in numbers[:_ROWS_SHOWN])  # a reader counts from 1, after the header
    return f"{len(numbers)} rows (line {shown}{', …' if len(numbers) > _ROWS_SHOWN else ''})"
