"""One file of the prediction log as a table of known columns; whatever else it is, it is named and not read."""

from __future__ import annotations

import io
import json
from typing import Literal

import pyarrow as pa

from monitoring.prediction_log import FEATURE

Kind = Literal["predictions", "labels"]

# What reading and checking a file may raise; Arrow's own errors on damaged pages are of many kinds.
LOG_FILE_FAULTS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError)

_MAX_ROWS = 5_000_000  # a service that logs a thousand records a second and writes once an hour
_MAX_BYTES = 1 << 30  # unpacked
_ROWS_AT_ONCE = 1_000
_TEXT, _STAMP = pa.string(), pa.timestamp("us", tz="UTC")
_COLUMNS: dict[Kind, dict[str, pa.DataType]] = {
    "predictions": {
        **dict.fromkeys(("sample_id", "model_version", "prediction", "image", "label"), _TEXT),
        **dict.fromkeys(("time", "logged_at"), _STAMP),
        "scores": pa.list_(pa.float32()),
    },
    "labels": {"sample_id": _TEXT, "label": _TEXT, "logged_at": _STAMP},
}


def read_log_file(data: bytes, kind: Kind) -> pa.Table:
    """The columns of a file of the log, each of its type; features as float64 or text.

    Raises:
        LOG_FILE_FAULTS (one of those): not a Parquet file, larger than is read, without one of the columns, with values
            of another type, or with a record that has no id or no time of logging.
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
    return _typed(table, kind)


def _typed(table: pa.Table, kind: Kind) -> pa.Table:
    types = _COLUMNS[kind]
    columns = {name: table.column(name).cast(one) for name, one in types.items()}
    for name in ("sample_id", "logged_at"):
        if columns[name].null_count:
            raise ValueError(f"records without {name}")
    if kind == "predictions":
        columns |= {name: _feature(table.column(name)) for name in table.column_names if name.startswith(FEATURE)}
    metadata = table.schema.metadata or {}
    if not isinstance(json.loads(metadata.get(b"classes", b"[]")), list):
        raise ValueError("classes that are no list")
    return pa.table(columns).replace_schema_metadata(metadata)


def _feature(column: pa.ChunkedArray) -> pa.ChunkedArray:
    numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
    return column.cast(pa.float64() if numeric else _TEXT)
