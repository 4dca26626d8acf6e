"""What transforms of rows know of the training split: its rows, classes and spread, and who is near whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json
from augment_ops.data.payload import SamplesOrPayload, payload_of
from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.base import Payload
from augment_ops.modalities.on_demand import OnDemand
from augment_ops.modalities.tabular.columns import ColumnSummary, summary
from augment_ops.modalities.tabular.neighbours import neighbour_tree
from augment_ops.modalities.tabular.schema import Rows, TableSchema

_Kept = TypeVar("_Kept")
_SUMMED_AT_ONCE = 100_000  # rows; of 20 columns, 16 MB


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """The training split, in the order of its ids.

    Attributes:
        schema: of its columns.
        read: its rows, see `rows`.
        labels: int64 (N,), class numbers.
        ids: N sample ids.
        classes: their names; empty where numbers are all that is known of them.
    """

    schema: TableSchema
    read: OnDemand[Rows]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @property
    def rows(self) -> Rows:
        """float64 (N, F); read when they are first asked for, which checking a policy does not."""
        return self.read()

    @cached_property
    def digest(self) -> str:
        """sha256 over schema, rows, labels and ids: what a transform that looks at other samples depends on."""
        sha = hashlib.sha256(canonical_json(self.schema.content()))
        sha.update(json.dumps(self.ids).encode())  # of a million, in a tenth of canonical_json's time
        sha.update(np.ascontiguousarray(self.labels, "<i8").data)
        sha.update(np.ascontiguousarray(self.rows, "<f8").data)
        return sha.hexdigest()

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviation of each column, float64 (F,); 1 where it has none, and of categories."""
        return spread(self.schema, self.rows)

    @cached_property
    def columns(self) -> ColumnSummary:
        """What each column has held: no transform goes beyond it."""
        starts = range(0, len(self.rows), _SUMMED_AT_ONCE)
        return summary(self.schema, (self.rows[start : start + _SUMMED_AT_ONCE] for start in starts))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Samples of each class, int64 (classes,); 0 of a number that no sample has."""
        return np.bincount(self.labels)

    def places(self, ids: SampleIds) -> NDArray[np.int64]:
        """The row of each sample: int64 (n,), -1 for one that is not in the training split.

        Raises:
            TransformError: two rows of the split have one id.
        """
        rows = self._rows_of_ids
        return np.array([rows.get(name, -1) for name in ids.names.tolist()], np.int64)

    @cached_property
    def rarer(self) -> NDArray[np.int64]:
        """Numbers of the classes that have fewer samples than the largest, and two at least."""
        return np.flatnonzero((self.counts < self.counts.max()) & (self.counts >= 2))

    def called(self, label: int) -> str:
        """A class, in a message."""
        return repr(self.classes[label]) if self.classes else str(label)

    def members(self, label: int) -> NDArray[np.int64]:
        """The rows of a class, int64 (n,), ascending."""
        return self.once(("members", label), lambda: np.flatnonzero(self.labels == label))

    def once(self, key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        """What follows from the table alone, made when it is first asked for.

        Args:
            key: what it is; of two threads that ask at once, both make the same.
        """
        if key not in self._kept:
            self._kept[key] = make()
        found: _Kept = self._kept[key]
        return found

    def nearest(self, label: int, k: int) -> NDArray[np.int64]:
        """`neighbours` by row of the table: int64 (N, k'), -1 for rows of other classes. Looked for once."""

        def look() -> NDArray[np.int64]:
            members, near = self.neighbours(label, k)
            found = np.full((len(self.labels), near.shape[1]), -1, np.int64)
            found[members] = near
            return found

        return self.once(("nearest", label, k), look)

    def neighbours(self, label: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Who is near whom within a class; see `modalities.tabular.neighbours` for the distance.

        Args:
            label: number of the class; the unit of a number is its standard deviation in it.
            k: how many neighbours; fewer where the class has fewer others, as only a batch may that stands for a table.

        Returns:
            The class's rows, int64 (n,), and their neighbours, int64 (n, k') of rows of the table, the nearest first;
            of those that are equally near, the first in the order of the ids.
        """
        members = self.members(label)
        rows = self.rows[members]
        tree = neighbour_tree(rows, members, spread(self.schema, rows), self.schema.is_number)
        return members, tree.nearest(rows, members, min(k, len(members) - 1))[1]

    @cached_property
    def _kept(self) -> dict[Hashable, Any]:
        return {}

    @cached_property
    def _rows_of_ids(self) -> dict[str, int]:
        found = dict(zip(self.ids, range(len(self.ids)), strict=True))
        if len(found) < len(self.ids):
            repeated = next(name for row, name in enumerate(self.ids) if found[name] != row)
            raise TransformError("training split", f"{repeated!r} more than once", "distinct ids", "ingest it again")
        return found


def spread(schema: TableSchema, rows: Rows) -> NDArray[np.float64]:
    """Standard deviation of each number among rows; 1 where it has none, and of categories: float64 (F,)."""
    found = np.ones(len(schema))
    for column in np.flatnonzero(schema.is_number):
        values = rows[:, column]
        values = values[~np.isnan(values)]
        deviation = float(values.std()) if len(values) else 0.0
        found[column] = deviation if deviation > 0 else 1.0
    return found


def training_table(
    schema: TableSchema,
    rows: SamplesOrPayload,
    labels: NDArray[np.int64],
    ids: Sequence[str],
    classes: Sequence[str] = (),
) -> TrainingTable:
    """A table from its parts.

    Args:
        schema: of its columns.
        rows: float64 (N, F), or a `Payload` of them, which is read when a row is asked for.
        labels: int64 (N,).
        ids: N sample ids.
        classes: names of the labels, where they are known.

    Raises:
        TransformError: parts of different lengths, no rows, or rows of other columns than the schema's.
    """
    payload = payload_of(rows)
    if payload.shape != (len(schema),) or payload.dtype != np.float64 or not len(payload):
        found = f"{payload.dtype} {(len(payload), *payload.shape)}"
        raise TransformError("training split", found, f"float64 (N, {len(schema)})", "ingest the table again")
    if not len(payload) == len(labels) == len(ids):
        found = f"{len(payload)} rows, {len(labels)} labels, {len(ids)} ids"
        raise TransformError("training split", found, "a label and an id a row", "pass the arrays of one split")
    read = OnDemand(partial(_whole, payload))
    return TrainingTable(schema, read, np.asarray(labels, np.int64), tuple(map(str, ids)), tuple(classes))


def _whole(payload: Payload) -> Rows:
    return payload.take(np.arange(len(payload)))
