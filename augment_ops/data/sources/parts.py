"""A table as it lies in a CSV, Parquet or JSON Lines file, a part of its rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from augment_ops.data.bounds import TABLE_BYTES, TABLE_ROWS
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.table import (
    header_of_csv,
    refuse_large_table,
    refuse_pickle,
    refuse_repeated,
    table_faults,
    text_of_csv,
)
from augment_ops.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

TABLES = (".csv", ".parquet", ".jsonl")  # how the names of files end that hold one
ROWS_AT_ONCE = 10_000  # 100 columns of text: some 60 MB
_LINE_BYTES = 1 << 20  # of JSON: one row
_SHOWN = 60  # characters of a cell


def parts(place: Place, path: str | None = None, *, alone: bool = False) -> Iterator[pd.DataFrame]:
    """The rows in the order of the file, `ROWS_AT_ONCE` at a time; cells of a CSV are text.

    Args:
        place: the file, or the folder that it lies in.
        path: of the file, where the place is a folder.
        alone: whether a file of one column is a table, and none with other separators.

    Raises:
        DataError: no table, or one that is larger than what is read.
    """
    name = path or place.path
    with place.open(path) as file:
        size = place.bytes_of(file)
        if size > TABLE_BYTES:
            found = f"{size:,} bytes; at most {TABLE_BYTES:,} are read"
            raise DataError(f"{place.uri}: table", found, "a smaller table", "split it into several data sets")
        try:
            refuse_pickle(file)
            ending = name.lower().rpartition(".")[2]
            for part in {"parquet": _parquet, "jsonl": _json_lines}.get(ending, csv_parts)(file):
                if part.shape[1] == 1 and not alone:
                    shown = str(part.columns[0])[:_SHOWN]
                    raise ValueError(f"one column, {shown!r}; a table of samples has more, commas between")
                part.columns = [str(name).strip() for name in part.columns]
                yield part
        except table_faults() as error:
            found = (str(error).splitlines() or [type(error).__name__])[0][:200]
            fix = "save it again: CSV in UTF-8 with commas, or Parquet"
            raise DataError(f"{place.uri}: table", found, "a table with a header row", fix) from error


def csv_parts(file: IO[bytes]) -> Iterator[pd.DataFrame]:
    """The rows of a CSV file, cells as text.

    Raises:
        table_faults() (one of those): no such file.
    """
    import pandas as pd

    names = header_of_csv(file)
    read = pd.read_csv(
        text_of_csv(file),
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
                raise ValueError(f"rows with more cells than the {len(names)} names of the header")
            yield part


def _parquet(file: IO[bytes]) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    for batch in parquet_parts(pq.ParquetFile(file)):
        yield batch.to_pandas(integer_object_nulls=True)


def parquet_parts(parquet: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, as it has them.

    Raises:
        table_faults() (one of those): cells that are no single values, or more of them than are read.
    """
    import pyarrow as pa

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
        yield batch


def _json_lines(file: IO[bytes]) -> Iterator[pd.DataFrame]:
    """The columns are those of the first part: a later line may lack some."""
    import pandas as pd

    names: list[str] = []
    for rows in json_parts(file):
        names = names or list(dict.fromkeys(name for row in rows for name in row))
        unknown = next((name for row in rows for name in row if name not in names), None)
        if unknown is not None:
            raise ValueError(f"{unknown[:_SHOWN]!r}, which none of the first {ROWS_AT_ONCE:,} lines has")
        yield pd.DataFrame(rows, columns=names, dtype=object)


def json_parts(file: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """An object a line, such as {"text": "where is my card", "label": "card_arrival"}; blank lines do not count.

    Raises:
        table_faults() (one of those): a line of another form, or more of them than are read.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES), b""), 1):
        if number > TABLE_ROWS:
            raise ValueError(f"more than {TABLE_ROWS:,} rows")
        if len(line) == _LINE_BYTES:
            raise ValueError(f"line {number} has {_LINE_BYTES:,} bytes or more")
        if line.strip():
            rows.append(_object(line, number))
        if len(rows) == ROWS_AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _object(line: bytes, number: int) -> dict[str, Any]:
    found = json.loads(line.decode("utf-8-sig"))
    if not isinstance(found, dict) or any(isinstance(value, (dict, list)) for value in found.values()):
        raise ValueError(f"line {number} is no object of texts and numbers")
    return found


def texts_of(cells: pd.Series[Any]) -> list[str | None]:
    """Cells as text, None where there is none; 3 and 3.0 are one category, whether the column had gaps or not."""
    return [text_of(value) for value in cells.to_numpy(dtype=object)]


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing, or blanks alone."""
    import pandas as pd

    return not value.strip() if isinstance(value, str) else bool(pd.isna(value))


def text_of(value: Any) -> str | None:
    """A cell as text: see `texts_of`."""
    if is_empty(value):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip()
