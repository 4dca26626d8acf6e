"""How histories come from tables, and from what a snapshot keeps of them: see `augment_ops.modalities.codec`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.errors import DataError
from augment_ops.modalities.codec import Asked, Codec, Decoder, One, RawDecoder, Requests, SampleCells, Shape
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.interactions.requests import HistoryRequests
from augment_ops.modalities.interactions.source import CONTENT, InteractionRoles, InteractionSource
from augment_ops.modalities.raw_codec import RawCodec
from augment_ops.modalities.source import Defect, Schema, Source


@dataclass(frozen=True)
class HistoryDecoder(RawDecoder):
    """See `augment_ops.modalities.codec.Decoder`."""

    def decode(self, data: Any) -> One | Defect:
        """int32 (H, 2), as the source made it."""
        return np.ascontiguousarray(data, np.int32)


class _InteractionCodec(RawCodec):
    """See `augment_ops.modalities.codec.Codec`."""

    forms = "a table of interactions, .csv, .parquet or .jsonl"
    dtype: np.dtype[Any] = np.dtype(np.int32)
    content = CONTENT
    how_labelled = "name the column of the items, such as --interaction-columns item=movieId"
    time_decides = True

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """One table; nothing in it leads anywhere else."""
        return InteractionSource(
            self.place(uri, allow_outside=allow_outside),
            InteractionRoles.parse(asked["interaction_columns"]),
            room=asked["interaction_history"],
            last=asked["interaction_split"] == "last",
            items=None if schema is None else Items.read(schema),
        )

    def decoder(self, asked: Asked) -> Decoder:
        return HistoryDecoder()

    def like(self, shape: Shape) -> Asked:
        return {"interaction_history": shape[0]}

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        """Refused: a row is one interaction, a sample the history before it."""
        fix = "augment in a run: augment-ops run --modality interactions …"
        raise DataError("augment", "interactions", "a modality whose samples are rows or files", fix)

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        return HistoryRequests(Items.read(schema or {"items": []}), shape[0])


CODEC: Codec = _InteractionCodec()
