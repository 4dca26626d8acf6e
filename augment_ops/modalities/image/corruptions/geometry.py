"""Geometry: the image is turned, scaled, moved or sheared about its centre. Strengths are relative, for every size.

Source: the nuisances follow Engstrom et al. 2019, arXiv:1712.02779; strengths: policies/stress/invariances.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.image.corruptions.base import Corruption, Image, each, relative


def _rotation(image: Image, angle_deg: float, draw: np.random.Generator) -> Image:
    """Turn about the centre, clockwise or counter-clockwise."""
    return _warp(image, angle_deg=sign(draw) * angle_deg)


def _scale_up(image: Image, share: float, draw: np.random.Generator) -> Image:
    """Enlarge about the centre; what leaves the frame is lost."""
    return _warp(image, scale=1 + share)


def _scale_down(image: Image, share: float, draw: np.random.Generator) -> Image:
    """Shrink about the centre."""
    return _warp(image, scale=1 - share)


def _translation(image: Image, share: float, draw: np.random.Generator) -> Image:
    """Move by `share` of the image's size in any direction."""
    direction = 2 * math.pi * draw.random()
    height, width = image.shape[:2]
    return _warp(image, shift=(share * width * math.cos(direction), share * height * math.sin(direction)))


def _shear(image: Image, angle_deg: float, draw: np.random.Generator) -> Image:
    """Slant along x or y, to either side; the centre stays."""
    height, width = image.shape[:2]
    slope = sign(draw) * math.tan(math.radians(angle_deg))
    matrix = np.eye(2, 3)
    axis = int(draw.integers(2))
    matrix[axis, 1 - axis] = slope
    matrix[axis, 2] = -slope * ((height - 1) / 2 if axis == 0 else (width - 1) / 2)
    return warped(image, matrix)


def _warp(image: Image, angle_deg: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Turned, scaled and moved about the centre of the pixel grid."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, angle_deg, scale), np.float64)
    matrix[:, 2] += np.array(shift)
    return warped(image, matrix)


def warped(image: Image, matrix: NDArray[np.float64]) -> Image:
    """One bilinear warp by a matrix (2, 3) or a homography (3, 3); what was outside takes the border's median."""
    height, width = image.shape[:2]
    warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    out = warp(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border_median(image),
    )
    return np.asarray(out, np.uint8).reshape(image.shape)


def border_median(image: Image) -> tuple[int, ...]:
    """The median of the outermost pixels, by channel."""
    # Black would draw an edge into a picture on white paper, and a mirror would draw strokes that nobody wrote.
    border = np.sort(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]), axis=0)
    lower, upper = border[(len(border) - 1) // 2], border[len(border) // 2]  # NumPy's median takes ten times as long
    return tuple((int(a) + int(b)) // 2 for a, b in zip(lower, upper, strict=True))


def sign(draw: np.random.Generator) -> float:
    """1 or -1."""
    return float(2 * draw.integers(2) - 1)


CORRUPTIONS: Mapping[str, Corruption] = {
    "rotation": relative("angle_deg", "degrees", 45, each(_rotation), (6, 12, 18, 22, 26), moves=True),
    "scale_up": relative(
        "scale_share", "share added to the size", 0.5, each(_scale_up), (0.05, 0.1, 0.15, 0.2, 0.25), moves=True
    ),
    "scale_down": relative(
        "scale_share", "share taken from the size", 0.5, each(_scale_down), (0.04, 0.08, 0.12, 0.16, 0.2), moves=True
    ),
    "translation": relative(
        "shift_share", "share of the image's size", 0.3, each(_translation), (0.02, 0.035, 0.05, 0.07, 0.09), moves=True
    ),
    "shear": relative("angle_deg", "degrees", 40, each(_shear), (5, 10, 14, 18, 22), moves=True),
}
