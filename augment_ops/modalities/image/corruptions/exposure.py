"""Light and colour of the whole image: brightness and contrast both ways, saturation, exposure.

Source: brightness, contrast and saturate are those of Hendrycks & Dietterich 2019, arXiv:1903.12261; the others have
relative strengths for every size and no model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import (
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    relative,
    single,
    table,
)
from augment_ops.modalities.image.kernels.light import change_saturation, look_up, raise_value
from augment_ops.modalities.image.kernels.sums import channel_means

GAMMA = 2.2  # of displays: levels to the power of it are light


def _brightness(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Add to the value of HSV, which keeps hue and saturation; to the levels where there are not three channels."""
    added = 255 * strengths[0]
    if images.shape[3] != 3:
        return by_levels(images, np.arange(256.0) + added)
    out = np.empty_like(images)
    raise_value(images.reshape(len(images), -1, 3), added, out.reshape(len(images), -1, 3))
    return out


def _saturate(images: Image, strengths: Strengths, keys: Keys) -> Image:
    out = np.empty_like(images)
    flat = (len(images), -1, 3)
    change_saturation(images.reshape(flat), strengths[0], strengths[1], out.reshape(flat))
    return out


def _contrast(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Draw the levels of each channel towards its mean, or away from it."""
    means = np.empty((len(images), images.shape[3]))
    channel_means(images.reshape(len(images), -1, images.shape[3]), means)
    return by_levels(images, (np.arange(256) - means[..., None]) * strengths[0] + means[..., None])


def _contrast_up(images: Image, strengths: Strengths, keys: Keys) -> Image:
    return _contrast(images, (1 + strengths[0],), keys)


def _contrast_down(images: Image, strengths: Strengths, keys: Keys) -> Image:
    return _contrast(images, (1 - strengths[0],), keys)


def _exposure_shift(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """More or less light by some stops, as the key draws; highlights saturate."""
    more = philox.uniforms(keys, 0, philox.PARAMETERS, 1)[:, 0] < 0.5
    stops = np.where(more, strengths[0], -strengths[0])[:, None, None]
    return by_levels(images, np.arange(256) * 2 ** (stops / GAMMA))


def _brightness_up(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Over-exposure: a constant is added, and bright parts saturate."""
    return by_levels(images, np.arange(256.0) + round(255 * strengths[0]))


def _brightness_down(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Under-exposure: a constant is taken away, and dark parts are lost."""
    return by_levels(images, np.arange(256.0) - round(255 * strengths[0]))


def by_levels(images: Image, levels: NDArray[np.float64]) -> Image:
    """Every level through a table: float64 (256,), or (N, C or 1, 256); rounded and cut to 0 … 255."""
    many, channels = len(images), images.shape[3]
    tables = np.broadcast_to(np.clip(np.rint(levels), 0, 255).astype(np.uint8), (many, channels, 256))
    out = np.empty_like(images)
    look_up(images.reshape(many, -1, channels), np.ascontiguousarray(tables), out.reshape(many, -1, channels))
    return out


_SHIFTS = (0.08, 0.16, 0.24, 0.32, 0.40)
CORRUPTIONS: Mapping[str, Corruption] = {
    "brightness": single(
        "added_share",
        StrengthRange("share of the value range", 0.9, 1e-3, in_levels=True),
        _brightness,
        (0.05, 0.1, 0.15, 0.2, 0.3),
        (0.1, 0.2, 0.3, 0.4, 0.5),
    ),
    "contrast": single(
        "factor",
        StrengthRange("factor of the distance to the mean", 1, 0.01, falls=True),
        _contrast,
        (0.75, 0.5, 0.4, 0.3, 0.15),
        (0.4, 0.3, 0.2, 0.1, 0.05),
    ),
    # The first two take colour away, the others add it: the paper's order.
    "saturate": Corruption(
        parameters={
            "factor": StrengthRange("factor of the saturation", 100),
            "added_share": StrengthRange("added to it", 1),
        },
        corrupt=_saturate,
        small=table([(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)]),
        large=table([(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)]),
        needs_colour=True,
    ),
    "brightness_up": relative("shift_share", "share of the value range", 0.6, _brightness_up, _SHIFTS, in_levels=True),
    "brightness_down": relative(
        "shift_share", "share of the value range", 0.6, _brightness_down, _SHIFTS, in_levels=True
    ),
    "contrast_up": relative(
        "contrast_share", "share added to the distance to the mean", 4, _contrast_up, (0.2, 0.4, 0.6, 0.9, 1.3)
    ),
    "contrast_down": relative(
        "contrast_share", "share taken from the distance to the mean", 0.95, _contrast_down, (0.2, 0.35, 0.5, 0.6, 0.7)
    ),
    "exposure_shift": relative(
        "stops", "stops of light, to either side", 4, _exposure_shift, (0.25, 0.5, 0.8, 1.1, 1.5)
    ),
}
