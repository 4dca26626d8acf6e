"""How rows come from a table, and from what a snapshot keeps of them: see `augment_ops.modalities.codec`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.data.sources.locate import Place, locate
from augment_ops.errors import DataError
from augment_ops.modalities.codec import Asked, Codec, Decoder, One, RawDecoder, Reading, Requests, SampleCells, Shape
from augment_ops.modalities.source import Defect, Schema, Source
from augment_ops.modalities.tabular.requests import RowRequests
from augment_ops.modalities.tabular.roles import ColumnRoles
from augment_ops.modalities.tabular.schema import TableSchema, schema_of
from augment_ops.modalities.tabular.source import CONTENT, TableSource

_FORMS = "a table, .csv, .parquet or .jsonl"
_ENDINGS = (".csv", ".parquet", ".jsonl")
_PICKLES = (".pkl", ".pickle", ".joblib")


@dataclass(frozen=True)
class RowDecoder(RawDecoder):
    """See `augment_ops.modalities.codec.Decoder`: a source has rows as they are, and so they are kept."""

    def decode(self, data: Any) -> One | Defect:
        """float64 (F,)."""
        return np.ascontiguousarray(data, np.float64)


class _TableCodec:
    """See `augment_ops.modalities.codec.Codec`."""

    dtype: np.dtype[Any] = np.dtype(np.float64)
    content = CONTENT
    measures: tuple[str, ...] = ()
    how_labelled = "name the column of the classes, such as --columns label=fraud"
    reading_type = Reading
    # A customer has rows in all months. What is asked in production is how a model does next month, on customers of
    # whom it knows most; the share of known ones is measured (check subjects-seen-before).
    time_decides = True

    def reading(self, asked: Asked, read: Reading) -> Reading:
        return read

    def licence(self, uri: str) -> str:
        """None comes with this program."""
        return ""

    def is_local(self, uri: str) -> bool:
        return locate(uri, _FORMS).is_local

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """One file; nothing in it leads anywhere else."""
        place: Place = locate(uri, _FORMS, allow_outside=allow_outside)
        if place.is_folder or not place.path.lower().endswith(_ENDINGS):
            found = "a folder" if place.is_folder else "a file of an unknown format"
            if place.path.lower().endswith(_PICKLES):
                found = "a pickle, which runs code when it is read, and is not"
            fix = "give one table; --modality image is for images and lists of them"
            raise DataError(uri, found, _FORMS, fix)
        columns = None if schema is None else TableSchema.of(schema)
        return TableSource(place, ColumnRoles.parse(asked["columns"]), columns)

    def decoder(self, asked: Asked) -> Decoder:
        return RowDecoder()

    def stored_decoder(self, stored: Mapping[str, Any], shape: Shape) -> Decoder:
        raise ValueError("rows of a table are kept raw, and not as files")

    def like(self, shape: Shape) -> Asked:
        return {}

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        return RowRequests(schema_of(schema, shape[0]))

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        from augment_ops.modalities.tabular.cells import RowCells

        return RowCells(source)


CODEC: Codec = _TableCodec()
