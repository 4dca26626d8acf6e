"""Rectangles of one colour."""

from __future__ import annotations

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.types import I32, U8


@inner
def fill_holes(image: U8, rectangles: I32, fill: U8) -> None:
    """Fill rectangles (K, 4) of an image (H, W, C) with `fill` (C,)."""
    width, channels = image.shape[1], image.shape[2]
    flat, level, alike = image.reshape(-1), fill[0], True
    for c in range(1, channels):
        alike = alike and fill[c] == level
    for k in range(rectangles.shape[0]):
        for y in range(rectangles[k, 1], rectangles[k, 3]):
            start, stop = (y * width + rectangles[k, 0]) * channels, (y * width + rectangles[k, 2]) * channels
            if alike:  # a loop that becomes memset
                for i in range(start, stop):
                    flat[i] = level
            else:
                for i in range(start, stop):
                    flat[i] = fill[(i - start) % channels]
