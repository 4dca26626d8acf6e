"""Rows as points, and who is near whom: for the checks of augmented rows.

The distance is that of SMOTE-NC (Chawla et al. 2002, section 6.1): numbers in units of their standard deviation in the
training split, and 1 for each category that differs. A number that one of two rows lacks is taken for the average, and
1 is added for the lack. Of a large table a drawn part is looked at, so that memory and time are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import generator, sample_key
from augment_ops.modalities.base import Payload
from augment_ops.modalities.tabular.schema import Rows, TableSchema
from augment_ops.modalities.tabular.training_table import spread

Points = NDArray[np.float32]  # (N, D)

MOST_ROWS = 20_000  # that neighbours are looked for among: 5,000 rows find theirs in about a second
_FAR = 1e6  # standard deviations: beyond, all are equally far, and squares of 32-bit numbers stay finite
_MOST_VALUES = 20_000_000  # of the points: 80 MB


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

    @property
    def dimensions(self) -> int:
        """D: one a number and one for its lack, and as many as it has values, and two more, a category."""
        return sum(2 if column.kind == "number" else len(column.categories) + 2 for column in self.schema.columns)

    def points(self, rows: Rows) -> Points:
        """Where the rows lie: float32 (N, D)."""
        found = np.zeros((len(rows), self.dimensions), np.float32)
        place, half = 0, np.sqrt(0.5)
        for column, kind in enumerate(self.schema.columns):
            values = rows[:, column]
            missing = np.isnan(values)
            if kind.kind == "number":
                apart = np.where(missing, 0, (values - self.centre[column]) / self.unit[column])
                found[:, place] = np.clip(apart, -_FAR, _FAR)
                found[:, place + 1] = missing
                place += 2
                continue
            most = len(kind.categories)
            codes = np.where(missing, most + 1, np.where((values >= 0) & (values < most), values, most)).astype(int)
            found[np.arange(len(rows)), place + codes] = half  # two that differ are 1 apart
            place += most + 2
        return found


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
        rows: int64 (M,), which of the payload they are.
        values: float64 (M, F).
    """

    space: Space
    rows: NDArray[np.int64]
    values: Rows

    @classmethod
    def of(cls, space: Space, payload: Payload, rows: NDArray[np.int64] | None = None) -> Crowd:
        """Those rows of a payload, at most as many as are looked at; by default of all."""
        at_most = max(2, min(MOST_ROWS, _MOST_VALUES // max(1, space.dimensions)))
        places = drawn(len(payload) if rows is None else len(rows), "neighbours", at_most)
        rows = places if rows is None else rows[places]
        return cls(space, rows, payload.take(rows))

    def nearest(self, rows: Rows, own: NDArray[np.int64], k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The nearest of the crowd to each row, the nearest first.

        Args:
            rows: float64 (n, F).
            own: int64 (n,), which of the payload is not to be found: a row is its own neighbour.
            k: how many; fewer where the crowd is smaller.

        Returns:
            Distances float64 (n, k), and which rows of the payload they are, int64 (n, k).
        """
        from sklearn.neighbors import NearestNeighbors

        finder = NearestNeighbors(n_neighbors=min(k + 1, len(self.rows)), algorithm="brute")
        apart, places = finder.fit(self.space.points(self.values)).kneighbors(self.space.points(rows))
        found = self.rows[places]
        last = np.where(found == own[:, None], np.inf, apart)  # its own goes to the end
        order = np.argsort(last, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(last, order, 1), np.take_along_axis(found, order, 1)
