"""Holes: rectangles of one colour, drawn after everything else of their segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.image.declaration import Declaration
from augment_ops.modalities.image.taught import HOLES
from augment_ops.modalities.image.transforms.geometry import Uniforms, between, integers

Size = tuple[int, int]
Rectangles = NDArray[np.int32]

# Of GridDropout's grid: draws are counted before the size of the images is known.
_MOST_CELLS, _MOST_SIDE = 256, 64


@dataclass(frozen=True)
class Holes:
    """A dropout with its parameters.

    Attributes:
        draws: uniforms a sample.
        rectangles: (uniforms (N, draws), (H, W)) → int32 (N, K, 4) of x0, y0, x1, y1, half-open; empty where x1 <= x0.
        fill: grey levels, one or one a channel; mask_fill: that of masks, None where they stay as they are.
        drawn: (H, W) → the least and the most holes, then limits of heights and of widths, each as least and how many
            where they are whole numbers and as least and span where they are not, then whether they are; None where
            a GPU cannot draw it.
    """

    draws: int
    rectangles: Callable[[Uniforms, Size], Rectangles]
    fill: tuple[float, ...]
    mask_fill: tuple[float, ...] | None
    drawn: Callable[[Size], Sequence[float]] | None = None


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

    def drawn(size: Size) -> list[float]:
        pairs = zip((heights, widths), size, strict=True)
        if heights[1] >= 1:
            sides_ = [(int(low), int(min(high, length)) - int(low) + 1) for (low, high), length in pairs]
        else:
            sides_ = [(low, high - low) for (low, high), _ in pairs]
        return [least, most, *sides_[0], *sides_[1], heights[1] >= 1]

    return Holes(1 + 4 * most, rectangles, fill, _levels(values["fill_mask"]), drawn)


def erasing(values: Mapping[str, Any]) -> Holes | None:
    """Erasing. Draws: area, aspect, top, left.

    Source: Zhong et al. 2017, arXiv:1708.04896, within the bounds that albumentations sets.
    """
    fill = _fill(values)
    low, high = values["ratio"]
    if fill is None or low <= 0 or values["scale"][0] <= 0:
        return None

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


def grid_dropout(values: Mapping[str, Any]) -> Holes | None:
    """GridDropout on a fixed grid. Draws: an order of rows, an order of columns; then, a cell, offset y, x.

    The cells of a grid differ by a pixel where the image does not divide; albumentations shuffles which are larger.
    Source: Chen et al. 2020, arXiv:2001.04086.
    """
    fill = _fill(values)
    if fill is None or values["unit_size_range"] is not None:
        return None
    given, ratio = values["holes_number_xy"], values["ratio"]

    def edges(u: NDArray[np.float64], length: int, parts: int) -> NDArray[np.int64]:
        larger = u.argsort(axis=1, kind="stable") < length % parts
        return np.concatenate([np.zeros((len(u), 1), np.int64), (length // parts + larger).cumsum(axis=1)], axis=1)

    def rectangles(u: Uniforms, size: Size) -> Rectangles:
        # albumentations takes the numbers of holes as (rows, columns), whatever the name says.
        rows, columns = given or (max(1, side // max(2, side // 10)) for side in size)  # one for a side of one pixel
        if rows > size[0] or columns > size[1] or rows * columns > _MOST_CELLS:
            raise TransformError(
                "GridDropout",
                f"{rows}x{columns} holes in images of {size[0]}x{size[1]}",
                f"at most one a pixel, and {_MOST_CELLS} in all",
                "lower holes_number_xy",
            )
        y = edges(u[:, :rows], size[0], rows)[:, :, None].repeat(columns, axis=2)
        x = edges(u[:, rows : rows + columns], size[1], columns)[:, None, :].repeat(rows, axis=1)
        top, left, bottom, right = y[:, :-1], x[:, :, :-1], y[:, 1:], x[:, :, 1:]
        height, width = bottom - top, right - left
        hole_h = np.clip(height * ratio, 1, np.maximum(height - 1, 1)).astype(np.int64)
        hole_w = np.clip(width * ratio, 1, np.maximum(width - 1, 1)).astype(np.int64)
        if values["random_offset"]:
            start = rows + columns
            each = u[:, start : start + 2 * rows * columns].reshape(len(u), rows, columns, 2)
            top = top + ((height - hole_h + 1) * each[..., 0]).astype(np.int64)
            left = left + ((width - hole_w + 1) * each[..., 1]).astype(np.int64)
        else:
            top = np.clip(top + values["shift_xy"][1], 0, size[0] - hole_h)
            left = np.clip(left + values["shift_xy"][0], 0, size[1] - hole_w)
        result = np.stack([left, top, left + hole_w, top + hole_h], axis=-1)
        return result.reshape(len(u), rows * columns, 4).astype(np.int32)

    return Holes(2 * _MOST_SIDE + 2 * _MOST_CELLS, rectangles, fill, _levels(values["fill_mask"]))


def _fill(values: Mapping[str, Any]) -> tuple[float, ...] | None:
    fill = values["fill"]
    return None if isinstance(fill, str) else _levels(fill)  # a text asks for random or inpainted pixels


def _levels(fill: Any) -> tuple[float, ...] | None:
    if fill is None:
        return None
    return tuple(fill) if isinstance(fill, (list, tuple)) else (float(fill),)


DECLARED = (
    Declaration(
        name="CoarseDropout",
        compile=coarse_dropout,
        trains_on_nothing=HOLES,
        branches=(
            {"fill": "random"},
            {"fill": "random_uniform"},
        ),
    ),
    Declaration(name="Erasing", compile=erasing, trains_on_nothing=HOLES),
    Declaration(
        name="GridDropout",
        compile=grid_dropout,
        trains_on_nothing=HOLES,
        branches=(
            {"random_offset": True},
            {"random_offset": False},
        ),
    ),
)
