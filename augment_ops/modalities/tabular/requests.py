"""How rows come from what a service is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.data.sources.parts import text_of
from augment_ops.errors import nearest
from augment_ops.modalities.codec import One
from augment_ops.modalities.source import Defect
from augment_ops.modalities.tabular.reading import LARGEST, codes_of
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema


@dataclass(frozen=True)
class RowRequests:
    """See `augment_ops.modalities.codec.Requests`.

    Attributes:
        schema: of the data set: which columns a row has, and which code a category has.
    """

    schema: TableSchema
    media: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """An object."""
        names = ", ".join(self.schema.names)
        return f"an object of the columns {names[:200]}; null, or a column that is left out, is a missing value"

    def of_file(self, data: bytes) -> One | Defect:
        """No file is one row."""
        del data
        return Defect("unreadable: no file is a row")

    def of_json(self, value: object) -> One | Defect:
        """float64 (F,); a category that the data set did not have gets the code for unknown ones, as in a window."""
        if not isinstance(value, Mapping):
            return Defect("unreadable: no object of columns")
        unknown = [name for name in value if name not in self.schema.names]
        if unknown:
            return Defect(
                f"unreadable: no column is called {unknown[0]!r:.80}.{nearest(unknown[0], self.schema.names)}"
            )
        row = np.empty(len(self.schema), np.float64)
        for place, column in enumerate(self.schema.columns):
            found = _cell(column, value.get(column.name))
            if isinstance(found, Defect):
                return found
            row[place] = found
        return row if not np.isnan(row).all() else Defect("unreadable: no value in any column")

    def in_json(self, sample: One) -> dict[str, Any]:
        """An object of all columns; `?` for a category that the data set does not have."""
        return {
            column.name: self.schema.texts(place, sample[place : place + 1])[0]
            if column.kind == "category"
            else None
            if np.isnan(sample[place])
            else float(sample[place])
            for place, column in enumerate(self.schema.columns)
        }


def _cell(column: TableColumn, value: object) -> float | Defect:
    if value is None:
        return np.nan
    if column.kind == "category":
        if not isinstance(value, str | int | float):
            return Defect(f"unreadable: {column.name} is no text")
        return float(codes_of(column, [text_of(value)])[0])
    if isinstance(value, bool | int | float) and abs(value) <= LARGEST:  # also refuses what is no number
        return float(value)
    return Defect(f"unreadable: {column.name} is {value!r:.40}, and no number")
