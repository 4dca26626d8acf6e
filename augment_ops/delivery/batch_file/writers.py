"""Tables as files: CSV, Parquet and JSON Lines. The same rows give the same bytes, however they come in parts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from augment_ops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS = 100_000  # of a row group of Parquet; another number is another file


class TableWriter(Protocol):
    """Writes rows; a context that ends the file."""

    def write(self, rows: pa.Table) -> None:
        """More rows, with the columns of the schema."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def writer_of(path: Path, schema: pa.Schema) -> TableWriter:
    """What writes a new file, by its ending.

    Raises:
        DataError: a column that a file of text cannot hold.
    """
    name = path.name.lower()
    if name.endswith(".parquet"):
        return _Parquet(path, schema)
    _refuse_bytes(schema)
    return _JsonLines(path) if name.endswith(".jsonl") else _Csv(path, schema)


class _Parquet:
    """Row groups of one size, whatever the parts."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._schema, self._waiting, self._count = schema, list[Any](), 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._count += rows.num_rows
        if self._count >= _GROUP_ROWS:
            self._write_groups(whole=True)

    def _write_groups(self, *, whole: bool) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting)
        end = table.num_rows - table.num_rows % _GROUP_ROWS if whole else table.num_rows
        for start in range(0, end, _GROUP_ROWS):
            group = _in_one_piece(table.slice(start, min(_GROUP_ROWS, end - start)))
            self._writer.write_table(group, row_group_size=_GROUP_ROWS)
        self._waiting, self._count = [table.slice(end)], table.num_rows - end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._waiting:
            self._write_groups(whole=False)
        self._writer.close()


def _in_one_piece(rows: pa.Table) -> pa.Table:
    """Where pieces end pages would, and each piece has a dictionary of its own."""
    import pyarrow as pa

    for place, one in enumerate(rows.schema):
        if pa.types.is_dictionary(one.type):
            coded = rows.column(place).cast(one.type.value_type).combine_chunks().dictionary_encode()
            indices = coded.indices.cast(one.type.index_type)
            column = pa.DictionaryArray.from_arrays(indices, coded.dictionary, ordered=one.type.ordered)
            rows = rows.set_column(place, one, column)
    return rows.combine_chunks()


class _TextFile:
    """A file of text: UTF-8, and a line feed at the end of a line on every system."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("x", encoding="utf-8", newline="", buffering=io.DEFAULT_BUFFER_SIZE * 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class _Csv(_TextFile):
    """Quotes only where a cell needs them; nothing stands where there is no value."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        super().__init__(path)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(schema.names)

    def write(self, rows: pa.Table) -> None:
        columns = [column.to_pylist() for column in _without_nan(rows).columns]
        self._writer.writerows(zip(*columns, strict=True))


class _JsonLines(_TextFile):
    """An object a line; moments and decimals as text."""

    def write(self, rows: pa.Table) -> None:
        for row in _without_nan(rows).to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _without_nan(rows: pa.Table) -> pa.Table:
    """NaN is how some programs write that nothing is there; no reader of text would take it for that."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, one in enumerate(rows.schema):
        if pa.types.is_floating(one.type):
            column = rows.column(place)
            rows = rows.set_column(place, one, pc.if_else(pc.is_nan(column), pa.scalar(None, one.type), column))
    return rows


def _refuse_bytes(schema: pa.Schema) -> None:
    import pyarrow.types as kinds

    for one in schema:
        if kinds.is_binary(one.type) or kinds.is_large_binary(one.type) or kinds.is_fixed_size_binary(one.type):
            fix = "give the output the ending .parquet"
            raise DataError(f"column {one.name!r}", f"{one.type}", "what a file of text can hold", fix)
