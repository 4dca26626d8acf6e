"""How strong a transform of images can get: its parameters in the units of a domain's limits.

Effects of chained transforms add up; noise does in quadrature, and scales multiply.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from augment_ops.modalities.catalogue import Effect

# `scale_range` of a domain bounds two effects, both as logarithms of the factor.
ZOOM_OUT, ZOOM_IN = "zoom out", "zoom in"


def extent(value: Any) -> float:
    """Largest absolute value reachable: (-3, 5) means 5, a mapping by axis its largest, None nothing."""
    if value is None:
        return 0.0
    if isinstance(value, Mapping):
        return max((extent(v) for v in value.values()), default=0.0)
    if isinstance(value, (list, tuple)):
        return max((abs(float(v)) for v in value), default=0.0)
    return abs(float(value))


def change(factors: Any) -> float:
    """Largest change that multiplying by a factor of the range can make: (0.8, 1.3) means 0.3."""
    return max(abs(float(factor) - 1) for factor in factors)


def channel_shift(limits: Any) -> float:
    """Share of the value range; limits beyond ±1 are in grey levels."""
    return extent(limits) if extent(limits) <= 1 else extent(limits) / 255


def any_angle(p: Any) -> float:
    """Quarter turns, wherever they come up at all."""
    return 180.0 if p else 0.0


def level_share(limits: Any) -> float:
    """Share of the value range, of limits in grey levels."""
    return extent(limits) / 255


def turn_share(limits: Any) -> float:
    """Degrees, of limits as shares of the colour circle."""
    return 360 * extent(limits)


def half_degrees(limits: Any) -> float:
    """Degrees, of limits on OpenCV's colour circle of 180."""
    return 2 * extent(limits)


def hundredths(limits: Any) -> float:
    """Largest change, of factors in hundredths."""
    return change([float(factor) / 100 for factor in limits])


def unbounded(value: Any) -> float:
    """For a parameter in pixels, whose share of the image depends on the image."""
    return math.inf if extent(value) else 0.0


def zoom_in(factors: Any) -> float:
    """Logarithm of the largest factor, so that chained zooms add up; 0 where nothing grows."""
    ranges = factors.values() if isinstance(factors, Mapping) else [factors]
    return max(0.0, *(_log(high) for _, high in ranges))


def zoom_out(factors: Any) -> float:
    """Logarithm of the strongest reduction; 0 where nothing shrinks."""
    ranges = factors.values() if isinstance(factors, Mapping) else [factors]
    return max(0.0, *(-_log(low) for low, _ in ranges))


def crop_in(areas: Any) -> float:
    """Logarithm of the zoom of a crop to a share of the area that is resized to the whole."""
    return -_log(float(areas[0])) / 2


def border_in(percent: Any) -> float:
    """CropAndPad with keep_size: what is cut off all around enlarges the rest. Each side by itself may be cut."""
    return max(0.0, -_log(1 + 2 * min(0.0, -extent(_negative(percent)))))


def border_out(percent: Any) -> float:
    """And what is padded shrinks it."""
    return max(0.0, _log(1 + 2 * extent(_positive(percent))))


def _numbers(value: Any) -> list[float]:
    if value is None or isinstance(value, str):
        return []
    if isinstance(value, Mapping):
        return [number for inner in value.values() for number in _numbers(inner)]
    if isinstance(value, (list, tuple)):
        return [number for inner in value for number in _numbers(inner)]
    return [float(value)]


def _negative(value: Any) -> list[float]:
    return [number for number in _numbers(value) if number < 0]


def _positive(value: Any) -> list[float]:
    return [number for number in _numbers(value) if number > 0]


def noise(params: Any) -> float:
    """The largest number among a noise's parameters, which is no less than its standard deviation."""
    return max((abs(number) for number in _numbers(params)), default=0.0)


def _log(factor: float) -> float:
    """Natural logarithm; minus infinity for factors that are not positive."""
    return math.log(factor) if factor > 0 else -math.inf


def _within(limits: tuple[float, float]) -> str:
    return f"within [{limits[0]:g}, {limits[1]:g}]"


def _quadrature(strengths: Sequence[float]) -> float:
    return math.hypot(*strengths)  # the variances of independent noises add up


def _shrunk(strength: float) -> float:
    return math.exp(-strength)


EFFECTS = (
    *(
        Effect(name=name, key=name)
        for name in (
            "max_rotation_deg",
            "max_shear_deg",
            "max_translation_share",
            "max_brightness_change",
            "max_contrast_change",
        )
    ),
    Effect(name="max_noise_std", key="max_noise_std", joint=_quadrature),
    *(
        Effect(name=name, key=name)
        for name in (
            "max_hue_shift_deg",
            "max_saturation_change",
            "max_channel_shift",
            "max_gamma_change",
            "max_perspective_share",
            "max_distortion_share",
            "max_elastic_px",
        )
    ),
    Effect(
        name=ZOOM_OUT,
        key="scale_range",
        limit=lambda limits: -_log(limits[0]),
        expected=_within,
        shown=lambda strength: f"{_shrunk(strength):g}",
        reached=_shrunk,
    ),
    Effect(
        name=ZOOM_IN,
        key="scale_range",
        limit=lambda limits: _log(limits[1]),
        expected=_within,
        shown=lambda strength: f"{math.exp(strength):g}",
        reached=math.exp,
    ),
)
