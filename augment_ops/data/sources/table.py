"""Reads a table from CSV or Parquet, within bounds that are looked at before memory is taken."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pyarrow as pa

from augment_ops.data.bounds import MIB, TABLE_COLUMNS, TABLE_ROWS

if TYPE_CHECKING:
    import pandas as pd

# What pandas and Arrow raise on files that are none. pandas' own are ValueErrors, Arrow's memory error is one of its.
TABLE_FAULTS = (ValueError, OSError, OverflowError, KeyError, TypeError, pa.ArrowException, AttributeError, IndexError)

_HEADER_BYTES = 1 * MIB  # a thousand names of a thousand characters
_UNPACKED_BYTES = 1024 * MIB  # of a Parquet file in memory
_ROWS_AT_ONCE = 1_000
_TEXT = ("path", "label", "subject", "split")


def read_csv(file: IO[bytes]) -> pd.DataFrame:
    """A CSV file with a header row. Only an empty cell is missing: "NA" and "null" are class names like any other.

    Raises:
        TABLE_FAULTS (one of those): not a table, or with too many columns.
    """
    import pandas as pd

    header = file.readline(_HEADER_BYTES)
    columns = header.count(b",") + 1
    if columns > TABLE_COLUMNS or len(header) == _HEADER_BYTES:
        raise ValueError(f"{columns:,} columns in {len(header):,} bytes; at most {TABLE_COLUMNS:,} are read")
    file.seek(0)
    return pd.read_csv(file, dtype=dict.fromkeys(_TEXT, "str"), keep_default_na=False, na_values=[""])


def read_parquet(file: IO[bytes]) -> pd.DataFrame:
    """A Parquet file.

    What it says of its own size is looked at first, and what it unpacks to is counted, because a dictionary of one long
    text unpacks to that text in every row.

    Raises:
        TABLE_FAULTS (one of those): not a Parquet file, or too large.
    """
    import pyarrow.parquet as pq

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
    return table.to_pandas()


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
