"""What modalities share that write samples into a table again; see `augment_ops.modalities.codec.SampleCells`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def place_of(schema: pa.Schema, name: str) -> int:
    """Where a column stands; blanks around its name do not count, as where tables are read."""
    return [one.strip() for one in schema.names].index(name)


def is_text(kind: pa.DataType) -> bool:
    """Whether the cells of a column are texts."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's cells: of a dictionary, that of its values."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def with_values(part: pa.Table, place: int, rows: NDArray[np.bool_], values: pa.Array) -> pa.Table:
    """A table with other cells in some rows of a column, whose name and type stay.

    Args:
        rows: bool (n,), which of them; all other cells stay as they are.
        values: n cells of the column's `value_type`; null where nothing is to stand.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    field, column = part.schema.field(place), part.column(place).combine_chunks()
    kind = field.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    merged = pc.if_else(pa.array(rows), values, column)
    if pa.types.is_dictionary(kind):
        coded = merged.dictionary_encode()
        indices = coded.indices.cast(kind.index_type)
        merged = pa.DictionaryArray.from_arrays(indices, coded.dictionary, ordered=kind.ordered)
    return part.set_column(place, field, merged)


def column_of(values: Sequence[Any] | NDArray[Any], kind: pa.DataType, name: str) -> pa.Array:
    """Values as a column of that type.

    Raises:
        DataError: one of them does not fit it.
    """
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        found = f"a value that {kind} cannot hold ({str(error).splitlines()[0][:120]})"
        raise DataError(f"column {name!r}", found, f"values of {kind}", "give the column a wider type") from error
