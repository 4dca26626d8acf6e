"""What the columns of some rows hold, summed up a part at a time: share missing, range, categories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.schema import Rows, TableSchema


@dataclass(frozen=True)
class ColumnSummary:
    """Of N rows.

    Attributes:
        rows: N.
        missing: int64 (F,), cells without a value.
        least, most: float64 (F,), of the numbers there are; infinite, and the wrong way round, where there are none.
        known: of each column of categories, bool (K,): which codes occur.
    """

    rows: int
    missing: NDArray[np.int64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    known: dict[int, NDArray[np.bool_]]

    @property
    def missing_share(self) -> NDArray[np.float64]:
        """float64 (F,); NaN without rows."""
        return self.missing / self.rows if self.rows else np.full(len(self.missing), np.nan)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Columns with one value, or none, in all rows that have one: bool (F,)."""
        return ~(self.least < self.most)

    def outside(self, rows: Rows) -> NDArray[np.bool_]:
        """Cells of other rows that no cell here is like: beyond the range, or of a category that does not occur.

        Args:
            rows: float64 (n, F).

        Returns:
            bool (n, F); false where a cell is missing.
        """
        found = (rows < self.least) | (rows > self.most)
        for column, known in self.known.items():
            codes = rows[:, column]
            there = ~np.isnan(codes)
            number = np.where(there & (codes >= 0), codes, len(known)).astype(np.int64)
            found[:, column] = there & ~np.append(known, False)[np.minimum(number, len(known))]
        return found

    def apart(self, other: ColumnSummary) -> NDArray[np.bool_]:
        """Columns in which no cell here is like one of the other rows: bool (F,). Missing cells are like each other."""
        found = (self.most < other.least) | (other.most < self.least)
        for column, known in self.known.items():
            found[column] = not (known & other.known[column]).any()
        return found & ~((self.missing > 0) & (other.missing > 0))


def summary(schema: TableSchema, parts: Iterable[Rows]) -> ColumnSummary:
    """Sum up rows.

    Args:
        schema: of the rows.
        parts: float64 (n, F) each.
    """
    width = len(schema)
    rows, missing = 0, np.zeros(width, np.int64)
    least, most = np.full(width, np.inf), np.full(width, -np.inf)
    known = {
        column: np.zeros(len(schema.columns[column].categories), np.bool_)
        for column in np.flatnonzero(~schema.is_number).tolist()
    }
    for part in parts:
        rows += len(part)
        gone = np.isnan(part)
        missing += gone.sum(axis=0)
        least = np.minimum(least, np.where(gone, np.inf, part).min(axis=0, initial=np.inf))
        most = np.maximum(most, np.where(gone, -np.inf, part).max(axis=0, initial=-np.inf))
        for column, codes in known.items():
            there = part[~gone[:, column], column].astype(np.int64)
            codes[there[(there >= 0) & (there < len(codes))]] = True
    return ColumnSummary(rows, missing, least, most, known)
