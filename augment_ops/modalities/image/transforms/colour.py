"""Colour: every transform as one operation of a small program that runs on each image while it is in the cache.

Operations that look at one value at a time compose into a table of 256 entries a channel; those that need the image's
statistics make such a table; those that mix channels run pixel by pixel. An operation has a code and, a sample, a row
of float32 arguments. Tables truncate as albumentations' do, so on uint8 they are equal to it, not close.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.image.declaration import Declaration, Strength, Trains
from augment_ops.modalities.image.kernels.operations import (
    AUTOCONTRAST,
    EQUALIZE,
    EQUALIZE_PIL,
    GAMMA,
    GRAY,
    JITTER,
    LAST_TABLE,
    LINEAR,
    LINEAR_OF_MEAN,
    POSTERIZE,
    SHIFT_HSV,
    SHUFFLE,
    SOLARIZE,
)
from augment_ops.modalities.image.strength import (
    change,
    channel_shift,
    extent,
    half_degrees,
    hundredths,
    level_share,
    turn_share,
)
from augment_ops.modalities.image.taught import DARKER, FLATTER, LIGHTER, PALETTE, STEEPER, above, below, differs, moves
from augment_ops.modalities.image.transforms.drawn import (
    CUT,
    CUT_SINGLE,
    DrawnNumber,
    drawn_as,
    drawn_between,
    drawn_levels,
)
from augment_ops.modalities.image.transforms.geometry import Uniforms, between, integers

RGB = 3
_GRAY_METHODS = {"weighted_average": 0, "average": 1, "max": 2, "desaturation": 3}

Arguments = NDArray[np.float64]


@dataclass(frozen=True)
class Colour:
    """One colour transform with its parameters.

    Attributes:
        code: the operation.
        draws: uniforms a sample.
        arguments: (uniforms (N, draws), channels) → (N, A), A as the operation wants it.
        channels: numbers of channels that it works on; None for any.
        pointwise: whether it is a table.
        drawn: channels → how a GPU draws the numbers of its instruction, of ColorJitter those of its factors; None
            where the CPU has to, unless there is nothing to draw.
    """

    code: int
    draws: int
    arguments: Callable[[Uniforms, int], Arguments]
    channels: tuple[int, ...] | None = None
    drawn: Callable[[int], Sequence[DrawnNumber]] | None = None

    @property
    def pointwise(self) -> bool:
        """Whether the operation is a table that does not depend on the image."""
        return self.code <= LAST_TABLE


def require(allowed: tuple[int, ...] | None, name: str, channels: int) -> None:
    """Raise TransformError where a transform does not work on images of so many channels."""
    if allowed is not None and channels not in allowed:
        raise TransformError(
            name,
            f"images of {channels} channels",
            " or ".join(str(c) for c in allowed) + " channels",
            "choose another transform for this kind of image",
        )


def linear(scale: NDArray[np.float64], offset: NDArray[np.float64], channels: int) -> Arguments:
    """Arguments of LINEAR, v → scale · v + offset: (N,) or (N, channels) each, to (N, 2 · channels)."""
    scale, offset = (v[:, None] if v.ndim == 1 else v for v in (scale, offset))
    shape = (len(scale), channels)
    return np.concatenate([np.broadcast_to(scale, shape), np.broadcast_to(offset, shape)], axis=1)


def random_brightness_contrast(values: Mapping[str, Any]) -> Colour | None:
    """RandomBrightnessContrast. Draws: contrast, brightness."""
    if values["ensure_safe_range"]:
        return None
    by_max = values["brightness_by_max"]

    def arguments(u: Uniforms, channels: int) -> Arguments:
        scale = 1 + between(u[:, 0], values["contrast_limit"])
        offset = between(u[:, 1], values["brightness_limit"])
        return linear(scale, offset * 255, channels) if by_max else np.stack([scale, offset], axis=1)

    def drawn(channels: int) -> list[DrawnNumber]:
        many = channels if by_max else 1
        scale = drawn_between(0, values["contrast_limit"], plus=1.0)
        return [scale] * many + [drawn_between(1, values["brightness_limit"], 255.0 if by_max else 1.0)] * many

    return Colour(LINEAR if by_max else LINEAR_OF_MEAN, 2, arguments, drawn=drawn)


def random_gamma(values: Mapping[str, Any]) -> Colour:
    """RandomGamma. Draws: gamma in hundredths."""
    return Colour(GAMMA, 1, lambda u, channels: between(u, values["gamma_limit"]) / 100)


def color_jitter(values: Mapping[str, Any]) -> Colour:
    """ColorJitter. Draws: brightness, contrast, saturation, hue; order (one of 24)."""
    limits = np.array([values[k] for k in ("brightness", "contrast", "saturation", "hue")], np.float64).T

    def arguments(u: Uniforms, channels: int) -> Arguments:
        found = np.empty((len(u), 8))
        found[:, :4] = limits[0] + (limits[1] - limits[0]) * u[:, :4]
        found[:, 4:] = ORDERS[integers(u[:, 4], 0, len(ORDERS) - 1)]
        return found

    factors = [drawn_between(i, (low, high)) for i, (low, high) in enumerate(limits.T.tolist())]
    return Colour(JITTER, 5, arguments, (1, RGB), lambda channels: factors)


def hue_saturation_value(values: Mapping[str, Any]) -> Colour:
    """HueSaturationValue. Draws: hue, saturation, value."""
    limits = [values[k] for k in ("hue_shift_limit", "sat_shift_limit", "val_shift_limit")]

    def arguments(u: Uniforms, channels: int) -> Arguments:
        return np.stack([between(u[:, i], limit) for i, limit in enumerate(limits)], axis=1)

    drawn = [drawn_between(i, limit, steps=CUT_SINGLE if i else 0) for i, limit in enumerate(limits)]
    return Colour(SHIFT_HSV, 3, arguments, (1, RGB), lambda channels: drawn)


def rgb_shift(values: Mapping[str, Any]) -> Colour:
    """RGBShift. Draws: red, green, blue. Limits beyond ±1 are in grey levels, others in shares of 255."""

    def limits(name: str) -> tuple[float, float]:
        low, high = values[name]
        factor = 1.0 if max(abs(low), abs(high)) > 1 else 255.0
        return low * factor, high * factor

    names = ("r_shift_limit", "g_shift_limit", "b_shift_limit")

    def arguments(u: Uniforms, channels: int) -> Arguments:
        offsets = np.stack([np.trunc(between(u[:, i], limits(k))) for i, k in enumerate(names)], axis=1)
        return linear(np.ones(len(u)), offsets[:, :channels], channels)

    drawn = [drawn_between(i, limits(k), steps=CUT) for i, k in enumerate(names)]
    return Colour(LINEAR, 3, arguments, (1, RGB), lambda channels: drawn_as(*[1.0] * channels) + drawn[:channels])


def to_gray(values: Mapping[str, Any]) -> Colour | None:
    """ToGray in the methods that are sums or comparisons of channels."""
    method = _GRAY_METHODS.get(values["method"])
    if method is None or values["num_output_channels"] != RGB:
        return None
    return Colour(GRAY, 0, lambda u, channels: np.full((len(u), 1), float(method)), (1, RGB))


def channel_shuffle(values: Mapping[str, Any]) -> Colour:
    """ChannelShuffle. Draws: one rank a channel, at most 16."""

    def arguments(u: Uniforms, channels: int) -> Arguments:
        return u[:, :channels].argsort(axis=1, kind="stable").astype(float)

    return Colour(SHUFFLE, 16, arguments, tuple(range(1, 17)))


def channel_dropout(values: Mapping[str, Any]) -> Colour | None:
    """ChannelDropout. Draws: how many; one rank a channel, at most 16."""
    least, most = values["channel_drop_range"]
    fill = values["fill"]
    if isinstance(fill, (list, tuple)):
        return None

    def arguments(u: Uniforms, channels: int) -> Arguments:
        if most >= channels:
            raise TransformError(
                "ChannelDropout",
                f"{most} of {channels} channels",
                "fewer than the image has",
                "lower channel_drop_range",
            )
        count = integers(u[:, 0], least, most)
        rank = u[:, 1 : 1 + channels].argsort(axis=1, kind="stable").argsort(axis=1)
        dropped = rank < count[:, None]
        return linear(np.where(dropped, 0.0, 1.0), np.where(dropped, float(fill), 0.0), channels)

    return Colour(LINEAR, 17, arguments, tuple(range(2, 17)))


def invert(values: Mapping[str, Any]) -> Colour:
    """InvertImg."""
    return Colour(LINEAR, 0, lambda u, channels: linear(np.full(len(u), -1.0), np.full(len(u), 255.0), channels))


def solarize(values: Mapping[str, Any]) -> Colour:
    """Solarize. Draws: threshold."""
    limits = values["threshold_range"]
    drawn = [drawn_between(0, limits, 255.0)]
    return Colour(SOLARIZE, 1, lambda u, channels: between(u, limits) * 255, drawn=lambda channels: drawn)


def posterize(values: Mapping[str, Any]) -> Colour:
    """Posterize. Draws: bits of the first, second, third channel (the first for all where one range is given)."""
    bits = values["num_bits"]
    ranges = bits if isinstance(bits, list) else None

    def arguments(u: Uniforms, channels: int) -> Arguments:
        if ranges is None:
            return np.repeat(integers(u[:, :1], *bits), channels, axis=1).astype(float)
        return np.stack([integers(u[:, i], *r) for i, r in enumerate(ranges)], axis=1).astype(float)

    def drawn(channels: int) -> list[DrawnNumber]:
        return [drawn_levels(i, *r) for i, r in enumerate(ranges)] if ranges else [drawn_levels(0, *bits)] * channels

    return Colour(POSTERIZE, 3 if ranges else 1, arguments, (len(ranges),) if ranges else None, drawn)


def equalize(values: Mapping[str, Any]) -> Colour | None:
    """Equalize each channel."""
    if values["mask"] is not None or not values["by_channels"]:
        return None
    code = EQUALIZE_PIL if values["mode"] == "pil" else EQUALIZE
    return Colour(code, 0, _no_arguments, (1, RGB))


def auto_contrast(values: Mapping[str, Any]) -> Colour | None:
    """AutoContrast."""
    if values["ignore"] is not None:
        return None
    row = np.array([[values["cutoff"], float(values["method"] == "pil")]])
    return Colour(AUTOCONTRAST, 0, lambda u, channels: np.repeat(row, len(u), axis=0))


def multiplicative_noise(values: Mapping[str, Any]) -> Colour:
    """MultiplicativeNoise of the whole image or of channels. Draws: one factor, or one a channel (at most 16)."""

    def arguments(u: Uniforms, channels: int) -> Arguments:
        factor = between(u[:, :channels] if values["per_channel"] else u[:, :1], values["multiplier"])
        return linear(factor, np.zeros(len(u)), channels)

    per_channel = values["per_channel"]

    def drawn(channels: int) -> list[DrawnNumber]:
        factors = [drawn_between(i if per_channel else 0, values["multiplier"]) for i in range(channels)]
        return factors + drawn_as(*[0.0] * channels)

    return Colour(LINEAR, 16 if per_channel else 1, arguments, tuple(range(1, 17)) if per_channel else None, drawn)


def _no_arguments(u: Uniforms, channels: int) -> Arguments:
    return np.zeros((len(u), 1))


def _orders() -> NDArray[np.float64]:
    from itertools import permutations

    return np.array(list(permutations(range(4))), dtype=float)


ORDERS = _orders()  # of ColorJitter's factors


DECLARED = (
    Declaration(
        name="RandomBrightnessContrast",
        compile=random_brightness_contrast,
        strengths=(
            Strength("max_brightness_change", "brightness_limit", extent),
            Strength("max_contrast_change", "contrast_limit", extent),
        ),
        trains=(
            Trains(LIGHTER, "brightness_limit", above(0)),
            Trains(DARKER, "brightness_limit", below(0)),
            Trains(STEEPER, "contrast_limit", above(0)),
            Trains(FLATTER, "contrast_limit", below(0)),
        ),
        branches=({"brightness_by_max": False},),
    ),
    Declaration(
        name="RandomGamma",
        compile=random_gamma,
        strengths=(Strength("max_gamma_change", "gamma_limit", hundredths),),
        trains=(
            Trains(LIGHTER, "gamma_limit", below(100)),
            Trains(DARKER, "gamma_limit", above(100)),
        ),
    ),
    Declaration(
        name="ColorJitter",
        compile=color_jitter,
        strengths=(
            Strength("max_brightness_change", "brightness", change),
            Strength("max_contrast_change", "contrast", change),
            Strength("max_hue_shift_deg", "hue", turn_share),
            Strength("max_saturation_change", "saturation", change),
        ),
        trains=(
            Trains(LIGHTER, "brightness", above(1)),
            Trains(DARKER, "brightness", below(1)),
            Trains(STEEPER, "contrast", above(1)),
            Trains(FLATTER, "contrast", below(1)),
            Trains(("saturate",), "saturation", differs(1)),
            Trains(("stain_shift",), "hue", moves),
        ),
    ),
    Declaration(
        name="HueSaturationValue",
        compile=hue_saturation_value,
        strengths=(
            Strength("max_brightness_change", "val_shift_limit", level_share),
            Strength("max_hue_shift_deg", "hue_shift_limit", half_degrees),
            Strength("max_saturation_change", "sat_shift_limit", level_share),
        ),
        trains=(
            Trains(("stain_shift",), "hue_shift_limit", moves),
            Trains(("saturate",), "sat_shift_limit", moves),
            Trains(LIGHTER, "val_shift_limit", above(0)),
            Trains(DARKER, "val_shift_limit", below(0)),
        ),
    ),
    Declaration(
        name="RGBShift",
        compile=rgb_shift,
        strengths=(
            Strength("max_channel_shift", "r_shift_limit", channel_shift),
            Strength("max_channel_shift", "g_shift_limit", channel_shift),
            Strength("max_channel_shift", "b_shift_limit", channel_shift),
        ),
        trains=(
            Trains(("stain_shift",), "r_shift_limit", moves),
            Trains(("stain_shift",), "g_shift_limit", moves),
            Trains(("stain_shift",), "b_shift_limit", moves),
        ),
    ),
    Declaration(
        name="ToGray",
        compile=to_gray,
        trains=(Trains(("saturate",)),),
        branches=(
            {"method": "average"},
            {"method": "max"},
            {"method": "desaturation"},
        ),
        chance=False,
    ),
    Declaration(name="ChannelShuffle", compile=channel_shuffle, trains_on_nothing=PALETTE),
    Declaration(name="ChannelDropout", compile=channel_dropout, trains_on_nothing=PALETTE, needs_colour=True),
    Declaration(name="InvertImg", compile=invert, trains_on_nothing=PALETTE, chance=False),
    Declaration(name="Solarize", compile=solarize, trains_on_nothing=PALETTE, chance=False),
    Declaration(
        name="Posterize",
        compile=posterize,
        trains_on_nothing=PALETTE,
        branches=({"num_bits": [[1, 3], [2, 4], [5, 7]]},),
        chance=False,
    ),
    Declaration(
        name="Equalize",
        compile=equalize,
        trains=(Trains(STEEPER),),
        without_effect={"mask_params": "names of what a mask made by Python code is given, which a file cannot hold"},
        branches=({"mode": "pil"},),
        chance=False,
    ),
    Declaration(
        name="AutoContrast",
        compile=auto_contrast,
        trains=(Trains(STEEPER),),
        branches=(
            {"cutoff": 3},
            {"method": "pil"},
        ),
        chance=False,
    ),
)
