"""Convolutions with a kernel of the sample's own, borders reflected (101)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from augment_ops.modalities.image.declaration import Declaration, Trains
from augment_ops.modalities.image.kernels.convolution import motion_lines
from augment_ops.modalities.image.taught import LOW_PASS, SHARPENING, below
from augment_ops.modalities.image.transforms.drawn import DrawnNumber, drawn_between
from augment_ops.modalities.image.transforms.geometry import Uniforms, between, integers

_SHARP = 1e-3  # pixels of standard deviation, at which nothing is blurred
_WIDEST = 255  # pixels of a kernel; beyond, other ways than convolution are faster

Kernels = NDArray[np.float32]


class _SharpnessParameters(BaseModel):
    """Blend with the smoothed image: 0 is smooth, 1 the image itself, 2 sharp. Pillow's ImageEnhance.Sharpness."""

    factor_range: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (0.5, 1.5)
    p: Annotated[float, Field(ge=0, le=1)] = 0.5


@dataclass(frozen=True)
class Convolution:
    """A convolution with its parameters.

    Attributes:
        draws: uniforms a sample.
        kernels: uniforms (N, draws) → float32 (N, K) where separable, else (N, K, K); K is odd, the sample's own kernel
            in the middle.
        separable: whether rows and columns are convolved one after the other.
        drawn: how a GPU draws the weights of a square kernel; None where the CPU has to.
    """

    draws: int
    kernels: Callable[[Uniforms], Kernels]
    separable: bool
    drawn: Sequence[DrawnNumber] | None = None


def gaussian_blur(values: Mapping[str, Any]) -> Convolution | None:
    """GaussianBlur. Draws: standard deviation in pixels, size of the kernel."""
    low, high = values["blur_limit"]
    if low < 0 or max(high, 7 * values["sigma_limit"][1]) > _WIDEST:
        return None

    def kernels(u: Uniforms) -> Kernels:
        sigma = np.maximum(between(u[:, 0], values["sigma_limit"]), _SHARP)
        size = integers(u[:, 1], low, high)
        radius = np.where(size == 0, np.trunc(sigma * 3.5), size // 2).astype(np.int64)
        widest = max(1, int(radius.max(initial=0)))
        x = np.arange(-widest, widest + 1)
        weights = np.exp(-0.5 * (x / sigma[:, None]) ** 2) * (np.abs(x) <= radius[:, None])
        normalised: Kernels = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return normalised

    return Convolution(2, kernels, separable=True)


def motion_blur(values: Mapping[str, Any]) -> Convolution | None:
    """MotionBlur: a line of ones. Draws: size, angle in degrees, direction, shift x, y."""
    low, high = (max(3, v + (v % 2 == 0)) for v in values["blur_limit"])
    high = max(low, high)
    if high > _WIDEST:
        return None

    def kernels(u: Uniforms) -> Kernels:
        size = low + 2 * integers(u[:, 0], 0, (high - low) // 2)
        angle = np.deg2rad(between(u[:, 1], values["angle_range"]))
        direction = np.clip(between(u[:, 2], values["direction_range"]), -1.0, 1.0)
        shifts = 2 * u[:, 3:5] - 1 if values["allow_shifted"] else np.zeros((len(u), 2))
        result = np.zeros((len(u), high, high), np.float32)
        motion_lines(size, angle, direction, shifts, result)
        return result

    return Convolution(5, kernels, separable=False)


def sharpen(values: Mapping[str, Any]) -> Convolution | None:
    """Sharpen by a kernel. Draws: alpha, lightness."""
    if values["method"] != "kernel":
        return None

    def kernels(u: Uniforms) -> Kernels:
        alpha, lightness = between(u[:, 0], values["alpha"]), between(u[:, 1], values["lightness"])
        result = np.repeat(-alpha, 9).reshape(-1, 3, 3)
        result[:, 1, 1] = 1 - alpha + alpha * (8 + lightness)
        return result.astype(np.float32)

    return Convolution(2, kernels, separable=False)


def sharpness(values: Mapping[str, Any]) -> Convolution:
    """Sharpness, as Pillow's ImageEnhance has it, but for the rim of one pixel. Draws: factor."""
    smooth = np.ones((3, 3)) / 13
    smooth[1, 1] = 5 / 13
    centre = np.zeros((3, 3))
    centre[1, 1] = 1

    def kernels(u: Uniforms) -> Kernels:
        factor = between(u[:, 0], values["factor_range"])[:, None, None]
        return (factor * centre + (1 - factor) * smooth).astype(np.float32)

    factor = drawn_between(0, values["factor_range"])
    weights = zip(centre.reshape(-1).tolist(), smooth.reshape(-1).tolist(), strict=True)
    drawn = [replace(factor, times=own, other=even) for own, even in weights]
    return Convolution(1, kernels, separable=False, drawn=drawn)


DECLARED = (
    Declaration(name="GaussianBlur", compile=gaussian_blur, trains=(Trains(LOW_PASS),)),
    Declaration(name="MotionBlur", compile=motion_blur, trains=(Trains(("motion_blur",)),)),
    Declaration(name="Sharpen", compile=sharpen, trains_on_nothing=SHARPENING, branches=({"method": "gaussian"},)),
    Declaration(
        name="Sharpness",
        parameters=_SharpnessParameters,
        compile=sharpness,
        trains=(Trains(LOW_PASS, "factor_range", below(1)),),
        not_compared="albumentations has none; it is Pillow's",
        not_drawn="albumentations has none",
    ),
)
