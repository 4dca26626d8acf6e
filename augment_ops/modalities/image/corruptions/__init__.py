"""The corruptions of stress suites: one physical nuisance each, at five severities, as a pure function of a key.

Every draw (a sign, a direction, noise) comes from a stream keyed by (corruption, severity, sample id). A sample is
corrupted alike whatever batch it stands in, so a suite is content-addressed. docs/stress.md says what each of them is.

Source: the form of a suite (one nuisance at a time, severities 1 to 5) follows Hendrycks & Dietterich 2019,
arXiv:1903.12261, whose 15 corruptions and 4 for validation are here under their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from augment_ops.engine.key import sample_key
from augment_ops.errors import TransformError, nearest
from augment_ops.modalities.corruptions import SEVERITIES
from augment_ops.modalities.image.corruptions import (
    blur,
    digital,
    driving,
    exposure,
    geometry,
    medical,
    noise,
    text,
    weather,
)
from augment_ops.modalities.image.corruptions.base import Corruption, Image, Strengths

__all__ = ["COMMON", "CORRUPTIONS", "SEVERITIES", "VALIDATION", "Corruption", "Image", "apply", "shape_fault"]

_BATCH_AXES = 4  # (N, H, W, C)
_MAX_CHANNELS = 4  # cv2 takes a border value of four channels at most

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        **geometry.CORRUPTIONS,
        **exposure.CORRUPTIONS,
        **noise.CORRUPTIONS,
        **blur.CORRUPTIONS,
        **weather.CORRUPTIONS,
        **digital.CORRUPTIONS,
        **text.CORRUPTIONS,
        **medical.CORRUPTIONS,
        **driving.CORRUPTIONS,
    }
)
# Of Hendrycks & Dietterich: those that a model is judged by, and those to develop with.
COMMON = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
VALIDATION = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def apply(
    name: str,
    severity: int,
    images: Image,
    ids: Sequence[str],
    *,
    params: Mapping[str, Sequence[float]] | None = None,
) -> Image:
    """Corrupt a batch.

    Args:
        name: a key of `CORRUPTIONS`.
        severity: 1 to 5.
        images: uint8 (N, H, W, C); not modified.
        ids: N sample ids; they key the randomness, so equal ids draw alike.
        params: each of the corruption's parameters → five strengths, as in a suite's file
            (`{"angle_deg": (6, 12, 18, 22, 26)}`); None for the published ones.

    Returns:
        uint8 (N, H, W, C), a new array.

    Raises:
        TransformError: unknown corruption or severity, strengths that do not fit it, or images that it cannot work on.
    """
    corruption = _known(name)
    if severity not in SEVERITIES:
        raise TransformError(f"{name}: severity", repr(severity), "an integer from 1 to 5", "correct the severity")
    _check_batch(images, ids)
    fault = shape_fault(name, images.shape[1:])
    if fault:
        raise TransformError("images", f"{images.shape[1:]} for {name}", fault, "leave this corruption out")
    strengths = _strengths(name, corruption, severity, params, min(images.shape[1:3]))
    keys = np.array([sample_key("stress", name, severity, sample_id) for sample_id in ids], np.uint64).reshape(-1, 2)
    return corruption.corrupt(np.ascontiguousarray(images), strengths, keys)


def shape_fault(name: str, shape: tuple[int, ...]) -> str:
    """What a corruption needs that images of a shape (H, W, C) do not have; empty where it works on them."""
    corruption = CORRUPTIONS[name]
    if min(shape[:2]) < corruption.smallest:
        return f"sides of at least {corruption.smallest} pixels for {name}"
    if corruption.needs_colour and shape[2] != 3:
        return f"three channels for {name}, which changes colours"
    return ""


def _known(name: str) -> Corruption:
    if name not in CORRUPTIONS:
        fix = f"correct the name.{nearest(name, CORRUPTIONS)}"
        raise TransformError("corruption", repr(name), f"one of {', '.join(CORRUPTIONS)}", fix)
    return CORRUPTIONS[name]


def _strengths(
    name: str, corruption: Corruption, severity: int, params: Mapping[str, Sequence[float]] | None, side: int
) -> Strengths:
    if params is None:
        return corruption.published(severity, side)
    fault = corruption.fault(params)
    if fault:
        raise TransformError(f"{name}: params", repr(dict(params))[:120], fault, "correct the strengths")
    return tuple(float(params[parameter][severity - 1]) for parameter in corruption.parameters)


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
