"""Holes: rectangles of one colour, drawn after everything else of their segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.image.geometry import Uniforms, between, integers

Size = tuple[int, int]
Rectangles = NDArray[np.int32]


@dataclass(frozen=True)
class Holes:
    """A dropout with its parameters.

    Attributes:
        draws: uniforms a sample.
        rectangles: (uniforms (N, draws), (H, W)) → int32 (N, K, 4) of x0, y0, x1, y1, half-open; empty where x1 <= x0.
        fill: grey levels, one or one a channel; mask_fill: that of masks, None where they stay as they are.
    """

    draws: int
    rectangles: Callable[[Uniforms, Size], Rectangles]
    fill: tuple[float, ...]
    mask_fill: tuple[float, ...] | None


def coarse_dropout(values: Mapping[str, Any]) -> Holes | None:
    """CoarseDropout. Draws: number of holes; then, a hole, height, width, top, left.

    Source: DeVries & Taylor 2017, arXiv:1708.04552.
    """
    fill = _fill(values)
    if fill is None:
        return None
    least, most = values["num_holes_range"]
    heights, widths = values["hole_height_range"], values["hole_width_range"]

    def sides(u: NDArray[np.float64], limits: tuple[float, float], length: int) -> NDArray[np.int64]:
        if heights[1] >= 1:  # in pixels, as albumentations tells them apart
            return integers(u, int(limits[0]), int(min(limits[1], length)))
        return (length * between(u, limits)).astype(np.int64)

    def rectangles(u: Uniforms, size: Size) -> Rectangles:
        count = integers(u[:, 0], least, most)
        each = u[:, 1:].reshape(len(u), most, 4)
        height, width = sides(each[..., 0], heights, size[0]), sides(each[..., 1], widths, size[1])
        top = ((size[0] - height + 1) * each[..., 2]).astype(np.int64)
        left = ((size[1] - width + 1) * each[..., 3]).astype(np.int64)
        result = np.stack([left, top, left + width, top + height], axis=-1).astype(np.int32)
        result[np.arange(most) >= count[:, None]] = 0
        return result

    return Holes(1 + 4 * most, rectangles, fill, _levels(values["fill_mask"]))


def erasing(values: Mapping[str, Any]) -> Holes | None:
    """Erasing. Draws: area, aspect, top, left.

    Source: Zhong et al. 2017, arXiv:1708.04896, within the bounds that albumentations sets.
    """
    fill = _fill(values)
    if fill is None:
        return None
    low, high = values["ratio"]

    def rectangles(u: Uniforms, size: Size) -> Rectangles:
        height, width = size
        least, most = (share * height * width for share in values["scale"])
        most = min(most, low * height * height, high * height * height, width * width / low, width * width / high)
        if most < least:
            return np.zeros((len(u), 1, 4), np.int32)
        area = between(u[:, 0], (least, most))
        lowest = np.maximum(low, area / (height * height))
        highest = np.minimum(high, width * width / area)
        aspect = lowest + (highest - lowest) * u[:, 1]
        h, w = np.rint(np.sqrt(area / aspect)), np.rint(np.sqrt(area * aspect))
        h, w = np.minimum(h, height), np.minimum(w, width)
        top, left = np.trunc((height - h + 1) * u[:, 2]), np.trunc((width - w + 1) * u[:, 3])
        result = np.stack([left, top, left + w, top + h], axis=-1)
        result[lowest > highest] = 0
        return result[:, None].astype(np.int32)

    return Holes(4, rectangles, fill, _levels(values["fill_mask"]))


BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Holes | None]] = {
    "CoarseDropout": coarse_dropout,
    "Erasing": erasing,
}


def _fill(values: Mapping[str, Any]) -> tuple[float, ...] | None:
    fill = values["fill"]
    return None if isinstance(fill, str) else _levels(fill)  # a text asks for random or inpainted pixels


def _levels(fill: Any) -> tuple[float, ...] | None:
    if fill is None:
        return None
    return tuple(fill) if isinstance(fill, (list, tuple)) else (float(fill),)
