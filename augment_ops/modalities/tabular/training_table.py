"""What transforms of rows know of the training split: its rows, classes and spread, and who is near whom."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json
from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.tabular.schema import Rows, TableSchema

_CHUNK_VALUES = 1_000_000  # distances held at once: 8 MB, of which a step needs a handful
# Of a class, who may be a neighbour: every distance is measured, and 100,000 samples to 5,000 others take a minute. In
# a class that large, the nearest of an even draw are near enough.
_MOST_OTHERS = 5_000


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """The training split, in the order of its ids.

    Attributes:
        schema: of its columns.
        rows: float64 (N, F).
        labels: int64 (N,), class numbers.
        ids: N sample ids.
    """

    schema: TableSchema
    rows: Rows
    labels: NDArray[np.int64]
    ids: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """sha256 over schema, rows, labels and ids: what a transform that looks at other samples depends on."""
        sha = hashlib.sha256(canonical_json([self.schema.content(), list(self.ids)]))
        sha.update(np.ascontiguousarray(self.labels, "<i8").data)
        sha.update(np.ascontiguousarray(self.rows, "<f8").data)
        return sha.hexdigest()

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviation of each column, float64 (F,); 1 where it has none, and of categories."""
        return spread(self.schema, self.rows)

    def places(self, ids: SampleIds) -> NDArray[np.int64]:
        """The row of each sample: int64 (n,), -1 for one that is not in the training split."""
        first = ids.words[:, 0]
        found = np.minimum(np.searchsorted(self._order[0], first), len(self.ids) - 1)
        rows: NDArray[np.int64] = self._order[1][found]
        same = (self._words[rows] == ids.words).all(axis=1)
        return np.where(same, rows, -1)

    @cached_property
    def rarer(self) -> NDArray[np.int64]:
        """Numbers of the classes that have fewer samples than the largest, and two at least."""
        counts = np.bincount(self.labels)
        return np.flatnonzero((counts < counts.max()) & (counts >= 2))

    def is_rarer(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these rows, -1 for none, are of a class that is `rarer`: bool (n,)."""
        return (places >= 0) & np.isin(self.labels[places], self.rarer)

    def nearest(self, label: int, k: int) -> NDArray[np.int64]:
        """`neighbours` by row of the table: int64 (N, k'), -1 for rows of other classes. Looked for once."""
        known = self._nearest.get((label, k))
        if known is None:
            members, near = self.neighbours(label, k)
            known = np.full((len(self.labels), near.shape[1]), -1, np.int64)
            known[members] = near
            self._nearest[label, k] = known  # of two threads that look at once, both find the same
        return known

    def neighbours(self, label: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Who is near whom within a class.

        The distance is SMOTE-NC's: numbers in units of their standard deviation in the class; each category that
        differs counts as much as the median of those deviations, which is 1 in these units. A column where either value
        is missing is left out, and the sum is scaled up for it, as by scikit-learn's `nan_euclidean_distances`.

        Args:
            label: number of the class.
            k: how many neighbours; fewer where the class has fewer others.

        Returns:
            The class's rows, int64 (n,), and their neighbours, int64 (n, k') of rows of the table, the nearest first;
            of those that are equally near, the first in the order of the ids. Of a class of more than 5,000 samples,
            as many are neighbours, drawn evenly by a hash of their ids.
        """
        members = np.flatnonzero(self.labels == label)
        others = members[np.argsort(self._words[members, 0], kind="stable")[:_MOST_OTHERS]]
        others.sort()
        k = min(k, len(others) - 1)
        near = np.empty((len(members), k), np.int64)
        unit = np.where(self.schema.is_number, spread(self.schema, self.rows[members]), 1)
        theirs = self.rows[others] / unit
        step = max(1, _CHUNK_VALUES // len(others))
        for start in range(0, len(members), step):
            some = members[start : start + step]
            apart = _squared_distances(self.schema, self.rows[some] / unit, theirs)
            apart[some[:, None] == others[None, :]] = np.inf  # nobody is its own neighbour
            near[start : start + step] = others[np.argsort(apart, axis=1, kind="stable")[:, :k]]
        return members, near

    @cached_property
    def _nearest(self) -> dict[tuple[int, int], NDArray[np.int64]]:
        return {}

    @cached_property
    def _words(self) -> NDArray[np.uint64]:
        return SampleIds.of(self.ids).words

    @cached_property
    def _order(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        order = np.argsort(self._words[:, 0], kind="stable")
        return self._words[order, 0], order


def spread(schema: TableSchema, rows: Rows) -> NDArray[np.float64]:
    """Standard deviation of each number among rows; 1 where it has none, and of categories: float64 (F,)."""
    found = np.ones(len(schema))
    for column in np.flatnonzero(schema.is_number):
        values = rows[:, column]
        values = values[~np.isnan(values)]
        deviation = float(values.std()) if len(values) else 0.0
        found[column] = deviation if deviation > 0 else 1.0
    return found


def training_table(schema: TableSchema, rows: Rows, labels: NDArray[np.int64], ids: Sequence[str]) -> TrainingTable:
    """A table from its parts.

    Raises:
        TransformError: parts of different lengths, no rows, or rows of other columns than the schema's.
    """
    if rows.ndim != 2 or rows.shape[1] != len(schema) or rows.dtype != np.float64 or not len(rows):
        found = f"{rows.dtype} {rows.shape}"
        raise TransformError("training split", found, f"float64 (N, {len(schema)})", "ingest the table again")
    if not len(rows) == len(labels) == len(ids):
        found = f"{len(rows)} rows, {len(labels)} labels, {len(ids)} ids"
        raise TransformError("training split", found, "a label and an id a row", "pass the arrays of one split")
    return TrainingTable(schema, rows, np.asarray(labels, np.int64), tuple(map(str, ids)))


def _squared_distances(schema: TableSchema, some: Rows, others: Rows) -> NDArray[np.float64]:
    """Between rows (a, F) and rows (b, F) whose numbers are in units of their spread: float64 (a, b)."""
    total, counted = np.zeros((len(some), len(others))), np.zeros((len(some), len(others)))
    for column, is_number in enumerate(schema.is_number.tolist()):
        a, b = some[:, None, column], others[None, :, column]
        known = ~(np.isnan(a) | np.isnan(b))
        apart = np.square(a - b) if is_number else (a != b).astype(np.float64)
        total += np.where(known, apart, 0)
        counted += known
    scaled = total * len(schema) / np.maximum(counted, 1)
    return np.where(counted > 0, scaled, np.finfo(np.float64).max)  # last, where there is nothing to compare
