"""Rows as points, and who is near whom: for the checks of augmented rows.

The distance is that of SMOTE-NC, as for transforms (`modalities.tabular.neighbours`), with numbers in units of their
standard deviation in the training split. A lack counts otherwise: a transform compares two rows in what both have, but
a row that has lost a value is no longer the one that it was. A number that one of two rows lacks is taken for the
average, and 1 is added for the lack; a category that is missing is one of its own. Of a large table a drawn part is
looked at, so that memory and time are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import generator, sample_key
from augment_ops.modalities.base import Payload
from augment_ops.modalities.tabular.neighbours import NeighbourTree, neighbour_tree
from augment_ops.modalities.tabular.schema import UNKNOWN, Rows, TableSchema
from augment_ops.modalities.tabular.training_table import spread

# That neighbours are looked for among: 5,000 find theirs in 0.3 s, or in 3 s where no column follows from others.
MOST_ROWS = 20_000
_MISSING = UNKNOWN - 1  # a code that no category has


@dataclass(frozen=True, eq=False)
class Space:
    """Where rows of a table lie.

    Attributes:
        schema: of the rows.
        centre, unit: float64 (F,), average and standard deviation of each number.
    """

    schema: TableSchema
    centre: NDArray[np.float64]
    unit: NDArray[np.float64]

    @classmethod
    def of(cls, schema: TableSchema, rows: Rows) -> Space:
        """By what some rows of the training split hold."""
        known = ~np.isnan(rows)
        centre = np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(schema, centre, spread(schema, rows))

    def points(self, rows: Rows) -> Rows:
        """Rows without gaps, and of each number whether it is lacking: float64 (N, F + numbers)."""
        numbers, missing = self.schema.is_number, np.isnan(rows)
        most = np.array([len(column.categories) for column in self.schema.columns])
        known = np.where(numbers | ((rows >= 0) & (rows < most)), rows, UNKNOWN)  # whatever the unknown code is
        filled = np.where(missing, np.where(numbers, self.centre, _MISSING), known)
        return np.hstack([filled, missing[:, numbers]])

    def tree(self, rows: Rows, places: NDArray[np.int64]) -> NeighbourTree:
        """Of `points`; see `neighbour_tree`."""
        lacks = int(self.schema.is_number.sum())  # as a category: having a number and lacking it are 1 apart
        unit, is_number = np.append(self.unit, np.ones(lacks)), np.append(self.schema.is_number, np.zeros(lacks, bool))
        return neighbour_tree(self.points(rows), places, unit, is_number)


def drawn(count: int, name: str, at_most: int) -> NDArray[np.int64]:
    """Rows of so many, ascending, int64 (n,): all, or as many as are looked at, drawn evenly by a key."""
    if count <= at_most:
        return np.arange(count)
    return np.sort(generator(sample_key("checked rows", name, count)).choice(count, at_most, replace=False))


@dataclass(frozen=True, eq=False)
class Crowd:
    """Some rows of a payload that neighbours are looked for among.

    Attributes:
        space: that they lie in.
        rows: int64 (M,), ascending, which of the payload they are.
        values: float64 (M, F).
    """

    space: Space
    rows: NDArray[np.int64]
    values: Rows

    @classmethod
    def of(cls, space: Space, payload: Payload, rows: NDArray[np.int64] | None = None) -> Crowd:
        """Those rows of a payload, at most as many as are looked at; by default of all."""
        places = drawn(len(payload) if rows is None else len(rows), "neighbours", MOST_ROWS)
        rows = places if rows is None else np.sort(rows[places])
        return cls(space, rows, payload.take(rows))

    @cached_property
    def _tree(self) -> NeighbourTree:
        return self.space.tree(self.values, self.rows)

    def nearest(self, rows: Rows, own: NDArray[np.int64], k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The nearest of the crowd to each row, the nearest first.

        Args:
            rows: float64 (n, F).
            own: int64 (n,), which of the payload is not to be found: a row is its own neighbour; -1 for none.
            k: how many; fewer where the crowd is smaller.

        Returns:
            Distances float64 (n, k), and which rows of the payload they are, int64 (n, k).
        """
        others = len(self.rows) - int((own >= 0).any())
        return self._tree.nearest(self.space.points(rows), own, min(k, others))
