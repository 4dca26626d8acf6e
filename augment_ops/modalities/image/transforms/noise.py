"""Noise: normal numbers read from a pool at keyed offsets, and single pixels chosen by the key.

Drawing a normal number a value costs more than all the rest of a policy. The pool holds 65,536 normal numbers: the
quantiles of the normal distribution in an order that Philox shuffled, so its mean, variance and shape are exact. A run
of values of an image, a quarter of them or 1,024, reads the pool from an offset of its own, drawn from the image's key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.kernels.types import I16
from augment_ops.modalities.image.declaration import Declaration, Strength, Trains
from augment_ops.modalities.image.kernels.noise import RUN
from augment_ops.modalities.image.kernels.operations import GAUSS, ISO, MULTIPLY, SALT
from augment_ops.modalities.image.strength import change, extent, turn_share
from augment_ops.modalities.image.taught import DARKER, LIGHTER, PIXEL_NOISE, above, below, moves
from augment_ops.modalities.image.transforms import colour
from augment_ops.modalities.image.transforms.colour import Colour
from augment_ops.modalities.image.transforms.drawn import DrawnNumber, drawn_between
from augment_ops.modalities.image.transforms.geometry import Uniforms, between

POOL_SIZE = 1 << 16
POOL_SCALE = 7680.0  # of the pool's int16: the largest quantile, 4.17 σ, still fits
INT16 = 32767

_POOL_SEED = (0x6175676D656E742D, 0x6F70732F706F6F6C)  # "augment-" "ops/pool"


@dataclass(frozen=True)
class Noise:
    """A noise with its parameters.

    Attributes:
        kind: GAUSS, SALT, ISO or MULTIPLY.
        draws: uniforms a sample.
        arguments: (uniforms (N, draws), (H, W)) → float64 (N, 3): the gain of the pool, the mean and the factor that
            ends the fixed point; the number of pixels and, of these, of white ones; colour shift and intensity; or the
            range of factors.
        shared: whether all channels of a pixel get the same.
        channels: numbers of channels that it works on; None for any.
        drawn: how a GPU draws its numbers, of GAUSS deviation and mean; None where the CPU has to.
    """

    kind: int
    draws: int
    arguments: Callable[[Uniforms, tuple[int, int]], NDArray[np.float64]]
    shared: bool
    channels: tuple[int, ...] | None = None
    drawn: Sequence[DrawnNumber] | None = None


def gauss_noise(values: Mapping[str, Any]) -> Noise | None:
    """GaussNoise. Draws: standard deviation, mean, as shares of 255."""
    if values["noise_scale_factor"] != 1:
        return None

    def arguments(u: Uniforms, size: tuple[int, int]) -> NDArray[np.float64]:
        sigma = between(u[:, 0], values["std_range"]) * 255
        mean = between(u[:, 1], values["mean_range"]) * 255
        # As many fractional bits as fit: the gain is an int16, and so is the sum of the mean and the upper half of a
        # product (half an int16 at most). At least 2, so that 2^(16 - bits) is an int16 too.
        gain = sigma * (1 << 16) / POOL_SCALE
        bits = np.floor(np.log2(INT16 / np.maximum(np.maximum(gain, 2 * np.abs(mean)), 1)))
        scale = 2 ** np.clip(bits, 2, 14)
        fixed: NDArray[np.float64] = np.rint(np.stack([gain * scale, mean * scale, (1 << 16) / scale], axis=1))
        return fixed

    drawn = [drawn_between(i, values[k], 255.0) for i, k in enumerate(("std_range", "mean_range"))]
    return Noise(GAUSS, 2, arguments, not values["per_channel"], drawn=drawn)


def salt_and_pepper(values: Mapping[str, Any]) -> Noise:
    """SaltAndPepper. Draws: share of pixels, share of white ones among them."""

    def arguments(u: Uniforms, size: tuple[int, int]) -> NDArray[np.float64]:
        count = np.trunc(size[0] * size[1] * between(u[:, 0], values["amount"]))
        white = np.trunc(count * between(u[:, 1], values["salt_vs_pepper"]))
        return np.stack([count, white, count], axis=1)

    return Noise(SALT, 2, arguments, shared=True)


def iso_noise(values: Mapping[str, Any]) -> Noise:
    """ISONoise: Poisson noise of the lightness and normal noise of the hue. Draws: colour shift, intensity."""

    def arguments(u: Uniforms, size: tuple[int, int]) -> NDArray[np.float64]:
        shift, intensity = between(u[:, 0], values["color_shift"]), between(u[:, 1], values["intensity"])
        return np.stack([shift, intensity, intensity], axis=1)

    intensity = drawn_between(1, values["intensity"])
    drawn = [drawn_between(0, values["color_shift"]), intensity, intensity]
    return Noise(ISO, 2, arguments, shared=True, channels=(3,), drawn=drawn)


def multiplicative_noise(values: Mapping[str, Any]) -> Noise | Colour:
    """MultiplicativeNoise: a factor a value or a pixel where `elementwise`, else a colour operation."""
    if not values["elementwise"]:
        return colour.multiplicative_noise(values)
    row = np.array([[*values["multiplier"], 0.0]])
    return Noise(MULTIPLY, 0, lambda u, size: np.repeat(row, len(u), axis=0), shared=not values["per_channel"])


@cache
def pool() -> I16:
    """int16 (65,536 + 1,023,): normal numbers times 7,680; the end repeats the beginning, so that no run wraps."""
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(POOL_SIZE) + 0.5) / POOL_SIZE)
    ranks = philox.words(np.array([_POOL_SEED], np.uint64), 0, philox.VALUES, POOL_SIZE)[0].argsort(kind="stable")
    values = np.rint(quantiles[ranks] * POOL_SCALE).astype(np.int16)
    return np.concatenate([values, values[: RUN - 1]])


DECLARED = (
    Declaration(
        name="GaussNoise",
        compile=gauss_noise,
        strengths=(Strength("max_noise_std", "std_range", extent),),
        trains=(Trains(PIXEL_NOISE, "std_range", moves),),
        branches=({"per_channel": False, "mean_range": [-0.1, 0.1]},),
        not_compared="normal numbers from a pool of our own",
    ),
    Declaration(
        name="SaltAndPepper",
        compile=salt_and_pepper,
        trains=(Trains(("impulse_noise",), "amount", moves),),
        not_compared="other pixels of the same number",
    ),
    Declaration(
        name="ISONoise",
        compile=iso_noise,
        strengths=(Strength("max_hue_shift_deg", "color_shift", turn_share),),
        trains=(Trains(PIXEL_NOISE, "intensity", moves),),
        needs_colour=True,
        not_compared="Poisson numbers of our own",
    ),
    Declaration(
        name="MultiplicativeNoise",
        compile=multiplicative_noise,
        strengths=(Strength("max_brightness_change", "multiplier", change),),
        trains=(
            Trains(LIGHTER, "multiplier", above(1)),
            Trains(DARKER, "multiplier", below(1)),
            Trains(PIXEL_NOISE, "elementwise"),
        ),
        branches=(
            {"elementwise": True},
            {"elementwise": True, "per_channel": True},
            {"per_channel": True},
        ),
    ),
)
