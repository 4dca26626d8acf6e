"""What the columns of a table hold, looked at a part at a time, and the numbers of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.sources.parts import is_empty, texts_of
from augment_ops.errors import DataError
from augment_ops.modalities.tabular.schema import MOST_CATEGORIES, MOST_DECIMALS, UNKNOWN, TableColumn, has_decimals

if TYPE_CHECKING:
    import pandas as pd

# A column in which at least so many of the filled cells are numbers holds numbers, and the others are defects of their
# rows; one in which fewer are, and some, holds neither: a person has to say what it is.
_NUMBERS_AT_LEAST = 0.95
LARGEST = 1e100  # what squares, sums and rescaled values of are still finite; beyond it no quantity is meant
_SHOWN = 60  # characters of a cell


@dataclass(kw_only=True)
class ColumnSurvey:
    """What one column of a file holds, looked at a part at a time.

    Attributes:
        filled: cells that are not empty; numbers: those of them that are numbers up to `LARGEST`; dates: those that are
            dates.
        whole: whether all its numbers are.
        decimals: how many they have at most; more than `MOST_DECIMALS` where they have more than that.
        texts: different values as text; no more are kept once there are too many for a category.
        odd: the first cell that is no number.
    """

    filled: int = 0
    numbers: int = 0
    dates: int = 0
    whole: bool = True
    decimals: int = 0
    texts: set[str] = field(default_factory=set)
    odd: str = ""

    def look(self, cells: pd.Series[Any]) -> None:
        """Take in another part."""
        if cells.dtype.kind == "M":
            self.filled += int(cells.notna().sum())
            self.dates += int(cells.notna().sum())
            return
        values, unreadable = numbers_of(cells)
        known = ~np.isnan(values)
        self.numbers += int(known.sum())
        self.filled += int(known.sum() + unreadable.sum())
        self.whole = self.whole and bool((values[known] == np.rint(values[known])).all())
        while self.decimals <= MOST_DECIMALS and not has_decimals(values[known], self.decimals).all():
            self.decimals += 1
        if unreadable.any() and not self.odd:
            self.odd = str(cells.to_numpy(dtype=object)[np.flatnonzero(unreadable)[0]])[:_SHOWN]
        if len(self.texts) <= MOST_CATEGORIES:
            self.texts.update(text for text in set(texts_of(cells)) if text is not None)

    def column(self, name: str, uri: str, *, category: bool) -> TableColumn:
        """What the column is.

        Args:
            name: of it.
            uri: of the data set, for messages.
            category: the run says that it holds categories.

        Raises:
            DataError: dates, numbers and texts mixed, nothing at all, or too many categories.
        """
        where = f"{uri}: column {name!r}"
        share = self.numbers / self.filled if self.filled else 0.0
        if self.dates:
            fix = f"name it as time={name}, ignore it, or make numbers of it: hour, weekday, days since"
            raise DataError(where, "dates", "numbers or categories", fix)
        if not self.filled:
            raise DataError(where, "no value in any row", "numbers or categories", f"take it away, or ignore={name}")
        if share >= _NUMBERS_AT_LEAST and not category:
            counted = not self.whole and self.decimals <= MOST_DECIMALS
            return TableColumn(name=name, kind="number", whole=self.whole, decimals=self.decimals if counted else None)
        if self.numbers and not category:
            found = f"{self.numbers:,} numbers and {self.filled - self.numbers:,} texts, such as {self.odd!r}"
            fix = f"make it one of both; category={name} takes all of them for names, ignore={name} leaves it out"
            raise DataError(where, found, "numbers, or categories", fix)
        if len(self.texts) > MOST_CATEGORIES:
            found = f"more than {MOST_CATEGORIES} different texts, such as {min(self.texts)[:_SHOWN]!r}"
            fix = f"ignore={name}, or make numbers of it: how often, how much, how long ago"
            raise DataError(where, found, f"at most {MOST_CATEGORIES} categories", fix)
        return TableColumn(name=name, kind="category", categories=tuple(sorted(self.texts)))


def numbers_of(cells: pd.Series[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells as float64 (n,), NaN where there is none; and which are filled and no number up to `LARGEST`, bool (n,)."""
    import pandas as pd

    if cells.dtype.kind in "iufb":
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.abs(values) > LARGEST
        return np.where(unreadable, np.nan, values), unreadable
    empty = np.array([is_empty(value) for value in cells.to_numpy(dtype=object)], np.bool_)
    values = pd.to_numeric(cells.astype(object).where(~empty, None), errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    unreadable = ~empty & ~(np.abs(values) <= LARGEST)
    return np.where(unreadable, np.nan, values), unreadable


def codes_of(column: TableColumn, texts: Sequence[str | None]) -> NDArray[np.float64]:
    """Codes of categories, float64 (n,): NaN where there is none, `UNKNOWN` for one that the schema does not have."""
    places = {name: float(place) for place, name in enumerate(column.categories)}
    return np.array([np.nan if text is None else places.get(text, UNKNOWN) for text in texts], np.float64)
