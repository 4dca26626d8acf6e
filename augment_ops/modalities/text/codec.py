"""How texts come from tables, and from what a snapshot keeps of them: see `augment_ops.modalities.codec`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.modalities.codec import Asked, Codec, Decoder, One, RawDecoder, Requests, SampleCells, Shape
from augment_ops.modalities.raw_codec import RawCodec
from augment_ops.modalities.source import Defect, Schema, Source
from augment_ops.modalities.text.source import CONTENT, TextRoles, TextSource
from augment_ops.modalities.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class TextDecoder(RawDecoder):
    """See `augment_ops.modalities.codec.Decoder`.

    Attributes:
        room: bytes that a text may take.
    """

    room: int

    def decode(self, data: Any) -> One | Defect:
        """uint8 (room,): UTF-8 as it came, whatever the script; nothing is normalised."""
        try:
            raw = str(data).encode()
        except UnicodeEncodeError:
            return Defect("unreadable: half of a character, which is no text")
        if b"\0" in raw:
            return Defect("unreadable: a zero within the text")
        if len(raw) > self.room:
            return Defect(f"unreadable: {len(raw):,} bytes of text; {self.room:,} are read (--text-bytes)")
        return np.frombuffer(raw.ljust(self.room, b"\0"), np.uint8).copy()


class _TextCodec(RawCodec):
    """See `augment_ops.modalities.codec.Codec`."""

    forms = "a table of texts, .csv, .parquet or .jsonl, or a folder with train and test"
    folders = True
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    content = CONTENT
    how_labelled = "name the column of the classes, such as --text-columns label=intent"
    time_decides = False

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """One table, or a folder of them; nothing in it leads anywhere else."""
        place = self.place(uri, allow_outside=allow_outside)
        vocabulary = None if schema is None else Vocabulary.read(schema)
        return TextSource(place, TextRoles.parse(asked["text_columns"]), vocabulary)

    def decoder(self, asked: Asked) -> Decoder:
        return TextDecoder(asked["text_bytes"])

    def like(self, shape: Shape) -> Asked:
        return {"text_bytes": shape[0]}

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        from augment_ops.modalities.text.requests import TextRequests

        return TextRequests(TextDecoder(shape[0]))

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        from augment_ops.modalities.text.cells import TextCells

        return TextCells(TextRoles.parse(asked["text_columns"]).text)


CODEC: Codec = _TextCodec()
