"""How augmented rows go back into the columns that they came from: see `augment_ops.modalities.codec.SampleCells`.

A cell that no transform changed is the original cell. A number that was changed takes the type of its column: a whole
one is rounded and kept within what the type can hold. A category that was changed is written as a cell of the file that
holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.sources.parts import texts_of
from augment_ops.errors import DataError
from augment_ops.modalities.cells import column_of, is_text, place_of, value_type, with_values
from augment_ops.modalities.source import Samples, Source
from augment_ops.modalities.tabular.reading import numbers_of
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53  # whole numbers below are themselves as float64; this one may have been the next
_LARGEST_WHOLE = float(2**63 - 1024)  # the largest that both a float64 and an int64 hold

Values = NDArray[np.float64]  # (n,), NaN for what is missing


class RowCells:
    """See `SampleCells`.

    Args:
        source: of the rows.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @cached_property
    def _schema(self) -> TableSchema:
        schema = self._source.schema
        assert schema is not None  # a table has one
        return TableSchema.of(schema)

    @cached_property
    def _written(self) -> dict[str, dict[str, Any]]:
        """Column of categories → category → a cell that holds it, which may be written otherwise (`3.0`, ` a`)."""
        return {column.name: {} for column in self._schema.columns if column.kind == "category"}

    def look(self, part: pa.Table) -> None:
        """How each category is written."""
        import pandas as pd

        for name, written in self._written.items():
            cells = part.column(place_of(part.schema, name)).unique().to_pylist()
            for text, cell in zip(texts_of(pd.Series(cells, dtype=object)), cells, strict=True):
                if text is not None:
                    written.setdefault(text, cell)

    def typed(self, part: pa.Table) -> pa.Table:
        """Columns of numbers as numbers: int64 where all of them are whole, else float64."""
        import pyarrow as pa

        for column in self._schema.columns:
            if column.kind == "number":
                place = place_of(part.schema, column.name)
                values, _ = numbers_of(part.column(place).to_pandas())
                if column.whole and bool((np.abs(values) >= _EXACT).any()):
                    fix = f"give the output the ending .csv, or ignore={column.name}"
                    where, found = f"column {column.name!r}", "a whole number of 2^53 or more"
                    raise DataError(where, found, "numbers that a float64 holds exactly", fix)
                kind = pa.int64() if column.whole else pa.float64()
                field = part.schema.field(place).with_type(kind)
                part = part.set_column(place, field, _numbers(column, values, kind))
        return part

    def copied(self, part: pa.Table, before: Samples, after: Samples) -> pa.Table:
        """See `SampleCells`."""
        changed = (before != after) & ~(np.isnan(before) & np.isnan(after))
        for number in np.flatnonzero(changed.any(axis=0)).tolist():
            column, rows = self._schema.columns[number], changed[:, number]
            place = place_of(part.schema, column.name)
            kind = value_type(part.schema.field(place).type)
            values = np.where(rows, after[:, number], np.nan)
            part = with_values(part, place, rows, self._column(number, values, kind))
        return part

    def _column(self, number: int, values: Values, kind: pa.DataType) -> pa.Array:
        column = self._schema.columns[number]
        if column.kind == "number":
            return _numbers(column, values, kind)
        written = self._written[column.name]
        texts = self._schema.texts(number, values)
        return column_of([None if text is None else written.get(text) for text in texts], kind, column.name)


def _numbers(column: TableColumn, values: Values, kind: pa.DataType) -> pa.Array:
    """Values as cells of that type; null where there is none.

    Raises:
        DataError: one that the type cannot hold, of a type that knows no nearest one.
    """
    import pyarrow as pa

    missing = np.isnan(values)
    if pa.types.is_floating(kind):
        return pa.array(values, pa.float64(), mask=missing).cast(kind)
    if pa.types.is_integer(kind):
        return pa.array(_whole(values, np.iinfo(kind.to_pandas_dtype())), mask=missing).cast(kind)
    as_cell: Callable[[float], Any] = float
    if is_text(kind):
        as_cell = _whole_text if column.whole else repr
    elif pa.types.is_boolean(kind):
        as_cell = bool
    elif pa.types.is_decimal(kind):
        step = Decimal(1).scaleb(-kind.scale)
        as_cell = lambda value: Decimal(repr(value)).quantize(step, ROUND_HALF_EVEN)  # noqa: E731 - as its siblings
    cells = [None if gone else as_cell(value) for gone, value in zip(missing.tolist(), values.tolist(), strict=True)]
    return column_of(cells, kind, column.name)


def _whole(values: Values, most: np.iinfo[Any]) -> NDArray[np.int64]:
    """Rounded, and within what a type of integers holds: int64 (n,); anything for what is missing."""
    held = np.clip(np.rint(np.nan_to_num(values)), float(most.min), min(float(most.max), _LARGEST_WHOLE))
    return held.astype(np.int64)


def _whole_text(value: float) -> str:
    return str(round(value))
