"""Kinds of change that corruptions make and transforms make as well, and whether a parameter makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PIXEL_NOISE = ("noise", "gaussian_noise", "shot_noise", "speckle_noise", "sensor_noise")
LOW_PASS = ("blur", "gaussian_blur", "defocus_blur")
LIGHTER = ("brightness", "brightness_up", "exposure_shift")
DARKER = ("brightness_down", "exposure_shift", "night")
STEEPER = ("contrast_up",)
FLATTER = ("contrast", "contrast_down")
BENT = ("elastic_transform",)
STROKES = ("thin_strokes", "thick_strokes")  # whether ink or paper is the brighter is for the images to say

# Why a transform trains on no corruption that there is.
SYMMETRY = "an exact symmetry, which no corruption is"
FRAMING = "it frames all images alike"
HOLES = "no corruption cuts holes"
PALETTE = "no corruption takes such a palette"
SHARPENING = "no corruption sharpens edges"


def _numbers(value: Any) -> list[float]:
    """All numbers of a range, of ranges by axis, or of nothing."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in _numbers(part)]
    return [float(value)]


def above(neutral: float) -> Callable[[Any], bool]:
    """Whether a number is beyond what changes nothing."""
    return lambda value: any(number > neutral for number in _numbers(value))


def below(neutral: float) -> Callable[[Any], bool]:
    """Whether a number is short of what changes nothing."""
    return lambda value: any(number < neutral for number in _numbers(value))


def moves(value: Any) -> bool:
    """Whether a number is other than 0."""
    return any(_numbers(value))


def differs(neutral: float) -> Callable[[Any], bool]:
    """Whether a number is other than what changes nothing."""
    return lambda value: any(number != neutral for number in _numbers(value))


def one_of(*words: str) -> Callable[[Any], bool]:
    """Whether the parameter is one of the words."""
    return lambda value: value in words
