"""How images come from a source and from what a snapshot keeps of them: see `augment_ops.modalities.codec`."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from augment_ops.data.sources.locate import locate
from augment_ops.errors import DataError
from augment_ops.modalities.codec import Asked, Codec, Decoder, Reading, Requests, SampleCells, Shape
from augment_ops.modalities.image.decode import Decoding, Pixels, with_channels
from augment_ops.modalities.image.requests import ImageRequests
from augment_ops.modalities.image.sources import (
    CONTENT,
    DIGITS,
    FORMS,
    LICENCE_OF_DIGITS,
    MEASURES,
    open_source,
)
from augment_ops.modalities.source import Defect, Schema, Source

_ASKED: Mapping[str, int | None] = {"auto": None, "1": 1, "3": 3, "as-is": None}


@dataclass(frozen=True)
class ImageReading(Reading):
    """How images were read.

    Attributes:
        channels: what was asked for: `auto`, `1`, `3` or `as-is`.
    """

    channels: Literal["auto", "1", "3", "as-is"] = "auto"

    def conversions(self, shape: Shape) -> list[str]:
        """See `Reading`."""
        if not self.converted:
            return []
        kinds = ("colour", "grey") if shape[2] == 1 else ("grey", "colour")
        return [f"{self.converted} {kinds[0]} images are read as {kinds[1]} (--channels {self.channels})"]


@dataclass(frozen=True)
class ImageDecoder:
    """See `augment_ops.modalities.codec.Decoder`.

    Attributes:
        decoding: of a file, or of the array that a source has.
        auto: whether grey among colour, or colour among grey, is brought to what most of the images are.
        encoded: whether files are kept, and of what is no file of its own a PNG.
    """

    decoding: Decoding
    auto: bool = False
    encoded: bool = False

    def decode(self, data: bytes | Pixels) -> Pixels | Defect:
        """uint8 (H, W, C)."""
        return self.decoding.decode(data)

    def file(self, data: bytes | Pixels, sample: Pixels) -> bytes:
        """The file itself, or a PNG, which loses nothing."""
        return data if isinstance(data, bytes) else _as_png(sample)

    def settled(self, shapes: Mapping[Shape, int]) -> ImageDecoder:
        """The rarer kind, grey or colour, to the more frequent one; to colour where both are as frequent."""
        counts: Counter[int] = Counter()
        for shape, count in shapes.items():
            counts[shape[2]] += count
        if not self.auto or len(counts) < 2:
            return self
        most = max(counts, key=lambda kind: (counts[kind], kind))
        return replace(self, decoding=replace(self.decoding, converted=most))

    def converts(self, shape: Shape) -> bool:
        """Whether it has the other number of channels."""
        return self.decoding.converted not in (None, shape[2])

    def convert(self, sample: Pixels) -> Pixels:
        """Grey as colour, or colour as grey."""
        return np.ascontiguousarray(with_channels(sample, self.decoding.converted))

    def stored(self, shape: Shape) -> Mapping[str, Any]:
        """The decoding, which brings every file to that shape."""
        size = None if self.decoding.size is None else list(self.decoding.size)
        return {"size": size, "channels": self.decoding.channels, "converted": shape[2]}


class _ImageCodec:
    """See `augment_ops.modalities.codec.Codec`."""

    dtype = np.dtype(np.uint8)
    content = CONTENT
    measures = MEASURES
    how_labelled = "point at the folder that holds one folder a class, or give an index with columns path,label"
    reading_type = ImageReading
    time_decides = False

    def reading(self, asked: Asked, read: Reading) -> ImageReading:
        """With what was asked of grey and colour."""
        return ImageReading(**vars(read), channels=asked["channels"])

    def licence(self, uri: str) -> str:
        """See `Codec`."""
        return LICENCE_OF_DIGITS if uri == DIGITS else ""

    def is_local(self, uri: str) -> bool:
        """The digits come with scikit-learn."""
        return uri == DIGITS or locate(uri, FORMS).is_local

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """See `open_source`; of images a shape says all."""
        del asked, schema
        return open_source(uri, allow_outside=allow_outside)

    def decoder(self, asked: Asked) -> ImageDecoder:
        """Of files as they lie in a source."""
        decoding = Decoding(_size(asked["image_size"]), _ASKED[asked["channels"]])
        return ImageDecoder(decoding, auto=asked["channels"] == "auto", encoded=asked["keep"] == "encoded")

    def stored_decoder(self, stored: Mapping[str, Any], shape: Shape) -> Decoder:
        """Of files as they were kept."""
        decoding = _decoding().validate_python(stored)
        if decoding.size not in (None, shape[:2]) or decoding.converted not in (None, shape[2]):
            raise ValueError(f"images of {shape} that are decoded to {decoding.size}, {decoding.converted} channels")
        return ImageDecoder(decoding, encoded=True)

    def like(self, shape: Shape) -> Asked:
        """Resized."""
        return {"image_size": f"{shape[0]}x{shape[1]}"}

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        """Files are resized where the data set was; grey and colour are what the data set is."""
        del schema
        decoding = Decoding(_size(asked["image_size"]), _ASKED[asked["channels"]], converted=shape[2])
        return ImageRequests(decoding, shape)

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        """An image is a file."""
        return None


CODEC: Codec = _ImageCodec()


@cache
def _decoding() -> TypeAdapter[Decoding]:
    return TypeAdapter(Decoding)


def _size(text: str) -> tuple[int, int] | None:
    """`64x48` as (height, width), None of an empty text.

    Raises:
        DataError: it is neither.
    """
    if not text:
        return None
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and min(int(height), int(width)) >= 1):
        raise DataError("image size", repr(text), "height and width of at least 1 pixel", "give HEIGHTxWIDTH")
    return int(height), int(width)


def _as_png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
