"""The index of a snapshot: one row a sample, as a table, as a file, and as what a snapshot's digest stands for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from augment_ops.content import digest_of
from augment_ops.errors import DataError
from augment_ops.modalities.codec import Codec
from augment_ops.modalities.source import Schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# The index's own columns before and after those that the modality names; whatever else a source brings follows them.
_FIRST = ("sample_id", "label", "class_name", "split", "subject", "time", "source")
_LAST = ("defect", "row")
ROWS_PER_HASH = 10_000  # bounds the memory of hashing; part of the digest's definition


def index_columns(content: str, measures: Sequence[str]) -> tuple[str, ...]:
    """The index's own columns.

    Args:
        content, measures: those that the modality names (`augment_ops.modalities.codec.Codec`).
    """
    return (*_FIRST, content, *measures, *_LAST)


def beside(names: Iterable[str], own: Container[str], uri: str) -> dict[str, str]:
    """Columns that a source brings → what the index calls them: a name that the index has itself is another one's.

    Args:
        own: `index_columns` of the source's modality.
        uri: of the source, for an error.

    Raises:
        DataError: two of them would have one name.
    """
    called = {name: f"meta_{name}" if name in own else name for name in names}
    for name, other in called.items():
        if name != other and other in called:
            found = f"columns {name!r} and {other!r}, and the snapshot keeps the first under the second name"
            raise DataError(f"{uri}: table", found, "one of the two", "rename one of them")
    return called


@dataclass(frozen=True, kw_only=True)
class Digested:
    """What a snapshot's digest stands for, beside its samples.

    Attributes:
        dataset: kebab-case name.
        classes: class names in label order.
        shape: of every sample.
        schema: the modality's own; None where the shape says all.
        codec: names the index's columns.
    """

    dataset: str
    classes: Sequence[str]
    shape: Sequence[int]
    schema: Schema | None
    codec: Codec

    def columns(self, names: Iterable[str]) -> list[str]:
        """Of the columns `names` of an index, those that the digest covers, in its order.

        What a sample is, and not where its file lay or its row in the snapshot.
        """
        own = index_columns(self.codec.content, self.codec.measures)
        identity = [name for name in own if name not in ("source", *self.codec.measures, "row")]
        return [*identity, *sorted(name for name in names if name not in own)]

    def digest(self, names: Iterable[str], parts: Iterable[pa.RecordBatch]) -> str:
        """Hex sha256 over what a data set is: its name, classes, shape, schema and every sample.

        Of a sample: id, label, class, split, subject, time, sha256 of its content, kind of defect, and the source's own
        columns (slices are made from those). Not: where its file lay, in which container, or in which order it was
        read; nor the decoder's words about a defect, which change with its version.

        Args:
            names: of the index's columns.
            parts: the index as `index_table` makes it, rows sorted by sample id; in parts of any sizes.
        """
        used = self.columns(names)
        head = ["augment-ops snapshot 1", self.dataset, list(self.classes), list(self.shape), used]
        sha = hashlib.sha256(_line(head if self.schema is None else [*head, digest_of(self.schema)]))
        for part in _blocks(parts):
            columns = {name: part.column(name).to_pylist() for name in used}
            columns["defect"] = [None if text is None else str(text).partition(":")[0] for text in columns["defect"]]
            sha.update(_line(list(zip(*(columns[name] for name in used), strict=True))))
        return sha.hexdigest()


def _blocks(parts: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows, `ROWS_PER_HASH` at a time: readers end a part where a row group ends."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for part in parts:
        waiting.append(part)
        table = pa.Table.from_batches(waiting)
        whole = table.num_rows - table.num_rows % ROWS_PER_HASH
        for start in range(0, whole, ROWS_PER_HASH):
            yield table.slice(start, ROWS_PER_HASH)
        waiting = [rest for rest in table.slice(whole).to_batches() if rest.num_rows]
    if waiting:
        yield pa.Table.from_batches(waiting)


def index_table(columns: Iterable[tuple[str, Sequence[object]]], codec: Codec) -> pa.Table:
    """The index as an Arrow table; its own columns with fixed types, the source's with the types of their values.

    Args:
        columns: name and values of each, of which one is held at a time.
        codec: names the columns.

    Raises:
        pyarrow.ArrowException: a column of mixed types (sources make them uniform).
    """
    import pyarrow as pa

    whole = dict.fromkeys(("label", *codec.measures, "row"), pa.int64())
    types = dict.fromkeys(index_columns(codec.content, codec.measures), pa.string()) | whole | {"time": pa.float64()}
    arrays = {name: pa.array(values, types.get(name)) for name, values in columns}
    return pa.table(arrays)


def frame(table: pa.Table) -> pd.DataFrame:
    """The table as pandas has it; text is None where there is none."""
    import pandas as pd
    import pyarrow as pa

    # pandas 3 would turn missing text into NaN: object columns keep None under every version.
    text = {name for name, kind in zip(table.column_names, table.schema.types, strict=True) if pa.types.is_string(kind)}
    numbers = table.drop_columns(list(text)).to_pandas()
    return pd.DataFrame(
        {
            name: pd.Series(_texts(table.column(name)), dtype=object) if name in text else numbers[name]
            for name in table.column_names
        }
    )


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """Text as Python's, each different one once: a split or a class is one object however many samples have it."""
    coded = column.combine_chunks().dictionary_encode()
    known = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    found: npt.NDArray[np.object_] = known[coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
    return found


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
