"""What comes of digital pictures: compressed, enlarged from few pixels, bent.

Source: Hendrycks & Dietterich 2019, arXiv:1903.12261, and the authors' code; elastic deformation, Simard et al. 2003.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import (
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    single,
    table,
)
from augment_ops.modalities.image.kernels.fields import resampled, uniforms

_WIDE_PX = 8.0  # from this σ on a field is smoothed at a few points and interpolated: kernels would be long


def _jpeg_compression(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Written as JPEG and read again, colours at half resolution; without three channels, each by itself."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(strengths[0])]
    channels = images.shape[3]
    out = np.empty_like(images)
    for row, image in enumerate(images):
        if channels == 3:
            out[row] = _through_jpeg(image[..., ::-1], cv2.IMREAD_COLOR, options)[..., ::-1]
            continue
        for c in range(channels):
            out[row, ..., c] = _through_jpeg(np.ascontiguousarray(image[..., c]), cv2.IMREAD_GRAYSCALE, options)
    return out


def _through_jpeg(image: Image, mode: int, options: list[int]) -> Image:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, options)[1], mode), np.uint8)


def _pixelate(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Reduced to a share of its pixels by means over areas, and enlarged by repetition."""
    height, width = images.shape[1:3]
    few = (max(1, int(width * strengths[0])), max(1, int(height * strengths[0])))
    out = np.empty_like(images)
    for row, image in enumerate(images):
        reduced = cv2.resize(image, few, interpolation=cv2.INTER_AREA)
        out[row] = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_NEAREST_EXACT).reshape(image.shape)
    return out


def _elastic_transform(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """An affine map of three points that move at random, then a smooth field of displacements."""
    height, width = images.shape[1:3]
    reach, sigma, moved = (share * min(height, width) for share in strengths)
    drawn = 2 * philox.uniforms(keys, 0, philox.PARAMETERS, 6) - 1
    corners = _three_points(height, width)
    fields = [reach * _smooth_field(keys, axis, (height, width), sigma) if sigma > 0 else None for axis in (0, 1)]
    grid = np.indices((height, width), np.float32)
    out = np.empty_like(images)
    for row, image in enumerate(images):
        matrix = cv2.getAffineTransform(corners, corners + (moved * drawn[row]).reshape(3, 2).astype(np.float32))
        one = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        x, y = fields
        if x is not None and y is not None:
            one = cv2.remap(one, grid[1] + x[row], grid[0] + y[row], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        out[row] = one.reshape(image.shape)
    return out


def _three_points(height: int, width: int) -> NDArray[np.float32]:
    x, y, reach = width // 2, height // 2, max(1, min(height, width) // 3)
    return np.array([[x + reach, y + reach], [x + reach, y - reach], [x - reach, y - reach]], np.float32)


def _smooth_field(keys: Keys, index: int, size: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Uniform noise in (-1, 1) smoothed by a Gaussian cut at 3 σ, mirrored at the border with its own pixel twice."""
    height, width = size
    values = np.empty((len(keys), height * width), np.float32)
    uniforms(keys, index, values)
    noise = values.reshape(-1, height, width)
    if sigma >= _WIDE_PX:
        rows, columns = _smoother(height, sigma), _smoother(width, sigma)
        few = np.empty((len(noise), len(rows), len(columns)), np.float32)
        resampled(noise, rows, np.ascontiguousarray(columns.T), few)
        return np.stack([cv2.resize(one, (width, height)) for one in few])
    taps = 2 * int(3 * sigma + 0.5) + 1
    return np.stack([cv2.GaussianBlur(one, (taps, taps), sigma, borderType=cv2.BORDER_REFLECT) for one in noise])


@lru_cache(maxsize=16)
def _smoother(size: int, sigma: float) -> NDArray[np.float32]:
    """A wide Gaussian filter as a matrix (few, size), at points a quarter of σ apart: what lies between is linear."""
    reach, few = int(3 * sigma + 0.5), min(size, max(4, math.ceil(4 * size / sigma)))
    matrix = np.zeros((few, size))
    for row in range(few):
        centre = (row + 0.5) * size / few - 0.5
        at = np.arange(round(centre) - reach, round(centre) + reach + 1)
        weights = np.exp(-0.5 * ((at - centre) / sigma) ** 2)
        at %= 2 * size
        np.add.at(matrix[row], np.minimum(at, 2 * size - 1 - at), weights / weights.sum())
    return matrix.astype(np.float32)


_OF_SIDE = "share of the image's shorter side"
_IMAGENET = 244 / 224  # the authors' code computes with 244 pixels on images of 224
CORRUPTIONS: Mapping[str, Corruption] = {
    "elastic_transform": Corruption(
        parameters={
            "reach_share": StrengthRange(f"factor of the smoothed noise, {_OF_SIDE}", 4),
            "sigma_share": StrengthRange(f"sigma that smooths it, {_OF_SIDE}", 1),
            "moved_share": StrengthRange(f"most that a point of the affine map moves, {_OF_SIDE}", 0.3),
        },
        corrupt=_elastic_transform,
        small=table([(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)]),
        large=table(
            [
                tuple(_IMAGENET * v for v in row)
                for row in [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)]
            ]
        ),
        moves=True,
    ),
    "pixelate": single(
        "size_share",
        StrengthRange("of the pixels of a side", 0.99, 0.05, falls=True),
        _pixelate,
        (0.95, 0.9, 0.85, 0.75, 0.65),
        (0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    "jpeg_compression": single(
        "quality",
        StrengthRange("JPEG quality", 100, 1, falls=True),
        _jpeg_compression,
        (80, 65, 58, 50, 40),
        (25, 18, 15, 10, 7),
    ),
}
