"""Rectangles of one colour."""

from __future__ import annotations

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.types import I32, U8


@inner
def fill_holes(image: U8, rectangles: I32, fill: U8) -> None:
    """Fill rectangles (K, 4) of an image (H, W, C) with `fill` (C,)."""
    for k in range(rectangles.shape[0]):
        for y in range(rectangles[k, 1], rectangles[k, 3]):
            for x in range(rectangles[k, 0], rectangles[k, 2]):
                for c in range(image.shape[2]):
                    image[y, x, c] = fill[c]
