"""Noise of single values: every value becomes a quantile, drawn by its place, of what its level may become.

All of them are one compiled loop over a table (level, quantile) → level. It has 4,096 quantiles, so shares and tails
are exact to 1/8,192: a normal number reaches 3.7 σ.

Source: Hendrycks & Dietterich 2019, arXiv:1903.12261, and the authors' code for parameters; the sensor's noise follows
Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.image.corruptions.base import (
    Corrupt,
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    each,
    for_all_sizes,
    relative,
    single,
)
from augment_ops.modalities.image.kernels.fields import QUANTILES, noisy_levels

_Levels = NDArray[np.float64]
_Become = Callable[[_Levels, _Levels, Strengths], _Levels]  # levels 0 … 1 (256, 1), quantiles (1, Q) → levels (256, Q)


def _gaussian(x: _Levels, q: _Levels, strengths: Strengths) -> _Levels:
    return x + strengths[0] * normal(q)


def _speckle(x: _Levels, q: _Levels, strengths: Strengths) -> _Levels:
    return x + x * strengths[0] * normal(q)


def _shot(x: _Levels, q: _Levels, strengths: Strengths) -> _Levels:
    """Photons are counted: Poisson with as many on average as the level's share of those at white."""
    from scipy.special import pdtr

    photons = strengths[0]
    counts = np.arange(int(photons + 8 * photons**0.5 + 16))
    below = pdtr(counts[None, :], x * photons)
    return np.stack([np.searchsorted(row, q[0]) for row in below]) / photons


def _impulse(x: _Levels, q: _Levels, strengths: Strengths) -> _Levels:
    """Salt and pepper, as much of each."""
    half = strengths[0] / 2
    return np.where(q < half, 0.0, np.where(q > 1 - half, 1.0, x))


def _sensor(x: _Levels, q: _Levels, strengths: Strengths) -> _Levels:
    """A sensor that holds few electrons: the variance grows with the light, over a floor of reading noise."""
    electrons, reading = strengths
    return x + np.sqrt(x / electrons + reading**2) * normal(q)


def normal(q: _Levels) -> _Levels:
    """Quantiles of the standard normal distribution."""
    from scipy.special import ndtri

    return np.asarray(ndtri(q), np.float64)


@lru_cache(maxsize=8)  # 1 MiB each; a suite uses one at a time
def _table(become: _Become, strengths: Strengths) -> Image:
    q = (np.arange(QUANTILES) + 0.5) / QUANTILES
    levels = become(np.arange(256)[:, None] / 255, q[None, :], strengths)
    return np.clip(np.rint(255 * levels), 0, 255).astype(np.uint8)


def by_table(become: _Become) -> Corrupt:
    """The corruption that `become` describes."""

    def corrupt(images: Image, strengths: Strengths, keys: Keys) -> Image:
        out = np.empty_like(images)
        count = len(images)
        noisy_levels(images.reshape(count, -1), keys, 0, _table(become, strengths), out.reshape(count, -1))
        return out

    return corrupt


def _noise(image: Image, std: float, draw: np.random.Generator) -> Image:
    """Sensor noise of the suite `invariances`: Gaussian, independent for every pixel and channel."""
    noisy = draw.standard_normal(image.shape, np.float32)
    noisy *= np.float32(255 * std)
    noisy += image
    np.rint(noisy, out=noisy)
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


_STD = "standard deviation, share of the value range"
SENSOR_NOISE = by_table(_sensor)
CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian_noise": single(
        "std_share",
        StrengthRange(_STD, 1.0, 1e-3, in_levels=True),
        by_table(_gaussian),
        (0.04, 0.06, 0.08, 0.09, 0.10),
        (0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    "shot_noise": single(
        "photons",
        StrengthRange("photons at white", 1e4, 1, falls=True),
        by_table(_shot),
        (500, 250, 100, 75, 50),
        (60, 25, 12, 5, 3),
    ),
    "impulse_noise": single(
        "amount_share",
        StrengthRange("share of the values", 0.9, 1e-3),
        by_table(_impulse),
        (0.01, 0.02, 0.03, 0.05, 0.07),
        (0.03, 0.06, 0.09, 0.17, 0.27),
    ),
    "speckle_noise": single(
        "std_share",
        StrengthRange("standard deviation, share of the value itself", 2.0, 1e-3),
        by_table(_speckle),
        (0.06, 0.10, 0.12, 0.16, 0.20),
        (0.15, 0.20, 0.35, 0.45, 0.60),
    ),
    "noise": relative("std_share", _STD, 0.4, each(_noise), (0.04, 0.08, 0.12, 0.16, 0.20), in_levels=True),
    # From a good microscope camera at base gain to one at its highest: the floor alone is 1.2 to 8 grey levels.
    "sensor_noise": for_all_sizes(
        {
            "electrons": StrengthRange("electrons at white", 1e6, 10, falls=True),
            "reading_share": StrengthRange("standard deviation of reading, share of the value range", 0.3),
        },
        SENSOR_NOISE,
        [(2000, 0.005), (800, 0.01), (400, 0.015), (200, 0.022), (100, 0.03)],
    ),
}
