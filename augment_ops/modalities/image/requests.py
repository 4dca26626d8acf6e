"""How images come from what a service is asked: files, and pixels in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.modalities.codec import Shape
from augment_ops.modalities.image.decode import Decoding, Pixels
from augment_ops.modalities.source import Defect


@dataclass(frozen=True)
class ImageRequests:
    """See `augment_ops.modalities.codec.Requests`.

    Attributes:
        decoding: of a file; resizes it where the data set was resized, and brings it to the data set's channels.
        shape: of every sample.
    """

    decoding: Decoding
    shape: Shape
    media: tuple[str, ...] = ("image/png", "image/jpeg", "image/bmp", "image/webp", "image/tiff", "image/gif")

    @property
    def form(self) -> str:
        """Rows of pixels."""
        height, width, channels = self.shape
        grey = ", or without the innermost lists" if channels == 1 else ""
        return f"{height} lists of {width} lists of {channels} whole numbers from 0 to 255{grey}"

    def of_file(self, data: bytes) -> Pixels | Defect:
        """uint8 (H, W, C)."""
        pixels = self.decoding.decode(data)
        if isinstance(pixels, Defect) or pixels.shape == self.shape:
            return pixels
        return Defect(f"shape: {pixels.shape}; the model takes {self.shape}")

    def of_json(self, value: object) -> Pixels | Defect:
        """uint8 (H, W, C); what is of another size is not resized, since nobody knows whether pixels were meant."""
        try:
            found = np.asarray(value)
        except ValueError:
            return Defect("unreadable: lists of different lengths")
        if found.dtype.kind not in "iu":
            return Defect("unreadable: no whole numbers")
        if found.ndim == len(self.shape) - 1 and self.shape[-1] == 1:
            found = found[..., None]
        if found.shape != self.shape:
            return Defect(f"shape: {found.shape}; the model takes {self.shape}")
        if found.min() < 0 or found.max() > 255:
            return Defect(f"unreadable: numbers from {found.min()} to {found.max()}")
        return np.ascontiguousarray(found, np.uint8)

    def in_json(self, sample: Pixels) -> Any:
        """Rows of pixels."""
        return sample.tolist()
