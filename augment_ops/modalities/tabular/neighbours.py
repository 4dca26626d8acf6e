"""Who is near whom among rows, for transforms and checks: exact, whatever the number of rows.

The distance is SMOTE-NC's: numbers in units of their standard deviation; each category that differs counts as much as
the median of those deviations, which is 1 in these units. A column where either value is missing is left out, and the
sum is scaled up for it, as by scikit-learn's `nan_euclidean_distances`.

Rows are halved, again and again, near the median of the column that varies most; of each part a box is kept, and a part
is looked into only if its box is nearer than the neighbours that are known already (a k-d tree, as of Friedman, Bentley
and Finkel 1977, doi 10.1145/355744.355745). scipy's and scikit-learn's know neither categories nor missing values.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.machine import usable_cores
from augment_ops.modalities.tabular.kernels.nearest import descend, grow, lay_out, search
from augment_ops.modalities.tabular.schema import Rows

_LEAF = 128  # rows that are compared at once
_AT_ONCE = 256  # queries of a piece of work: milliseconds, so that threads end together
_AVERAGED = 1000  # rows, about; what comes of it only decides in what order columns are measured


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighbourTree:
    """Rows, in the order of a tree of boxes.

    Attributes:
        unit: float64 (F,), what a number is divided by.
        is_number: bool (F,).
        middle: float64 (F,), a mean of the rows, in these units.
        columns: float64 (n * F,), the rows in these units, by leaf, and of each leaf column by column.
        places: int64 (n,), what each row is called.
        lows, highs: float64 (nodes, F), of what a node holds; infinite where a value is missing.
        spans: int64 (nodes, 2), the first row of a node and the one after its last.
        children: int64 (nodes, 2), -1 of a leaf.
        waiting: nodes that a search puts off at once, at most.
    """

    unit: NDArray[np.float64]
    is_number: NDArray[np.bool_]
    middle: NDArray[np.float64]
    columns: NDArray[np.float64]
    places: NDArray[np.int64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    spans: NDArray[np.int64]
    children: NDArray[np.int64]
    waiting: int

    def nearest(self, rows: Rows, own: NDArray[np.int64], k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """How far the nearest are, and which.

        Args:
            rows: float64 (q, F); not modified.
            own: int64 (q,), the place of each that is itself, and so no neighbour; -1 for none.
            k: how many; at most the rows of the tree, and one less where queries are among them.

        Returns:
            Distances, float64 (q, k), in units, and places, int64 (q, k), the nearest first; of those that are equally
            near, the one of the lower place. Rows that no column compares are last, at a distance of 1e154.
        """
        squares, found = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
        if not found.size:
            return squares, found
        order = self._near_each_other(rows)

        def look(start: int) -> None:
            part = order[start : start + _AT_ONCE]
            queries = rows[part] / self.unit
            apart, places = np.empty((len(part), k)), np.empty((len(part), k), np.int64)
            search(
                queries,
                own[part],
                self._telling_first(queries),
                columns=self.columns,
                places=self.places,
                lows=self.lows,
                highs=self.highs,
                spans=self.spans,
                children=self.children,
                is_number=self.is_number,
                leaf=_LEAF,
                most=self.waiting,
                distances=apart,
                found=places,
            )
            squares[part], found[part] = apart, places

        starts = range(0, len(rows), _AT_ONCE)
        if len(starts) == 1:
            look(0)
        else:
            with ThreadPoolExecutor(min(usable_cores(), len(starts))) as pool:
                list(pool.map(look, starts))
        return np.sqrt(squares), found

    def _near_each_other(self, rows: Rows) -> NDArray[np.int64]:
        """An order of queries by the leaf that they would be of: int64 (q,)."""
        leaves = np.empty(len(rows), np.int64)
        descend(rows / self.unit, self.lows, self.highs, self.children, self.is_number, leaves)
        return np.argsort(self.spans[leaves, 0], kind="stable")

    def _telling_first(self, queries: Rows) -> NDArray[np.int64]:
        """Columns of each query, those first in which it is farthest from the middle of the rows, categories and gaps
        last: int64 (q, F).
        """
        apart = np.abs(queries - self.middle)
        apart[~self.is_number | np.isnan(queries)] = -1
        return np.argsort(-apart, axis=1, kind="stable")


def neighbour_tree(
    rows: Rows, places: NDArray[np.int64], unit: NDArray[np.float64], is_number: NDArray[np.bool_]
) -> NeighbourTree:
    """A tree of rows.

    Args:
        rows: float64 (n, F), one at least; not modified.
        places: int64 (n,), ascending: what to call each.
        unit: float64 (F,), what a number is divided by; 1 for a category.
        is_number: bool (F,).
    """
    scaled = rows / unit
    order = np.empty(len(rows), np.int64)
    spans, children = np.empty((2 * len(rows), 2), np.int64), np.empty((2 * len(rows), 2), np.int64)
    nodes, waiting = grow(scaled, is_number, _LEAF, order, spans, children)
    spans, children = spans[:nodes].copy(), children[:nodes].copy()
    columns, lows, highs = np.empty(scaled.size), np.empty((nodes, len(unit))), np.empty((nodes, len(unit)))
    lay_out(scaled, order, spans, children, columns, lows, highs)
    return NeighbourTree(
        unit=unit,
        is_number=is_number,
        middle=_middle(scaled),
        columns=columns,
        places=places[order],
        lows=lows,
        highs=highs,
        spans=spans,
        children=children,
        waiting=waiting,
    )


def _middle(rows: Rows) -> NDArray[np.float64]:
    """About the mean of each column, as far as it is known: float64 (F,)."""
    some = rows[:: 1 + len(rows) // _AVERAGED]
    known = ~np.isnan(some)
    found: NDArray[np.float64] = np.where(known, some, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return found
