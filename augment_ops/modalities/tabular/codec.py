"""How rows come from a table, and from what a snapshot keeps of them: see `augment_ops.modalities.codec`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.modalities.codec import Asked, Codec, Decoder, One, RawDecoder, Requests, SampleCells, Shape
from augment_ops.modalities.raw_codec import RawCodec
from augment_ops.modalities.source import Defect, Schema, Source
from augment_ops.modalities.tabular.requests import RowRequests
from augment_ops.modalities.tabular.roles import ColumnRoles
from augment_ops.modalities.tabular.schema import TableSchema, schema_of
from augment_ops.modalities.tabular.source import CONTENT, TableSource


@dataclass(frozen=True)
class RowDecoder(RawDecoder):
    """See `augment_ops.modalities.codec.Decoder`: a source has rows as they are, and so they are kept."""

    def decode(self, data: Any) -> One | Defect:
        """float64 (F,)."""
        return np.ascontiguousarray(data, np.float64)


class _TableCodec(RawCodec):
    """See `augment_ops.modalities.codec.Codec`."""

    forms = "a table, .csv, .parquet or .jsonl"
    dtype: np.dtype[Any] = np.dtype(np.float64)
    content = CONTENT
    how_labelled = "name the column of the classes, such as --columns label=fraud"
    # A customer has rows in all months. What is asked in production is how a model does next month, on customers of
    # whom it knows most; the share of known ones is measured (check subjects-seen-before).
    time_decides = True

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """One file; nothing in it leads anywhere else."""
        place = self.place(uri, allow_outside=allow_outside)
        columns = None if schema is None else TableSchema.of(schema)
        return TableSource(place, ColumnRoles.parse(asked["columns"]), columns)

    def decoder(self, asked: Asked) -> Decoder:
        return RowDecoder()

    def like(self, shape: Shape) -> Asked:
        return {}

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        return RowRequests(schema_of(schema, shape[0]))

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        from augment_ops.modalities.tabular.cells import RowCells

        return RowCells(source)


CODEC: Codec = _TableCodec()
