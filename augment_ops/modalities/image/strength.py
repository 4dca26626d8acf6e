"""How strong a transform of images can get: its parameters in the units of a domain's limits.

Effects of chained transforms add up; noise does in quadrature, and scales multiply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment_ops.modalities.base import Effect

# `scale_range` of a domain bounds two effects, both as logarithms of the factor.
ZOOM_OUT, ZOOM_IN = "zoom out", "zoom in"


@dataclass(frozen=True)
class Setting:
    """One parameter that a bound limits."""

    bound: str  # as the limits name it, or ZOOM_OUT, ZOOM_IN
    transform: str
    parameter: str
    strength: Callable[[Any], float]  # parameter as resolved → the size of its strongest effect, in the bound's unit


def _extent(value: Any) -> float:
    """Largest absolute value reachable: (-3, 5) means 5, a mapping by axis its largest, None nothing."""
    if value is None:
        return 0.0
    if isinstance(value, Mapping):
        return max((_extent(v) for v in value.values()), default=0.0)
    if isinstance(value, (list, tuple)):
        return max((abs(float(v)) for v in value), default=0.0)
    return abs(float(value))


def _change(factors: Any) -> float:
    """Largest change that multiplying by a factor of the range can make: (0.8, 1.3) means 0.3."""
    return max(abs(float(factor) - 1) for factor in factors)


def _channel_shift(limits: Any) -> float:
    """Share of the value range; limits beyond ±1 are in grey levels."""
    return _extent(limits) if _extent(limits) <= 1 else _extent(limits) / 255


def _any_angle(p: Any) -> float:
    return 180.0 if p else 0.0


def _unbounded(value: Any) -> float:
    """For a parameter in pixels, whose share of the image depends on the image."""
    return math.inf if _extent(value) else 0.0


def _zoom_in(factors: Any) -> float:
    """Logarithm of the largest factor, so that chained zooms add up; 0 where nothing grows."""
    ranges = factors.values() if isinstance(factors, Mapping) else [factors]
    return max(0.0, *(_log(high) for _, high in ranges))


def _zoom_out(factors: Any) -> float:
    """Logarithm of the strongest reduction; 0 where nothing shrinks."""
    ranges = factors.values() if isinstance(factors, Mapping) else [factors]
    return max(0.0, *(-_log(low) for low, _ in ranges))


def _crop_in(areas: Any) -> float:
    """Logarithm of the zoom of a crop to a share of the area that is resized to the whole."""
    return -_log(float(areas[0])) / 2


def _border_in(percent: Any) -> float:
    """CropAndPad with keep_size: what is cut off all around enlarges the rest. Each side by itself may be cut."""
    return max(0.0, -_log(1 + 2 * min(0.0, -_extent(_negative(percent)))))


def _border_out(percent: Any) -> float:
    """And what is padded shrinks it."""
    return max(0.0, _log(1 + 2 * _extent(_positive(percent))))


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


def _noise(params: Any) -> float:
    """The largest number among a noise's parameters, which is no less than its standard deviation."""
    return max((abs(number) for number in _numbers(params)), default=0.0)


def _log(factor: float) -> float:
    """Natural logarithm; minus infinity for factors that are not positive."""
    return math.log(factor) if factor > 0 else -math.inf


