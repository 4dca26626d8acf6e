"""What drift looks at in rows: the columns themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.schema import Rows, TableSchema


def features(schema: TableSchema, rows: Rows) -> Mapping[str, NDArray[Any]]:
    """Column → its values: float64 (N,) with NaN for missing, or object (N,) of text with None for missing."""
    return {
        column.name: rows[:, place].copy()
        if column.kind == "number"
        else np.array(schema.texts(place, rows[:, place]), dtype=object)
        for place, column in enumerate(schema.columns)
    }
