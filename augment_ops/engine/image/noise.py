"""Noise: normal numbers read from a pool at keyed offsets, and single pixels chosen by the key.

Drawing a normal number a value costs more than all the rest of a policy. The pool holds 65,536 normal numbers: the
quantiles of the normal distribution in an order that Philox shuffled, so its mean, variance and shape are exact. A run
of 1,024 values of an image reads the pool from an offset of its own, drawn from the image's key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.image.geometry import Uniforms, between
from augment_ops.engine.kernels.noise import RUN
from augment_ops.engine.kernels.types import I16

POOL_SIZE = 1 << 16
_POOL_SCALE = 7680.0  # of the pool's int16: the largest quantile, 4.17 σ, still fits
_INT16 = 32767

_POOL_SEED = (0x6175676D656E742D, 0x6F70732F706F6F6C)  # "augment-" "ops/pool"


@dataclass(frozen=True)
class Noise:
    """A noise with its parameters.

    Attributes:
        kind: "gauss" or "salt".
        draws: uniforms a sample.
        arguments: (uniforms (N, draws), (H, W)) → int64 (N, 3): the gain of the pool, the mean and the factor that ends
            the fixed point; or the number of pixels and, of these, of white ones.
        shared: whether all channels of a pixel get the same.
    """

    kind: str
    draws: int
    arguments: Callable[[Uniforms, tuple[int, int]], NDArray[np.int64]]
    shared: bool


def gauss_noise(values: Mapping[str, Any]) -> Noise | None:
    """GaussNoise. Draws: standard deviation, mean, as shares of 255."""
    if values["noise_scale_factor"] != 1:
        return None

    def arguments(u: Uniforms, size: tuple[int, int]) -> NDArray[np.int64]:
        sigma = between(u[:, 0], values["std_range"]) * 255
        mean = between(u[:, 1], values["mean_range"]) * 255
        # As many fractional bits as fit: the gain is an int16, and so is the sum of the mean and the upper half of a
        # product (half an int16 at most). At least 2, so that 2^(16 - bits) is an int16 too.
        gain = sigma * (1 << 16) / _POOL_SCALE
        bits = np.floor(np.log2(_INT16 / np.maximum(np.maximum(gain, 2 * np.abs(mean)), 1)))
        scale = 2 ** np.clip(bits, 2, 14)
        fixed: NDArray[np.int64] = np.rint(np.stack([gain * scale, mean * scale, (1 << 16) / scale], 1)).astype(
            np.int64
        )
        return fixed

    return Noise("gauss", 2, arguments, not values["per_channel"])


def salt_and_pepper(values: Mapping[str, Any]) -> Noise:
    """SaltAndPepper. Draws: share of pixels, share of white ones among them."""

    def arguments(u: Uniforms, size: tuple[int, int]) -> NDArray[np.int64]:
        count = (size[0] * size[1] * between(u[:, 0], values["amount"])).astype(np.int64)
        white = (count * between(u[:, 1], values["salt_vs_pepper"])).astype(np.int64)
        return np.stack([count, white, count], axis=1)

    return Noise("salt", 2, arguments, True)


BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Noise | None]] = {
    "GaussNoise": gauss_noise,
    "SaltAndPepper": salt_and_pepper,
}


@cache
def pool() -> I16:
    """int16 (65,536 + 1,023,): normal numbers times 7,680; the end repeats the beginning, so that no run wraps."""
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(POOL_SIZE) + 0.5) / POOL_SIZE)
    ranks = philox.words(np.array([_POOL_SEED], np.uint64), 0, philox.PIXELS, POOL_SIZE)[0].argsort(kind="stable")
    values = np.rint(quantiles[ranks] * _POOL_SCALE).astype(np.int16)
    return np.concatenate([values, values[: RUN - 1]])