SETTINGS = (
    Setting("max_rotation_deg", "Affine", "rotate", _extent),
    Setting("max_rotation_deg", "Rotate", "limit", _extent),
    Setting("max_rotation_deg", "SafeRotate", "limit", _extent),
    Setting("max_rotation_deg", "ShiftScaleRotate", "rotate_limit", _extent),
    Setting("max_rotation_deg", "RandomRotate90", "p", _any_angle),
    Setting("max_rotation_deg", "D4", "p", _any_angle),
    Setting("max_shear_deg", "Affine", "shear", _extent),
    Setting("max_translation_share", "Affine", "translate_percent", _extent),
    Setting("max_translation_share", "Affine", "translate_px", _unbounded),
    Setting("max_translation_share", "ShiftScaleRotate", "shift_limit_x", _extent),
    Setting("max_translation_share", "ShiftScaleRotate", "shift_limit_y", _extent),
    Setting("max_brightness_change", "RandomBrightnessContrast", "brightness_limit", _extent),
    Setting("max_brightness_change", "ColorJitter", "brightness", _change),
    Setting("max_brightness_change", "HueSaturationValue", "val_shift_limit", lambda v: _extent(v) / 255),
    Setting("max_contrast_change", "RandomBrightnessContrast", "contrast_limit", _extent),
    Setting("max_contrast_change", "ColorJitter", "contrast", _change),
    Setting("max_brightness_change", "PlasmaBrightnessContrast", "brightness_range", _extent),
    Setting("max_brightness_change", "PlasmaShadow", "shadow_intensity_range", _extent),
    Setting("max_brightness_change", "RandomShadow", "shadow_intensity_range", _extent),
    Setting("max_brightness_change", "Illumination", "intensity_range", _extent),
    Setting("max_brightness_change", "MultiplicativeNoise", "multiplier", _change),
    Setting("max_contrast_change", "PlasmaBrightnessContrast", "contrast_range", _extent),
    Setting("max_noise_std", "GaussNoise", "std_range", _extent),
    Setting("max_noise_std", "AdditiveNoise", "noise_params", _noise),
    Setting("max_hue_shift_deg", "ISONoise", "color_shift", lambda v: 360 * _extent(v)),  # share of the colour circle
    Setting("max_hue_shift_deg", "HueSaturationValue", "hue_shift_limit", lambda v: 2 * _extent(v)),  # OpenCV: 0–180
    Setting("max_hue_shift_deg", "ColorJitter", "hue", lambda v: 360 * _extent(v)),
    Setting("max_saturation_change", "ColorJitter", "saturation", _change),
    Setting("max_saturation_change", "HueSaturationValue", "sat_shift_limit", lambda v: _extent(v) / 255),
    Setting("max_channel_shift", "RGBShift", "r_shift_limit", _channel_shift),
    Setting("max_channel_shift", "RGBShift", "g_shift_limit", _channel_shift),
    Setting("max_channel_shift", "RGBShift", "b_shift_limit", _channel_shift),
    Setting("max_gamma_change", "RandomGamma", "gamma_limit", lambda v: _change([float(g) / 100 for g in v])),
    Setting("max_perspective_share", "Perspective", "scale", _extent),
    Setting("max_distortion_share", "GridDistortion", "distort_limit", _extent),
    Setting("max_distortion_share", "OpticalDistortion", "distort_limit", _extent),
    Setting("max_distortion_share", "ThinPlateSpline", "scale_range", _extent),
    Setting("max_distortion_share", "PiecewiseAffine", "scale", _extent),
    Setting("max_elastic_px", "GridElasticDeform", "magnitude", _extent),
    Setting("max_elastic_px", "ElasticTransform", "alpha", _extent),  # noise of -1 to 1, smoothed, times alpha
    Setting(ZOOM_OUT, "Affine", "scale", _zoom_out),
    Setting(ZOOM_OUT, "ShiftScaleRotate", "scale_limit", _zoom_out),
    Setting(ZOOM_OUT, "CropAndPad", "percent", _border_out),
    Setting(ZOOM_OUT, "CropAndPad", "px", _unbounded),
    Setting(ZOOM_IN, "CropAndPad", "percent", _border_in),
    Setting(ZOOM_IN, "CropAndPad", "px", _unbounded),
    Setting(ZOOM_IN, "RandomResizedCrop", "scale", _crop_in),
    Setting(ZOOM_IN, "RandomSizedCrop", "min_max_height", _unbounded),
    Setting(ZOOM_IN, "Affine", "scale", _zoom_in),
    Setting(ZOOM_IN, "ShiftScaleRotate", "scale_limit", _zoom_in),
)


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
