"""How augmented texts go back into the column that they came from: see `augment_ops.modalities.codec.SampleCells`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_ops.modalities.cells import column_of, place_of, value_type, with_values
from augment_ops.modalities.source import Samples
from augment_ops.modalities.text.texts import read

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TextCells:
    """See `SampleCells`.

    Attributes:
        column: of the texts.
    """

    column: str

    def look(self, part: pa.Table) -> None:
        """There is nothing to learn of them."""

    def typed(self, part: pa.Table) -> pa.Table:
        """A table of texts holds texts."""
        return part

    def copied(self, part: pa.Table, before: Samples, after: Samples) -> pa.Table:
        """See `SampleCells`."""
        place = place_of(part.schema, self.column)
        kind = value_type(part.schema.field(place).type)
        return with_values(part, place, (before != after).any(axis=1), column_of(read(after), kind, self.column))
