"""Blur: out of focus, through frosted glass, moved, zoomed; and plain Gaussian.

Source: Hendrycks & Dietterich 2019, arXiv:1903.12261, and the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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
    each,
    relative,
    single,
    table,
)
from augment_ops.modalities.image.kernels.smear import discs, shuffle, smear


def _gaussian_blur(images: Image, strengths: Strengths, keys: Keys) -> Image:
    return softened(images, strengths[0])


def _defocus_blur(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Mean over a disc, whose rim a small Gaussian softens."""
    radius, alias = strengths
    whole = math.floor(radius)
    reaches = np.array([math.floor(math.sqrt(radius**2 - y**2)) for y in range(-whole, whole + 1)], np.int32)
    mean = np.empty(images.shape, np.float32)
    discs(images, reaches, 1.0 / float((2 * reaches + 1).sum()), mean)
    size = 3 if radius <= 8 else 5  # as in the authors' code
    out = np.empty_like(images)
    for row, one in enumerate(mean):
        soft = cv2.GaussianBlur(one, (size, size), alias, borderType=cv2.BORDER_REFLECT_101)
        out[row] = cv2.convertScaleAbs(soft).reshape(images.shape[1:])
    return out


def _glass_blur(images: Image, strengths: Strengths, keys: Keys) -> Image:
    sigma, reach, times = strengths
    glass = softened(images, sigma)
    shuffle(glass, keys, max(1, round(reach)), max(1, round(times)))
    return softened(glass, sigma)


def _motion_blur(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Smear by half a Gaussian in a direction of up to 45° from the horizontal."""
    radius, sigma = strengths
    angles = math.pi / 2 * philox.uniforms(keys, 0, philox.PARAMETERS, 1)[:, 0] - math.pi / 4
    return smeared(images, radius, sigma, angles)


def _zoom_blur(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Mean of an image and of its enlargements up to a factor."""
    factors = np.arange(1, strengths[0], strengths[1])
    height, width = images.shape[1:3]
    out = np.empty_like(images)
    for row, image in enumerate(images):
        total = image.astype(np.float32).reshape(height, width, -1)
        for factor in factors:
            matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, float(factor))
            zoomed = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            cv2.accumulate(zoomed.reshape(total.shape), total)
        out[row] = cv2.convertScaleAbs(total, alpha=1 / (len(factors) + 1)).reshape(image.shape)
    return out


def _blur(image: Image, sigma: float, draw: np.random.Generator) -> Image:
    """Defocus of the suite `invariances`: a Gaussian whose sigma is a share of the shorter side."""
    kernel = _gaussian_over_pixels(sigma * min(image.shape[:2]))
    blurred = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.uint8).reshape(image.shape)


def softened(images: Image, sigma_px: float) -> Image:
    """A Gaussian cut at 4 σ; the border repeats outwards."""
    radius = int(4 * sigma_px + 0.5)
    if radius == 0:
        return images.copy()
    kernel = cv2.getGaussianKernel(
        2 * radius + 1, sigma_px
    )  # cv2.GaussianBlur takes ten times as long where it is wide
    out = np.empty_like(images)
    for row, image in enumerate(images):
        soft = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        out[row] = soft.reshape(image.shape)
    return out


def smeared(images: Image, radius_px: float, sigma_px: float, angles: NDArray[np.float64]) -> Image:
    """Smear along a direction: pixels 0 … 2 · radius behind weigh as half a Gaussian.

    Args:
        angles: float64 (N,), radians, from the x axis towards the lower edge.
    """
    steps = np.arange(2 * math.ceil(radius_px) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma_px**2))
    along = steps[None, :, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)[:, None, :]
    out = np.empty_like(images)
    smear(images, np.ceil(along - 0.5).astype(np.int32), (weights / weights.sum()).astype(np.float32), out)
    return out


def _gaussian_over_pixels(sigma_px: float) -> NDArray[np.float64]:
    """Weights of a Gaussian integrated over each pixel; sampled at the centres, one below half a pixel would vanish."""
    radius = max(1, math.ceil(4 * sigma_px))
    edges = np.arange(-radius - 0.5, radius + 1.0)
    cumulative = np.array([math.erf(edge / (sigma_px * math.sqrt(2))) for edge in edges])
    weights = np.diff(cumulative)
    return np.asarray(weights / weights.sum(), np.float64)


_SIGMA = StrengthRange("sigma in pixels", 100, 1e-3, is_length=True)
_RADIUS = StrengthRange("radius in pixels", 100, 0.1, is_length=True)
CORRUPTIONS: Mapping[str, Corruption] = {
    "defocus_blur": Corruption(
        parameters={
            "radius_px": _RADIUS,
            "alias_px": StrengthRange("sigma of the rim in pixels", 10, 1e-3, is_length=True),
        },
        corrupt=_defocus_blur,
        small=table([(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)]),
        large=table([(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)]),
    ),
    "glass_blur": Corruption(
        parameters={
            "sigma_px": _SIGMA,
            "reach_px": StrengthRange("reach of the exchange in pixels", 20, 0.5, is_length=True),
            "times": StrengthRange("number of exchanges", 10, 1),
        },
        corrupt=_glass_blur,
        small=table([(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)]),
        large=table([(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)]),
        smallest=8,
        moves=True,
    ),
    "motion_blur": Corruption(
        parameters={"radius_px": _RADIUS, "sigma_px": _SIGMA},
        corrupt=_motion_blur,
        small=table([(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)]),
        large=table([(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)]),
        moves=True,  # half a Gaussian: the picture goes where the camera came from
    ),
    "zoom_blur": Corruption(
        parameters={
            "to_factor": StrengthRange("factor below which zooms stay", 2, 1.001),
            "step": StrengthRange("between factors", 0.5, 1e-3),
        },
        corrupt=_zoom_blur,
        small=table([(1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)]),
        large=table([(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)]),
    ),
    "gaussian_blur": single("sigma_px", _SIGMA, _gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6)),
    "blur": relative(
        "sigma_share", "sigma, share of the image's shorter side", 0.15, each(_blur), (0.01, 0.02, 0.03, 0.04, 0.05)
    ),
}
