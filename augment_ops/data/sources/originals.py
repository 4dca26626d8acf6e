"""A table's rows as its file has them, for who writes them again: names, types and order of the columns are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.parts import csv_parts, json_parts, parquet_parts
from augment_ops.data.sources.table import LARGEST, header_of_csv, table_faults
from augment_ops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53  # integers up to here are themselves as float64
_OF_PANDAS = b"pandas"  # metadata that count the rows of the file that they are of


class Originals:
    """The rows of a CSV, Parquet or JSON Lines file that a source has read without a fault.

    Cells of a CSV are text, and null where nothing stands. A JSON Lines column has one type; a key that an object lacks
    is null.

    Attributes:
        schema: names and types of the columns, as the file has them.
        is_text: whether every cell is text because the file knows no types.

    Raises:
        DataError: a column of JSON objects holds values of several types.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        ending = place.path.lower().rpartition(".")[2]
        looks: dict[str, Callable[[IO[bytes]], pa.Schema]] = {"parquet": _of_parquet, "jsonl": self._of_json}
        reads = {"parquet": self._parquet, "jsonl": self._json}
        self.is_text = ending not in looks
        self._read = reads.get(ending, self._csv)
        with place.open() as file:
            self.schema = looks.get(ending, _of_csv)(file)

    def parts(self) -> Iterator[pa.Table]:
        """The rows in the order of the file, cut where `augment_ops.data.sources.parts.parts` cuts them.

        Raises:
            DataError: the file is another one than before.
        """
        with self._place.open() as file:
            try:
                yield from self._read(file)
            except table_faults() as error:
                raise changed(self._place.uri) from error

    def _csv(self, file: IO[bytes]) -> Iterator[pa.Table]:
        import pyarrow as pa

        for part in csv_parts(file):
            # A row with fewer cells than the header has NaN in pandas.
            columns = [[cell if isinstance(cell, str) and cell else None for cell in part[name]] for name in part]
            yield pa.table([pa.array(cells, pa.string()) for cells in columns], schema=self.schema)

    def _parquet(self, file: IO[bytes]) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        for batch in parquet_parts(pq.ParquetFile(file)):
            yield pa.Table.from_batches([batch]).replace_schema_metadata(self.schema.metadata)

    def _json(self, file: IO[bytes]) -> Iterator[pa.Table]:
        import pyarrow as pa

        for rows in json_parts(file):
            yield pa.table(
                [pa.array([_filled(row.get(one.name)) for row in rows], one.type) for one in self.schema],
                schema=self.schema,
            )

    def _of_json(self, file: IO[bytes]) -> pa.Schema:
        import pyarrow as pa

        kinds: dict[str, _Kinds] = {}
        for rows in json_parts(file):
            for row in rows:
                for name, value in row.items():
                    kinds.setdefault(name, _Kinds()).look(value)
        mixed = [name for name, found in kinds.items() if found.type is None]
        if mixed:
            found = f"values of several types, such as {kinds[mixed[0]].shown}, or whole numbers beyond 63 bits"
            where, fix = f"{self._place.uri}: column {mixed[0]!r}", "write all of them as text, or as numbers"
            raise DataError(where, found, "one type a column", fix)
        return pa.schema([(name, found.type) for name, found in kinds.items()])


def changed(uri: str) -> DataError:
    """What is raised where a data set holds something else than when it was read first."""
    found = "another content than when it was read first"
    fix = "run it again, when nobody writes to it any more"
    return DataError(uri, found, "a data set that stays as it is", fix)


class _Kinds:
    """What the values of one column of JSON objects are."""

    def __init__(self) -> None:
        self._examples: dict[type[Any], Any] = {}
        self._widest = 0

    def look(self, value: Any) -> None:
        """Take in another one."""
        value = _filled(value)
        if value is not None:
            self._examples.setdefault(type(value), value)
            if isinstance(value, int):
                self._widest = max(self._widest, abs(value))

    @property
    def type(self) -> pa.DataType | None:
        """The Arrow type that holds all of them; None where none does."""
        import pyarrow as pa

        kinds = set(self._examples)
        if kinds <= {str}:
            return pa.string()
        if kinds == {bool}:
            return pa.bool_()
        if kinds == {int}:
            return pa.int64() if self._widest <= LARGEST else None
        return pa.float64() if kinds <= {int, float} and self._widest <= _EXACT else None

    @property
    def shown(self) -> str:
        """One of each type."""
        return " and ".join(repr(value)[:40] for value in self._examples.values())


def _filled(value: Any) -> Any:
    """A value; None where there is none: JSON's null, and the NaN that some programs write."""
    return None if value != value else value  # noqa: PLR0124 - of all values NaN alone is none that equals itself


def _of_csv(file: IO[bytes]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in header_of_csv(file)])


def _of_parquet(file: IO[bytes]) -> pa.Schema:
    import pyarrow.parquet as pq

    schema = pq.ParquetFile(file).schema_arrow
    kept = {key: value for key, value in (schema.metadata or {}).items() if key != _OF_PANDAS}
    return schema.with_metadata(kept or None)
