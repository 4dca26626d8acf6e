"""One file of the prediction log as a table, within bounds that are looked at before memory is taken."""

from __future__ import annotations

import io

import pyarrow as pa

_MAX_ROWS = 5_000_000  # a service that logs a thousand records a second and writes once an hour
_MAX_BYTES = 1 << 30  # unpacked
_ROWS_AT_ONCE = 1_000


def read_log_file(data: bytes) -> pa.Table:
    """The columns of a Parquet file of the log; whoever takes them looks at their types.

    Raises:
        ValueError: more rows or bytes than are read.
        pyarrow.ArrowException, OSError: not a Parquet file, or damaged; text that is not UTF-8.
    """
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(io.BytesIO(data))
    told = parquet.metadata
    size = sum(told.row_group(number).total_byte_size for number in range(told.num_row_groups))
    if told.num_rows > _MAX_ROWS or size > _MAX_BYTES:
        raise ValueError(f"{told.num_rows:,} rows, {size:,} bytes; at most {_MAX_ROWS:,} and {_MAX_BYTES:,} are read")
    batches, size = [], 0
    for batch in parquet.iter_batches(_ROWS_AT_ONCE):  # counted, because a dictionary unpacks to more than it says
        size += batch.nbytes
        if size > _MAX_BYTES:
            raise ValueError(f"it unpacks to more than {_MAX_BYTES:,} bytes")
        batches.append(batch)
    table = pa.Table.from_batches(batches, parquet.schema_arrow)
    table.validate(full=True)  # text that is not UTF-8, offsets that lead nowhere
    return table
