"""The corruptions of a stress suite: one physical nuisance each, at five severities, as a pure function of a key.

Every draw (a sign, a direction, noise) comes from a stream keyed by (corruption, severity, sample id). A sample is
corrupted alike whatever batch it stands in, so a suite is content-addressed. Strengths are relative (degrees, shares of
the image's size or of the value range), so that one suite serves 8×8 as well as 224×224.

Source: the form of the suite (one nuisance at a time, severities 1 to 5) follows Hendrycks & Dietterich 2019,
arXiv:1903.12261; the geometric nuisances follow Engstrom et al. 2019, arXiv:1712.02779.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import KeyedStream, sample_key
from augment_ops.errors import TransformError, nearest

SEVERITIES = (1, 2, 3, 4, 5)
_BATCH_AXES = 4  # (N, H, W, C)
_MAX_CHANNELS = 4  # cv2 takes a border value of four channels at most

Image = NDArray[np.uint8]
_Corrupt = Callable[[Image, float, np.random.Generator], Image]  # image (H, W, C), strength, stream → the same shape


@dataclass(frozen=True)
class Corruption:
    """One nuisance.

    Attributes:
        parameter: name of its strength in a suite's file, with the unit.
        unit: the unit in words, for messages and reports.
        limit: a strength beyond it is refused, because the label could not be told any more.
    """

    parameter: str
    unit: str
    limit: float
    corrupt: _Corrupt


def apply(
    name: str, severity: int, images: Image, ids: Sequence[str], *, params: Mapping[str, Sequence[float]]
) -> Image:
    """Corrupt a batch.

    Args:
        name: a key of `CORRUPTIONS`.
        severity: 1 to 5.
        images: uint8 (N, H, W, C); not modified.
        ids: N sample ids; they key the randomness, so equal ids draw alike.
        params: the corruption's parameter → five strengths, as in a suite's file: `{"angle_deg": (6, 12, 18, 22, 26)}`.

    Returns:
        uint8 (N, H, W, C), a new array.

    Raises:
        TransformError: unknown corruption or severity, strengths that are not five, or images and ids that do not fit.
    """
    corruption = _known(name)
    strength = _strength(name, corruption, severity, params)
    _check_batch(images, ids)
    out = np.empty_like(images)
    stream = KeyedStream()
    for row, sample_id in enumerate(ids):
        stream.seat(sample_key("stress", name, severity, sample_id))
        out[row] = corruption.corrupt(images[row], strength, stream.numpy)
    return out


def _rotation(image: Image, angle_deg: float, draw: np.random.Generator) -> Image:
    """Turn about the centre, clockwise or counter-clockwise."""
    return _warp(image, angle_deg=_sign(draw) * angle_deg)


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


def _brightness_up(image: Image, shift: float, draw: np.random.Generator) -> Image:
    """Over-exposure: a constant is added, and bright parts saturate."""
    return np.asarray(cv2.LUT(image, _shifted_levels(shift)), np.uint8).reshape(image.shape)


def _brightness_down(image: Image, shift: float, draw: np.random.Generator) -> Image:
    """Under-exposure: a constant is taken away, and dark parts are lost."""
    return np.asarray(cv2.LUT(image, _shifted_levels(-shift)), np.uint8).reshape(image.shape)


def _noise(image: Image, std: float, draw: np.random.Generator) -> Image:
    """Sensor noise: Gaussian, independent for every pixel and channel."""
    noisy = draw.standard_normal(image.shape, np.float32)
    noisy *= np.float32(255 * std)
    noisy += image
    np.rint(noisy, out=noisy)
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


def _blur(image: Image, sigma: float, draw: np.random.Generator) -> Image:
    """Defocus: a Gaussian whose sigma is a share of the shorter side."""
    kernel = _gaussian_over_pixels(sigma * min(image.shape[:2]))
    blurred = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.uint8).reshape(image.shape)


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "rotation": Corruption("angle_deg", "degrees", 45, _rotation),
        "brightness_up": Corruption("shift_share", "share of the value range", 0.6, _brightness_up),
        "brightness_down": Corruption("shift_share", "share of the value range", 0.6, _brightness_down),
        "scale_up": Corruption("scale_share", "share added to the size", 0.5, _scale_up),
        "scale_down": Corruption("scale_share", "share taken from the size", 0.5, _scale_down),
        "translation": Corruption("shift_share", "share of the image's size", 0.3, _translation),
        "noise": Corruption("std_share", "standard deviation, share of the value range", 0.4, _noise),
        "blur": Corruption("sigma_share", "sigma, share of the image's shorter side", 0.15, _blur),
    }
)


def _warp(image: Image, angle_deg: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """One bilinear warp about the centre of the pixel grid; what was outside the frame takes the border's median."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle_deg, scale)
    matrix[:, 2] += np.array(shift)
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_border_median(image),
    )
    return np.asarray(warped, np.uint8).reshape(image.shape)


