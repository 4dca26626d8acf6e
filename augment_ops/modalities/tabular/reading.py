"""A CSV or Parquet file as rows, a part at a time: what its columns hold, and the numbers of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.bounds import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.table import refuse_large_table, refuse_repeated, table_faults
from augment_ops.errors import DataError
from augment_ops.modalities.tabular.schema import MOST_CATEGORIES, UNKNOWN, TableColumn

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 10_000  # 100 columns of text: some 60 MB
_HEADER_BYTES = 1 << 20  # a thousand names of a thousand characters
# A column in which at least so many of the filled cells are numbers holds numbers, and the others are defects of their
# rows; one in which fewer are, and some, holds neither: a person has to say what it is.
_NUMBERS_AT_LEAST = 0.95
LARGEST = 1e100  # what squares, sums and rescaled values of are still finite; beyond it no quantity is meant
_SHOWN = 60  # characters of a cell


def parts(place: Place) -> Iterator[pd.DataFrame]:
    """The rows in the order of the file, `ROWS_AT_ONCE` at a time; cells of a CSV are text.

    Raises:
        DataError: no table, or one that is larger than what is read.
    """
    with place.open() as file:
        size = place.bytes_of(file)
        if size > TABLE_BYTES:
            found = f"{size:,} bytes; at most {TABLE_BYTES:,} are read"
            raise DataError(f"{place.uri}: table", found, "a smaller table", "split it into several data sets")
        try:
            read = _parquet if place.path.lower().endswith(".parquet") else _csv
            for part in read(file):
                part.columns = [str(name).strip() for name in part.columns]
                yield part
        except table_faults() as error:
            found = (str(error).splitlines() or [type(error).__name__])[0][:200]
            fix = "save it again: CSV in UTF-8 with commas, or Parquet"
            raise DataError(f"{place.uri}: table", found, "a table with a header row", fix) from error


def _csv(file: IO[bytes]) -> Iterator[pd.DataFrame]:
    import pandas as pd

    header = file.readline(_HEADER_BYTES)
    columns = header.count(b",") + 1
    if columns > TABLE_COLUMNS or len(header) == _HEADER_BYTES:
        raise ValueError(f"{columns:,} columns in {len(header):,} bytes; at most {TABLE_COLUMNS:,} are read")
    file.seek(0)
    # The header as a row of its own: pandas would make `label.1` of a second `label`.
    names = pd.read_csv(file, header=None, nrows=1, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    refuse_repeated(names.iloc[0].tolist())
    if names.shape[1] == 1:
        raise ValueError(f"one column, {str(names.iloc[0, 0])[:_SHOWN]!r}; a table of samples has more, commas between")
    file.seek(0)
    read = pd.read_csv(
        file,
        dtype=object,
        keep_default_na=False,
        na_values=[],
        encoding="utf-8-sig",
        chunksize=ROWS_AT_ONCE,
    )
    rows = 0
    with read:
        for part in read:
            rows += len(part)
            if rows > TABLE_ROWS:
                raise ValueError(f"more than {TABLE_ROWS:,} rows")
            if not isinstance(part.index, pd.RangeIndex):  # pandas takes what is too much for names of the rows
                raise ValueError(f"rows with more cells than the {names.shape[1]} names of the header")
            yield part


def _parquet(file: IO[bytes]) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    told = parquet.metadata
    refuse_repeated(parquet.schema_arrow.names)
    nested = [f"{one.name!r} holds {one.type}" for one in parquet.schema_arrow if pa.types.is_nested(one.type)]
    if nested:
        raise ValueError(f"column {nested[0][:_SHOWN]}; a cell is one number, text, truth value or date")
    size = 0
    for batch in parquet.iter_batches(ROWS_AT_ONCE):
        size += batch.nbytes  # a dictionary of one long text unpacks to that text in every row
        refuse_large_table(told.num_rows, told.num_columns, size)
        batch.validate(full=True)  # text that is not UTF-8, offsets that lead nowhere
        yield batch.to_pandas(integer_object_nulls=True)


@dataclass
class ColumnSurvey:
    """What one column of a file holds, looked at a part at a time.

    Attributes:
        filled: cells that are not empty; numbers: those of them that are numbers up to `LARGEST`; dates: those that are
            dates.
        whole: whether all its numbers are.
        texts: different values as text; no more are kept once there are too many for a category.
        odd: the first cell that is no number.
    """

    filled: int = 0
    numbers: int = 0
    dates: int = 0
    whole: bool = True
    texts: set[str] = field(default_factory=set)
    odd: str = ""

    def look(self, cells: pd.Series[Any]) -> None:
        """Take in another part."""
        if cells.dtype.kind == "M":
            self.filled += int(cells.notna().sum())
            self.dates += int(cells.notna().sum())
            return
        values, unreadable = numbers_of(cells)
        known = ~np.isnan(values)
        self.numbers += int(known.sum())
        self.filled += int(known.sum() + unreadable.sum())
        self.whole = self.whole and bool((values[known] == np.rint(values[known])).all())
        if unreadable.any() and not self.odd:
            self.odd = str(cells.to_numpy(dtype=object)[np.flatnonzero(unreadable)[0]])[:_SHOWN]
        if len(self.texts) <= MOST_CATEGORIES:
            self.texts.update(text for text in set(texts_of(cells)) if text is not None)

    def column(self, name: str, uri: str, *, category: bool) -> TableColumn:
        """What the column is.

        Args:
            name: of it.
            uri: of the data set, for messages.
            category: the run says that it holds categories.

        Raises:
            DataError: dates, numbers and texts mixed, nothing at all, or too many categories.
        """
        where = f"{uri}: column {name!r}"
        share = self.numbers / self.filled if self.filled else 0.0
        if self.dates:
            fix = f"name it as time={name}, ignore it, or make numbers of it: hour, weekday, days since"
            raise DataError(where, "dates", "numbers or categories", fix)
        if not self.filled:
            raise DataError(where, "no value in any row", "numbers or categories", f"take it away, or ignore={name}")
        if share >= _NUMBERS_AT_LEAST and not category:
            return TableColumn(name=name, kind="number", whole=self.whole)
        if self.numbers and not category:
            found = f"{self.numbers:,} numbers and {self.filled - self.numbers:,} texts, such as {self.odd!r}"
            fix = f"make it one of both; category={name} takes all of them for names, ignore={name} leaves it out"
            raise DataError(where, found, "numbers, or categories", fix)
        if len(self.texts) > MOST_CATEGORIES:
            found = f"more than {MOST_CATEGORIES} different texts, such as {min(self.texts)[:_SHOWN]!r}"
            fix = f"ignore={name}, or make numbers of it: how often, how much, how long ago"
            raise DataError(where, found, f"at most {MOST_CATEGORIES} categories", fix)
        return TableColumn(name=name, kind="category", categories=tuple(sorted(self.texts)))


def numbers_of(cells: pd.Series[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells as float64 (n,), NaN where there is none; and which are filled and no number up to `LARGEST`, bool (n,)."""
    import pandas as pd

    if cells.dtype.kind in "iufb":
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.abs(values) > LARGEST
        return np.where(unreadable, np.nan, values), unreadable
    empty = np.array([_is_empty(value) for value in cells.to_numpy(dtype=object)], np.bool_)
    values = pd.to_numeric(cells.astype(object).where(~empty, None), errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    unreadable = ~empty & ~(np.abs(values) <= LARGEST)
    return np.where(unreadable, np.nan, values), unreadable


def texts_of(cells: pd.Series[Any]) -> list[str | None]:
    """Cells as text, None where there is none; 3 and 3.0 are one category, whether the column had gaps or not."""
    return [_text(value) for value in cells.to_numpy(dtype=object)]


def codes_of(column: TableColumn, texts: Sequence[str | None]) -> NDArray[np.float64]:
    """Codes of categories, float64 (n,): NaN where there is none, `UNKNOWN` for one that the schema does not have."""
    places = {name: float(place) for place, name in enumerate(column.categories)}
    return np.array([np.nan if text is None else places.get(text, UNKNOWN) for text in texts], np.float64)


def _is_empty(value: Any) -> bool:
    import pandas as pd

    return not value.strip() if isinstance(value, str) else bool(pd.isna(value))


def _text(value: Any) -> str | None:
    if _is_empty(value):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip()
