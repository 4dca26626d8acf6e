"""Crops, resizes and pads."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from support.truths import SHAPES, SIZE, Compared, Drawn


def _crop_of(size: tuple[int, int], u: np.ndarray) -> tuple[int, int, int, int]:
    top, left = int((size[0] - 10) * u[0]), int((size[1] - 12) * u[1])
    return left, top, left + 13, top + 11


def _crop(params: dict[str, Any]) -> list[float]:
    left, top, right, bottom = params["crop_coords"]
    return [left, top, right - left, bottom - top]


def _resized(matrices: np.ndarray) -> np.ndarray:
    """Crop coordinates from the matrices of RandomResizedCrop to 20x30."""
    width, height = 30 / matrices[:, 0, 0], 20 / matrices[:, 1, 1]
    left = -(matrices[:, 0, 2] - matrices[:, 0, 0] / 2 + 0.5) / matrices[:, 0, 0]
    top = -(matrices[:, 1, 2] - matrices[:, 1, 1] / 2 + 0.5) / matrices[:, 1, 1]
    return np.rint(np.stack([left, top, width, height], axis=1))


def _resized_crop(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The crop of our matrix, cut out and resized by albumentations."""
    matrix = node.operation.matrices(u[None], image.shape[:2])[0]
    (scale_x, scale_y), (height, width) = (matrix[0, 0], matrix[1, 1]), node.operation.size(image.shape[:2])
    # The result's left edge, -1/2, comes from the crop's, left - 1/2.
    left, top = (0.5 - (0.5 + matrix[i, 2]) / matrix[i, i] for i in (0, 1))
    box = (left, top, left + width / scale_x, top + height / scale_y)
    return A.RandomResizedCrop((height, width)).apply(image, crop_coords=tuple(int(np.rint(v)) for v in box))


COMPARED = {
    "RandomCrop: {height: 11, width: 13, p: 1}": Compared(
        theirs=lambda n, u, x: A.RandomCrop(11, 13).apply(x, crop_coords=_crop_of(x.shape[:2], u), pad_params=None),
        mean=0,
        shapes=SHAPES,
        table=SHAPES[0],
    ),
    "CenterCrop: {height: 11, width: 13, p: 1}": Compared(
        theirs=lambda n, u, x: A.CenterCrop(11, 13)(image=x)["image"], mean=0, shapes=SHAPES, table=SHAPES[0]
    ),
    "PadIfNeeded: {min_height: 90, min_width: 95, p: 1}": Compared(
        theirs=lambda n, u, x: A.PadIfNeeded(90, 95)(image=x)["image"], mean=0, shapes=SHAPES, table=SHAPES[0]
    ),
    "PadIfNeeded: {min_height: 41, min_width: 51, border_mode: 4, position: top_left, p: 1}": Compared(
        theirs=lambda n, u, x: A.PadIfNeeded(41, 51, border_mode=4, position="top_left")(image=x)["image"],
        mean=0,
        shapes=SHAPES,
        table=SHAPES[0],
    ),
    "Resize: {height: 64, width: 77, p: 1}": Compared(
        theirs=lambda n, u, x: cv2.resize(x, (77, 64)), largest=1, mean=np.inf, shapes=((40, 40, 3),)
    ),
    # The largest in the outermost row and column: half a pixel beyond the crop's edge is read from the image.
    "RandomResizedCrop: {size: [32, 32], p: 1}": Compared(
        theirs=_resized_crop, largest=np.inf, mean=0.5, percentile=2, shapes=((80, 70, 3),), table=(80, 70, 3)
    ),
}
DRAWN = {
    "PadIfNeeded: {min_height: 50, min_width: 90, position: random}": Drawn(
        lambda o, u: o.matrices(u, SIZE)[:, :2, 2][:, ::-1],
        lambda p: [p["pad_top"], p["pad_left"]],
    ),
    "RandomCrop: {height: 20, width: 30}": Drawn(
        lambda o, u: np.concatenate([-o.matrices(u, SIZE)[:, :2, 2], np.tile([30, 20], (len(u), 1))], axis=1),
        _crop,
    ),
    "RandomResizedCrop: {size: [20, 30]}": Drawn(lambda o, u: _resized(o.matrices(u, SIZE)), _crop),
    "RandomResizedCrop: {size: [20, 30], scale: [0.9, 1.0], ratio: [0.3, 0.4]}": Drawn(
        lambda o, u: _resized(o.matrices(u, SIZE)),
        _crop,
    ),
}
