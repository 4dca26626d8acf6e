"""Reads a table from CSV or Parquet, within bounds that are looked at before memory is taken."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, cast

from augment_ops.data.bounds import MIB, TABLE_COLUMNS, TABLE_ROWS

if TYPE_CHECKING:
    import pandas as pd

_HEADER_BYTES = 1 * MIB  # a thousand names of a thousand characters
_UNPACKED_BYTES = 1024 * MIB  # of a Parquet file in memory
_ROWS_AT_ONCE = 1_000
LARGEST = 2**63 - 1  # of an integer that a snapshot's index holds
PICKLE = "a pickle, which can run code and is never read"  # as faults say it
_TEXT = ("path", "label", "subject", "split")


def table_faults() -> tuple[type[Exception], ...]:
    """What pandas and Arrow raise on files that are none; a function, because policies are read where neither is."""
    from pyarrow import ArrowException  # its memory error is one; pandas' own are ValueErrors

    return (ValueError, OSError, OverflowError, KeyError, TypeError, ArrowException, AttributeError, IndexError)


def header_of_csv(file: IO[bytes]) -> list[str]:
    """The names in a CSV file's first row, as they are written; the file is then at its beginning.

    Raises:
        table_faults() (one of those): not a table, too many columns, or a name that stands there twice.
    """
    import pandas as pd

    refuse_pickle(file)
    header = file.readline(_HEADER_BYTES)
    _refuse_zero(header)  # before pandas, which says of UTF-16 that its first byte is no UTF-8
    columns = header.count(b",") + 1
    if columns > TABLE_COLUMNS or len(header) == _HEADER_BYTES:
        raise ValueError(f"{columns:,} columns in {len(header):,} bytes; at most {TABLE_COLUMNS:,} are read")
    file.seek(0)
    # The header as a row of its own: pandas would make `label.1` of a second `label`.
    first = pd.read_csv(file, header=None, nrows=1, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    names: list[str] = first.iloc[0].tolist()
    refuse_repeated(names)
    file.seek(0)
    return names


def text_of_csv(file: IO[bytes]) -> IO[bytes]:
    """The same file, to be read once; pandas would end a cell at a zero byte and leave out what follows.

    Raises:
        ValueError: where a zero byte is read.
    """
    return cast("IO[bytes]", io.BufferedReader(_WithoutZeros(file)))


def refuse_pickle(file: IO[bytes]) -> None:
    """Refuse a binary pickle, whatever its name says; the file is then at its beginning.

    Other pickles (of the protocols 0 and 1, which are text or begin as text may, or compressed) are told by their names
    alone. Under the name of a table they are read as that table, which they are not: nothing unpickles.

    Raises:
        ValueError: it begins as one does.
    """
    begins = file.read(2)
    file.seek(0)
    if begins[:1] == b"\x80" and begins[1:] in (b"\2", b"\3", b"\4", b"\5"):  # the protocols that are binary
        raise ValueError(PICKLE)


class _WithoutZeros(io.RawIOBase):
    """Bytes of another file, as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed: any Buffer
        data = self._file.read(len(buffer))
        _refuse_zero(data)
        buffer[: len(data)] = data
        return len(data)


def _refuse_zero(data: bytes) -> None:
    if b"\0" in data:
        raise ValueError("a zero byte, which no text holds: the file is damaged, binary or in UTF-16")


def read_csv(file: IO[bytes]) -> pd.DataFrame:
    """A CSV file with a header row. Only an empty cell is missing: "NA" and "null" are class names like any other.

    Raises:
        table_faults() (one of those): not a table, with too many columns, or with rows that have more cells than it.
    """
    import pandas as pd

    names = header_of_csv(file)
    table = pd.read_csv(
        text_of_csv(file),
        dtype=dict.fromkeys(_TEXT, "str"),
        keep_default_na=False,
        na_values=[""],
        encoding="utf-8-sig",
    )
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for names of the rows
        raise ValueError(f"rows with more cells than the {len(names)} names of the header, such as the first")
    for name in table.columns:
        if table[name].dtype.kind == "u":
            _refuse_wide(str(name), table[name].max())
    return table


def read_parquet(file: IO[bytes]) -> pd.DataFrame:
    """A Parquet file.

    What it says of its own size is looked at first, and what it unpacks to is counted, because a dictionary of one long
    text unpacks to that text in every row.

    Raises:
        table_faults() (one of those): not a Parquet file, or too large.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    refuse_pickle(file)
    parquet = pq.ParquetFile(file)
    told = parquet.metadata
    size = sum(told.row_group(number).total_byte_size for number in range(told.num_row_groups))
    refuse_large_table(told.num_rows, told.num_columns, size)
    batches, size = [], 0
    for batch in parquet.iter_batches(_ROWS_AT_ONCE, use_pandas_metadata=True):
        size += batch.nbytes
        refuse_large_table(told.num_rows, told.num_columns, size)
        batches.append(batch)
    table = pa.Table.from_batches(batches, parquet.schema_arrow if not batches else None)
    table.validate(full=True)  # text that is not UTF-8, offsets that lead nowhere
    refuse_repeated(table.column_names)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_uint64(column.type):
            _refuse_wide(name, pc.max(column).as_py())
    frame = table.to_pandas()
    # What pandas wrote as names of the rows is a column like any other, where it has a name.
    frame = frame.reset_index() if frame.index.names != [None] else frame
    for name in _TEXT:  # a gap among numbers makes floats of them, which hold no id of 17 digits
        if name in table.column_names and pa.types.is_integer(table.column(name).type):
            frame[name] = pd.Series(table.column(name).to_pylist(), dtype=object, index=frame.index)
    return frame


def _refuse_wide(name: str, largest: int | None) -> None:
    if largest is not None and largest > LARGEST:
        raise ValueError(f"{largest} in column {name!r}; integers have at most 63 bits: write ids as text")


def refuse_repeated(names: Sequence[str]) -> None:
    """Refuse columns of one name, outer blanks aside: nobody could tell which is meant.

    Raises:
        ValueError: there are some. Columns without any name are not meant by anybody.
    """
    counts = Counter(str(name).strip() for name in names)
    repeated = [name for name, count in counts.items() if count > 1 and name]
    if repeated:
        raise ValueError(f"{counts[repeated[0]]} columns called {repeated[0]!r}; rename or leave out the others")


def refuse_large_table(rows: int, columns: int, size: int) -> None:
    """Refuse a table before it is taken into memory.

    Raises:
        ValueError: more rows, columns or bytes (unpacked) than are read.
    """
    if rows > TABLE_ROWS or columns > TABLE_COLUMNS or size > _UNPACKED_BYTES:
        raise ValueError(
            f"{rows:,} rows, {columns:,} columns, {size:,} bytes; at most {TABLE_ROWS:,} rows, "
            f"{TABLE_COLUMNS:,} columns and {_UNPACKED_BYTES:,} bytes are read"
        )
