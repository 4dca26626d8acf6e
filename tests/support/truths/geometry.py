"""Flips, turns and warps."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from augment_ops.modalities.image.transforms import geometry
from augment_ops.modalities.image.transforms.geometry import integers
from support.truths import SHAPES, SIZE, Compared, Drawn, affine_of, matrix_of


def warped(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    """OpenCV's warp with our matrix."""
    geometry, size = node.operation, image.shape[:2]
    matrix, (height, width) = geometry.matrices(u[None], size)[0], geometry.size(size)
    border = geometry.border
    if image.shape[2] > 4:
        return np.concatenate([warped(node, u, image[..., c : c + 1])[..., None] for c in range(image.shape[2])], 2)
    more = {"flags": border.interpolation, "borderMode": border.mode, "borderValue": (border.fill * 4)[:4]}
    if (matrix[2] == (0, 0, 1)).all():
        return cv2.warpAffine(image, matrix[:2], (width, height), **more)
    return cv2.warpPerspective(image, matrix, (width, height), **more)


_SQUARES = ((20, 20, 3), (33, 33, 3))
_D4 = {"e": 0, "r90": 1, "r180": 2, "r270": 3, "v": 4, "hvt": 5, "h": 6, "t": 7}
_SQUARE = (40, 40)


def _symmetry(operation: Any, u: np.ndarray) -> np.ndarray:
    """Which of the eight, from where two corners go."""
    known = {geometry._D4[i].tobytes(): i for i in range(8)}
    linear = operation.matrices(u, _SQUARE)[:, :2, :2].reshape(len(u), 4)
    return np.array([[known[(row + 0.0).tobytes()]] for row in linear], float)


COMPARED = {
    "HorizontalFlip: {p: 1}": Compared(
        theirs=lambda n, u, x: A.HorizontalFlip().apply(x), mean=0, shapes=SHAPES, table=SHAPES[0]
    ),
    "VerticalFlip: {p: 1}": Compared(
        theirs=lambda n, u, x: A.VerticalFlip().apply(x), mean=0, shapes=SHAPES, table=SHAPES[0]
    ),
    "Transpose: {p: 1}": Compared(
        theirs=lambda n, u, x: A.Transpose().apply(x),
        mean=0,
        shapes=(*_SQUARES, (30, 50, 3), (31, 20, 1)),
        table=_SQUARES[1],
    ),
    "RandomRotate90: {p: 1}": Compared(
        theirs=lambda n, u, x: A.RandomRotate90().apply(x, factor=int(integers(u[0], 0, 3))),
        mean=0,
        shapes=_SQUARES,
        table=_SQUARES[1],
    ),
    "D4: {p: 1}": Compared(
        theirs=lambda n, u, x: A.D4().apply(x, group_element=list(_D4)[int(integers(u[0], 0, 7))]),
        mean=0,
        shapes=_SQUARES,
        table=_SQUARES[1],
    ),
    **{
        step: Compared(theirs=warped, largest=np.inf, mean=0.5, percentile=2, shapes=SHAPES, table=SHAPES[3])
        for step in (
            "Affine: {rotate: [-30, 30], scale: [0.7, 1.3], translate_percent: [-0.1, 0.1], shear: [-10, 10], p: 1}",
            "Rotate: {limit: 90, p: 1}",
            "ShiftScaleRotate: {p: 1}",
            "Perspective: {p: 1}",
        )
    },
}
DRAWN = {
    "RandomRotate90: {}": Drawn(_symmetry, lambda p: [float(p["factor"])]),
    "D4: {}": Drawn(_symmetry, lambda p: [float(_D4[str(p["group_element"])])]),
    "Affine: {rotate: [-20, 30], scale: [0.8, 1.4], translate_percent: [-0.1, 0.2], shear: [-5, 8]}": Drawn(
        affine_of,
        matrix_of,
    ),
    "Affine: {scale: [0.5, 1.2], balanced_scale: true}": Drawn(affine_of, matrix_of),
    "Affine: {scale: [0.5, 1.2], keep_ratio: true, translate_px: [-3, 7]}": Drawn(affine_of, matrix_of),
    "Rotate: {limit: [-10, 60]}": Drawn(affine_of, matrix_of),
    "ShiftScaleRotate: {}": Drawn(affine_of, matrix_of),
    "Perspective: {scale: [0.05, 0.2]}": Drawn(
        affine_of,
        lambda p: (
            (np.diag([SIZE[1] / p["max_width"], SIZE[0] / p["max_height"], 1]) @ p["matrix"])[:2].ravel().tolist()
        ),
    ),
}
