"""What the columns of a table are: names, kinds, and the codes of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["number", "category"]
Rows = NDArray[np.float64]  # (N, F)

# Of a category that the training file did not have. scikit-learn's HistGradientBoosting takes a negative code for a
# missing value, when it learns and when it predicts, so a model has an answer for what it never saw.
UNKNOWN = -1.0
# Codes of one column: what HistGradientBoosting takes at most (its bins are bytes, and one is for what is missing).
MOST_CATEGORIES = 255
# Money has 2 or 3, rates of exchange 4; what has more comes from a division, and its last digit means nothing.
MOST_DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """One column of the samples.

    Attributes:
        name: as the file has it.
        kind: `number` or `category`.
        whole: of a number, whether every value of the data set is whole: a count, an hour, a flag. What a transform or
            corruption makes of it is rounded, so that it stays one.
        categories: of a category, its values sorted; a code is a place among them.
        decimals: of a number that is not whole, how many its values have at most: 2 for money. What is made of it is
            rounded to them. None where there are more than `MOST_DECIMALS`, as of what is measured or computed, and of
            a data set that was read before they were counted.
    """

    name: str
    kind: Kind
    whole: bool = False
    categories: tuple[str, ...] = ()
    decimals: int | None = None


@dataclass(frozen=True)
class TableSchema:
    """The columns of a data set's samples, in the order of the numbers of a row."""

    columns: tuple[TableColumn, ...]
    invented: bool = False  # the names say nothing: no data set is at hand

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def is_number(self) -> NDArray[np.bool_]:
        """Of each column, bool (F,)."""
        return np.array([column.kind == "number" for column in self.columns], np.bool_)

    @cached_property
    def is_whole(self) -> NDArray[np.bool_]:
        """Of each column whether its numbers are counted, not measured: bool (F,)."""
        return np.array([column.kind == "number" and column.whole for column in self.columns], np.bool_)

    def texts(self, column: int, values: NDArray[np.float64]) -> list[str | None]:
        """The categories that codes (N,) stand for; None for a missing value, `?` for an unknown category."""
        names = self.columns[column].categories
        return [
            None if np.isnan(code) else names[int(code)] if 0 <= code < len(names) else "?" for code in values.tolist()
        ]

    def content(self) -> dict[str, Any]:
        """As a document holds it: JSON of lists and texts."""
        return {
            "columns": [
                {"name": c.name, "kind": c.kind, "whole": c.whole, "categories": list(c.categories)}
                # A data set without such columns keeps its digest.
                | ({} if c.decimals is None else {"decimals": c.decimals})
                for c in self.columns
            ]
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> TableSchema:
        """The schema that `content` wrote.

        Raises:
            KeyError, TypeError: another document.
        """
        columns: Sequence[Mapping[str, Any]] = content["columns"]
        return cls(
            tuple(
                TableColumn(
                    name=str(c["name"]),
                    kind="category" if c["kind"] == "category" else "number",
                    whole=bool(c["whole"]),
                    categories=tuple(map(str, c["categories"])),
                    decimals=int(c["decimals"]) if "decimals" in c else None,
                )
                for c in columns
            )
        )


def schema_of(content: Mapping[str, Any] | None, width: int) -> TableSchema:
    """The schema of a document; where there is none, of a table of `width` numbers without names."""
    if content is not None:
        return TableSchema.of(content)
    columns = (TableColumn(name=f"column {place + 1}", kind="number") for place in range(width))
    return TableSchema(tuple(columns), invented=True)


def rounded(schema: TableSchema, rows: Rows, columns: NDArray[np.int64]) -> Rows:
    """The rows with as many decimals as the data set has in those of the columns (C,) whose are counted; in place."""
    whole = columns[schema.is_whole[columns]]
    rows[:, whole] = np.rint(rows[:, whole])
    for column in columns.tolist():
        decimals = schema.columns[column].decimals
        if decimals is not None:
            rows[:, column] = to_decimals(rows[:, column], decimals)
    return rows


def to_decimals(values: NDArray[np.float64], decimals: int) -> NDArray[np.float64]:
    """The nearest numbers that are written with so many decimals; one that is too large to have any stays."""
    scale = 10.0**decimals
    with np.errstate(over="ignore"):
        scaled = values * scale
    return np.where(np.abs(scaled) < 2.0**53, np.rint(scaled) / scale, values)  # beyond, doubles lie further apart


def has_decimals(values: NDArray[np.float64], decimals: int) -> NDArray[np.bool_]:
    """Which numbers (n,) are written with so many decimals, but for what sums and products of them lose: bool (n,)."""
    found: NDArray[np.bool_] = np.abs(values - to_decimals(values, decimals)) <= 4 * np.spacing(np.abs(values))
    return found
