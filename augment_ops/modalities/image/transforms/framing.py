"""Crops, resizes and pads: geometry that changes the size of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.image.declaration import Declaration, Strength, Trains
from augment_ops.modalities.image.kernels import matrices as kernels
from augment_ops.modalities.image.strength import ZOOM_IN, crop_in
from augment_ops.modalities.image.taught import FRAMING, below
from augment_ops.modalities.image.transforms.drawn import CHOICE, SHIFT, DrawnMatrix
from augment_ops.modalities.image.transforms.geometry import (
    LINEAR,
    NEAREST,
    Border,
    Geometry,
    Matrices,
    Size,
    Uniforms,
    between,
    border_of,
    integers,
    mask_border_of,
)

# Of resizes, which read at most half a pixel beyond the edge and repeat it.
_EDGE = Border(1, (0.0,), LINEAR)


def random_crop(values: Mapping[str, Any]) -> Geometry | None:
    """RandomCrop without padding. Draws: top, left."""
    if values["pad_if_needed"]:
        return None
    target = (int(values["height"]), int(values["width"]))

    def matrices(u: Uniforms, size: Size) -> Matrices:
        _fits(size, target, "RandomCrop")
        top = ((size[0] - target[0] + 1) * u[:, 0]).astype(np.int64)
        left = ((size[1] - target[1] + 1) * u[:, 1]).astype(np.int64)
        return _shifts(-left.astype(float), -top.astype(float))

    return Geometry(
        draws=2,
        matrices=matrices,
        size=lambda size: target,
        crops=True,
        drawn=DrawnMatrix(SHIFT, lambda size: [-1, size[1] - target[1] + 1, size[0] - target[0] + 1]),
    )


def center_crop(values: Mapping[str, Any]) -> Geometry | None:
    """CenterCrop without padding."""
    if values["pad_if_needed"]:
        return None
    target = (int(values["height"]), int(values["width"]))

    def matrices(u: Uniforms, size: Size) -> Matrices:
        _fits(size, target, "CenterCrop")
        top, left = (size[0] - target[0]) // 2, (size[1] - target[1]) // 2
        return _shifts(np.full(len(u), -float(left)), np.full(len(u), -float(top)))

    return Geometry(draws=0, matrices=matrices, size=lambda size: target, crops=True)


def random_resized_crop(values: Mapping[str, Any]) -> Geometry | None:
    """RandomResizedCrop. Draws: ten tries of (area, aspect), then top, left.

    Source: Szegedy et al. 2015, arXiv:1409.4842; albumentations takes the first try that fits, else the centre.
    """
    ratio = values["ratio"]
    if values["interpolation"] != LINEAR or values["area_for_downscale"] is not None or ratio[0] <= 0:
        return None
    target = (int(values["size"][0]), int(values["size"][1]))

    def matrices(u: Uniforms, size: Size) -> Matrices:
        height, width = size
        area = between(u[:, 0:20:2], values["scale"]) * (height * width)
        aspect = np.exp(between(u[:, 1:20:2], (np.log(ratio[0]), np.log(ratio[1]))))
        widths, heights = np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))
        fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
        first = fits.argmax(axis=1)
        row = np.arange(len(u))
        found = fits[row, first]
        whole_h, whole_w = _centre_crop_size(size, ratio)
        crop_w = np.where(found, widths[row, first], whole_w)
        crop_h = np.where(found, heights[row, first], whole_h)
        top = np.where(found, np.trunc((height - crop_h + 1) * u[:, 20]), (height - crop_h) // 2)
        left = np.where(found, np.trunc((width - crop_w + 1) * u[:, 21]), (width - crop_w) // 2)
        return _resizes(crop_w, crop_h, target) @ _shifts(-left, -top)

    # A resize reads at most half a pixel beyond the crop; OpenCV repeats the crop's edge there. Here the pixel beyond
    # is read where the image has one, and only the image's own edge is repeated.
    return Geometry(
        draws=22, matrices=matrices, size=lambda size: target, border=_EDGE, mask_border=_mask_edge(values), crops=True
    )


def resize(values: Mapping[str, Any]) -> Geometry | None:
    """Resize, bilinear, as OpenCV does it: pixel areas match, not centres; no smoothing when it shrinks."""
    if values["interpolation"] != LINEAR or values["area_for_downscale"] is not None:
        return None
    target = (int(values["height"]), int(values["width"]))

    def matrices(u: Uniforms, size: Size) -> Matrices:
        return _resizes(np.full(len(u), float(size[1])), np.full(len(u), float(size[0])), target)

    return Geometry(draws=0, matrices=matrices, size=lambda size: target, border=_EDGE, mask_border=_mask_edge(values))


def pad_if_needed(values: Mapping[str, Any]) -> Geometry | None:
    """PadIfNeeded. Draws: above, left (for `position: random`)."""
    border = border_of({**values, "interpolation": LINEAR})
    if border is None:
        return None

    def size_of(size: Size) -> Size:
        (top, bottom), (left, right) = _paddings(values, size)
        return size[0] + top + bottom, size[1] + left + right

    def matrices(u: Uniforms, size: Size) -> Matrices:
        (top, bottom), (left, right) = _paddings(values, size)
        rows, columns = top + bottom, left + right
        position = values["position"]
        if position == "random":
            return _shifts(integers(u[:, 1], 0, columns).astype(float), integers(u[:, 0], 0, rows).astype(float))
        above = {"center": top, "top": 0, "bottom": rows}[position.partition("_")[0]]
        beside = {"center": left, "left": 0, "right": columns, "": left}[position.partition("_")[2]]
        return _shifts(np.full(len(u), float(beside)), np.full(len(u), float(above)))

    def shifts(size: Size) -> list[float]:
        height, width = size_of(size)
        return [1, width - size[1] + 1, height - size[0] + 1]

    return Geometry(
        draws=2,
        matrices=matrices,
        size=size_of,
        border=border,
        mask_border=mask_border_of({**values, "mask_interpolation": NEAREST}),
        pads=True,
        drawn=DrawnMatrix(SHIFT, shifts) if values["position"] == "random" else DrawnMatrix(CHOICE, lambda size: [1]),
    )


def _mask_edge(values: Mapping[str, Any]) -> Border:
    return Border(1, (0.0,), values["mask_interpolation"])


def _shifts(x: NDArray[np.float64], y: NDArray[np.float64]) -> Matrices:
    result: Matrices = kernels.identities(len(x))
    result[:, 0, 2], result[:, 1, 2] = x, y
    return result


def _resizes(width: NDArray[np.float64], height: NDArray[np.float64], target: Size) -> Matrices:
    result: Matrices = kernels.identities(len(width))
    factor_x, factor_y = target[1] / width, target[0] / height
    result[:, 0, 0], result[:, 1, 1] = factor_x, factor_y
    result[:, 0, 2], result[:, 1, 2] = factor_x / 2 - 0.5, factor_y / 2 - 0.5
    return result


def _centre_crop_size(size: Size, ratio: tuple[float, float]) -> Size:
    height, width = size
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width


def _paddings(values: Mapping[str, Any], size: Size) -> tuple[tuple[int, int], tuple[int, int]]:
    def one(length: int, least: int | None, divisor: int | None) -> tuple[int, int]:
        missing = max(0, least - length) if least is not None else -length % (divisor or 1)
        return missing // 2, missing - missing // 2

    return (
        one(size[0], values["min_height"], values["pad_height_divisor"]),
        one(size[1], values["min_width"], values["pad_width_divisor"]),
    )


def _fits(size: Size, target: Size, name: str) -> None:
    if target[0] > size[0] or target[1] > size[1]:
        raise TransformError(
            name,
            f"a crop of {target[0]}x{target[1]} from images of {size[0]}x{size[1]}",
            "a crop no larger than the image",
            "put PadIfNeeded before it, or make the crop smaller",
        )


DECLARED = (
    Declaration(
        name="RandomCrop",
        compile=random_crop,
        trains=(Trains(("translation",)),),
        required={"height": 16, "width": 16},
        branches=({"pad_if_needed": True},),
        chance=False,
    ),
    Declaration(
        name="CenterCrop",
        compile=center_crop,
        trains_on_nothing=FRAMING,
        required={"height": 16, "width": 16},
        branches=({"pad_if_needed": True},),
        chance=False,
    ),
    Declaration(
        name="RandomResizedCrop",
        compile=random_resized_crop,
        strengths=(Strength(ZOOM_IN, "scale", crop_in),),
        trains=(Trains(("scale_up", "translation"), "scale", below(1)),),
        required={"size": [16, 16]},
    ),
    Declaration(
        name="Resize", compile=resize, trains_on_nothing=FRAMING, required={"height": 16, "width": 16}, chance=False
    ),
    Declaration(name="PadIfNeeded", compile=pad_if_needed, trains_on_nothing=FRAMING, chance=False),
)
