"""PlanckianJitter: the colour of the light of a black body, or of daylight, at a temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.image.declaration import Declaration, Trains
from augment_ops.modalities.image.kernels.operations import LINEAR
from augment_ops.modalities.image.transforms.colour import RGB, Arguments, Colour, linear
from augment_ops.modalities.image.transforms.geometry import Uniforms

_WHITE_K = 6000.0
_BELOW = 0.4  # of the samples; above white, colours change little
_SIGMAS = 3.0  # of the normal distribution, from white to the end of the range


def planckian_jitter(values: Mapping[str, Any]) -> Colour:
    """PlanckianJitter. Draws: below or above white; temperature, or two uniforms that make one normal.

    Source: Zini et al. 2022, arXiv:2202.07993.
    """
    from albumentations.augmentations.pixel.functional import PLANCKIAN_COEFFS

    known = PLANCKIAN_COEFFS[values["mode"]]  # temperature in K → red, green, blue
    kelvins = np.array(sorted(known), float)
    colours = np.array([known[int(kelvin)] for kelvin in kelvins])
    low, high = values["temperature_limit"]

    def temperatures(u: Uniforms) -> NDArray[np.float64]:
        end = np.where(u[:, 0] < _BELOW, low, high)
        share = u[:, 1]
        if values["sampling_method"] == "gaussian":  # Box and Muller 1958: two uniforms make one normal
            share = np.abs(np.sqrt(-2 * np.log1p(-u[:, 1])) * np.cos(2 * np.pi * u[:, 2])) / _SIGMAS
        kelvin: NDArray[np.float64] = np.trunc(np.clip(_WHITE_K + share * (end - _WHITE_K), low, high))
        return kelvin

    def arguments(u: Uniforms, channels: int) -> Arguments:
        kelvin = temperatures(u)
        red, green, blue = (np.interp(kelvin, kelvins, colours[:, channel]) for channel in range(RGB))
        factors = np.stack([red / green, np.ones(len(u)), blue / green], axis=1)
        return linear(factors, np.zeros(len(u)), channels)

    return Colour(LINEAR, 3, arguments, (RGB,))


DECLARED = (
    Declaration(
        name="PlanckianJitter",
        compile=planckian_jitter,
        since=4,
        trains=(Trains(("stain_shift",)),),
        branches=({"sampling_method": "gaussian"}, {"mode": "cied"}),
        needs_colour=True,
    ),
)