def _border_median(image: Image) -> tuple[int, ...]:
    # Black would draw an edge into a picture on white paper, and a mirror would draw strokes that nobody wrote.
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return tuple(int(level) for level in np.median(border, axis=0))


def _shifted_levels(share: float) -> Image:
    return np.clip(np.arange(256) + round(255 * share), 0, 255).astype(np.uint8)


def _gaussian_over_pixels(sigma_px: float) -> NDArray[np.float64]:
    """Weights of a Gaussian integrated over each pixel; sampled at the centres, one below half a pixel would vanish."""
    radius = max(1, math.ceil(4 * sigma_px))
    edges = np.arange(-radius - 0.5, radius + 1.0)
    cumulative = np.array([math.erf(edge / (sigma_px * math.sqrt(2))) for edge in edges])
    weights = np.diff(cumulative)
    return np.asarray(weights / weights.sum(), np.float64)


def _sign(draw: np.random.Generator) -> float:
    return float(2 * draw.integers(2) - 1)


def _known(name: str) -> Corruption:
    if name not in CORRUPTIONS:
        fix = f"correct the name.{nearest(name, CORRUPTIONS)}"
        raise TransformError("corruption", repr(name), f"one of {', '.join(CORRUPTIONS)}", fix)
    return CORRUPTIONS[name]


def _strength(name: str, corruption: Corruption, severity: int, params: Mapping[str, Sequence[float]]) -> float:
    if severity not in SEVERITIES:
        raise TransformError(f"{name}: severity", repr(severity), "an integer from 1 to 5", "correct the severity")
    strengths = params.get(corruption.parameter, ())
    if set(params) != {corruption.parameter} or len(strengths) != len(SEVERITIES):
        raise TransformError(
            f"{name}: params",
            repr(dict(params))[:120],
            f"{corruption.parameter} with five strengths ({corruption.unit})",
            "give one strength for each severity",
        )
    strength = float(strengths[severity - 1])
    if not 0 < strength <= corruption.limit:
        raise TransformError(
            f"{name}.{corruption.parameter}",
            repr(strength),
            f"above 0 and at most {corruption.limit} ({corruption.unit})",
            "choose a strength within these bounds",
        )
    return strength


def _check_batch(images: Image, ids: Sequence[str]) -> None:
    batch = isinstance(images, np.ndarray) and images.ndim == _BATCH_AXES and 0 not in images.shape[1:]
    if not batch or images.dtype != np.uint8:
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise TransformError("images", found, "a uint8 array (N, H, W, C)", "convert the batch before stressing it")
    if images.shape[3] > _MAX_CHANNELS:
        found = f"{images.shape[3]} channels"
        raise TransformError("images", found, f"1 to {_MAX_CHANNELS}", "stress the channels in groups")
    if len(ids) != len(images):
        raise TransformError("ids", f"{len(ids)} ids for {len(images)} images", "one id an image", "pass matching ids")
