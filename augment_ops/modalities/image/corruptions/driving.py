"""What a camera on a vehicle meets: rain, a low sun, night. Strengths are relative; there is no model for them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import (
    LARGE_PX,
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    for_all_sizes,
    relative,
)
from augment_ops.modalities.image.corruptions.blur import smeared
from augment_ops.modalities.image.corruptions.exposure import GAMMA, by_levels
from augment_ops.modalities.image.corruptions.noise import SENSOR_NOISE
from augment_ops.modalities.image.corruptions.weather import tinted, zoomed_normals
from augment_ops.modalities.image.kernels.light import blend

_DROPS = (199, 204, 209)
_SUN = (255, 247, 224)
_MOONLIGHT = (0.85, 0.95, 1.1)  # of the light that is left: sky and lamps are bluer than the day


def _rain(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Streaks that fall at up to 15° from the vertical over a scene in flatter, greyer light."""
    dense, length = strengths
    height, width = images.shape[1:3]
    side = min(height, width)
    seeds = zoomed_normals(keys, (height, width), max(1.0, 1.5 * side / LARGE_PX))
    # Of the standard normal, 2.4 is exceeded by one value in 120: single drops.
    drops = (255 * np.clip(2.5 * (seeds - 2.4 + 0.9 * dense), 0, 1)).astype(np.uint8)
    angles = -math.pi / 2 + math.pi / 6 * (philox.uniforms(keys, 0, philox.PARAMETERS, 1)[:, 0] - 0.5)
    reach = max(1.0, length * side / 2)
    streaks = smeared(drops[..., None], reach, max(0.5, reach), angles)[..., 0].astype(np.float32)
    # Smearing spreads a drop over its path; the eye of a camera sees each place of it about as bright.
    layer = np.clip(streaks * np.float32(reach / 255) + np.float32(0.35 * dense), 0, 0.9)
    out = np.empty_like(images)
    blend(images, layer.astype(np.float32), tinted(_DROPS, images.shape[3]), out)
    return out


def _sun_glare(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """A disc of light in the upper half, a halo around it, and a veil over everything."""
    height, width = images.shape[1:3]
    side = min(height, width)
    drawn = philox.uniforms(keys, 0, philox.PARAMETERS, 2)[:, :, None, None]
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - (0.1 + 0.8 * drawn[:, 0]) * (width - 1), y - 0.5 * drawn[:, 1] * (height - 1)) / side
    light = strengths[0] * (0.3 + 0.35 * np.exp(-away / 0.35) + 0.35 * np.exp(-((away / 0.15) ** 2)))
    out = np.empty_like(images)
    blend(images, light.astype(np.float32), tinted(_SUN, images.shape[3]), out)
    return out


def _night(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Less light by some stops, bluer, and the noise that a sensor has then."""
    stops = strengths[0]
    light = 2.0**-stops
    tint = np.array(_MOONLIGHT if images.shape[3] == 3 else [1.0] * images.shape[3])
    dark = by_levels(images, np.arange(256) * (light * tint[None, :, None]) ** (1 / GAMMA))
    return SENSOR_NOISE(dark, (2000 * light, 0.02), keys)


CORRUPTIONS: Mapping[str, Corruption] = {
    "rain": for_all_sizes(
        {
            "dense_share": StrengthRange("density of drops and of the grey between them, 0 to 1", 1, 0.01),
            "length_share": StrengthRange("length of a streak, share of the image's shorter side", 0.5, 0.01),
        },
        _rain,
        [(0.15, 0.06), (0.3, 0.08), (0.45, 0.1), (0.6, 0.13), (0.8, 0.16)],
        smallest=8,
    ),
    "sun_glare": relative(
        "light_share", "light at the sun's place, share of white", 1, _sun_glare, (0.35, 0.5, 0.65, 0.8, 0.95)
    ),
    "night": relative("stops", "stops of light that are missing", 7, _night, (1, 2, 3, 4, 5)),
}
