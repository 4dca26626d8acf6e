"""A table written again with augmented copies below each row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.sources.originals import Originals, changed
from augment_ops.delivery.batch_file.manifest import COPY, ID, SOURCE_ID, copy_id
from augment_ops.delivery.batch_file.population import ReadTable
from augment_ops.delivery.batch_file.request import BatchFileRequest
from augment_ops.delivery.batch_file.writers import writer_of
from augment_ops.errors import DataError
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.codec import SampleCells
from augment_ops.modalities.source import Samples
from augment_ops.progress import Advance

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class TableCopies:
    """Writes a table that was read before.

    Attributes:
        rows_at_once: that are augmented; another number gives the same bytes.
    """

    request: BatchFileRequest
    read: ReadTable
    originals: Originals
    cells: SampleCells
    augmenter: BatchAugmenter
    rows_at_once: int

    def schema(self) -> pa.Schema:
        """Of the output: the columns of the input, and ours.

        Raises:
            DataError: a column of the input has a name that is ours.
        """
        import pyarrow as pa

        taken = [name for name in self.originals.schema.names if name.strip() in (ID, SOURCE_ID, COPY)]
        if taken:
            fix = f"take the rows with {COPY} = 0, and leave the three columns out"
            raise DataError(f"column {taken[0]!r}", "a file that this command wrote", "originals alone", fix)
        kept = self._typed(self.originals.schema.empty_table()).schema
        return pa.schema([*kept, (ID, pa.string()), (SOURCE_ID, pa.string()), (COPY, pa.int64())], kept.metadata)

    def write(self, path: Path, schema: pa.Schema, advance: Advance) -> int:
        """Write the output; how many copies are what they were made of.

        Args:
            schema: as `schema` gave it.

        Raises:
            DataError: the input is another one than was read, or a value that no cell can hold.
        """
        for part in self.originals.parts():
            self.cells.look(part)
        done, total, unchanged = 0, len(self.read.ids), 0
        with writer_of(path, schema) as writer:
            for whole in self.originals.parts():
                for start in range(0, whole.num_rows, self.rows_at_once):
                    part = whole.slice(start, self.rows_at_once)
                    rows = np.arange(done, done + part.num_rows)
                    if rows[-1] >= total:
                        raise changed(self.request.input)
                    written, same = self._multiplied(self._typed(part), rows, schema)
                    writer.write(written)
                    unchanged += same
                    done += part.num_rows
                    advance(done, total, "")
        if done < total:
            raise changed(self.request.input)
        return unchanged

    def _typed(self, part: pa.Table) -> pa.Table:
        """The types of the input; of a CSV for a form that knows types, those that its columns have."""
        to_text = self.request.output.name.lower().endswith(".csv")
        return self.cells.typed(part) if self.originals.is_text and not to_text else part

    def _multiplied(self, part: pa.Table, rows: NDArray[np.int64], schema: pa.Schema) -> tuple[pa.Table, int]:
        """Each row with its copies below it; and how many of these are what they were made of.

        Args:
            rows: int64 (n,), where the part stands among all.
        """
        import pyarrow as pa

        train = np.flatnonzero(self.read.is_train[rows])
        before, ids = self.read.payload.take(rows[train]), self.read.ids[rows[train]]
        own, tables, places, unchanged = part.take(train), [self._marked(part, rows, 0, schema)], [rows], 0
        for copy in range(1, self.request.factor) if len(train) else ():
            after = self.augmenter(before, ids, copy)
            unchanged += int(same(before, after).sum())
            tables.append(self._marked(self.cells.copied(own, before, after), rows[train], copy, schema))
            places.append(rows[train])
        order = np.argsort(np.concatenate(places), kind="stable")  # an original before its copies
        return pa.concat_tables(tables).combine_chunks().take(order), unchanged

    def _marked(self, part: pa.Table, rows: NDArray[np.int64], copy: int, schema: pa.Schema) -> pa.Table:
        import pyarrow as pa

        names, policy = self.read.ids.names[rows].tolist(), self.request.policy
        named = [copy_id(name, copy, policy.digest, self.request.seed) for name in names]
        ours = [pa.array(named), pa.array(names), pa.array(np.full(len(rows), copy, np.int64))]
        return pa.table([*part.columns, *ours], schema=schema)


def same(before: Samples, after: Samples) -> NDArray[np.bool_]:
    """Which of N samples are what they were, bool (N,); what is missing in both is the same."""
    if before.shape != after.shape:
        return np.zeros(len(before), np.bool_)
    equal = before == after
    if before.dtype.kind == "f":
        equal |= np.isnan(before) & np.isnan(after)
    found: NDArray[np.bool_] = equal.reshape(len(before), -1).all(axis=1)
    return found
