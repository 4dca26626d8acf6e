"""Which corruptions a transform of images trains on, by its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_PIXEL_NOISE = ("noise", "gaussian_noise", "shot_noise", "speckle_noise", "sensor_noise")
_LOW_PASS = ("blur", "gaussian_blur", "defocus_blur")
_LIGHTER = ("brightness", "brightness_up", "exposure_shift")
_DARKER = ("brightness_down", "exposure_shift", "night")
_STEEPER = ("contrast_up",)
_FLATTER = ("contrast", "contrast_down")
_BENT = ("elastic_transform",)
_STROKES = ("thin_strokes", "thick_strokes")  # whether ink or paper is the brighter is for the images to say


@dataclass(frozen=True)
class Trains:
    """A transform that trains on corruptions where `when` holds for its parameter.

    Attributes:
        parameter: as albumentations resolves it; None where the transform always does.
        when: says by the parameter's value whether it makes the change.
    """

    transform: str
    corruptions: tuple[str, ...]
    parameter: str | None = None
    when: Callable[[Any], bool] = bool


def _numbers(value: Any) -> list[float]:
    """All numbers of a range, of ranges by axis, or of nothing."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in _numbers(part)]
    return [float(value)]


def _above(neutral: float) -> Callable[[Any], bool]:
    return lambda value: any(number > neutral for number in _numbers(value))


def _below(neutral: float) -> Callable[[Any], bool]:
    return lambda value: any(number < neutral for number in _numbers(value))


def _moves(value: Any) -> bool:
    return any(_numbers(value))


def _differs(neutral: float) -> Callable[[Any], bool]:
    return lambda value: any(number != neutral for number in _numbers(value))


def _is(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


# A transform that is not named trains on no corruption that there is: `NO_CORRUPTION` lists those.
TABLE: tuple[Trains, ...] = (
    # Geometry
    Trains("Affine", ("rotation",), "rotate", _moves),
    Trains("Affine", ("scale_up",), "scale", _above(1)),
    Trains("Affine", ("scale_down",), "scale", _below(1)),
    Trains("Affine", ("translation",), "translate_percent", _moves),
    Trains("Affine", ("translation",), "translate_px", _moves),
    Trains("Affine", ("shear",), "shear", _moves),
    Trains("Rotate", ("rotation",), "limit", _moves),
    Trains("SafeRotate", ("rotation", "scale_down"), "limit", _moves),
    Trains("ShiftScaleRotate", ("rotation",), "rotate_limit", _moves),
    Trains("ShiftScaleRotate", ("scale_up",), "scale_limit", _above(1)),
    Trains("ShiftScaleRotate", ("scale_down",), "scale_limit", _below(1)),
    Trains("ShiftScaleRotate", ("translation",), "shift_limit_x", _moves),
    Trains("ShiftScaleRotate", ("translation",), "shift_limit_y", _moves),
    Trains("Perspective", ("tilt", "shear"), "scale", _moves),
    Trains("CropAndPad", ("scale_up", "translation"), "px", _below(0)),
    Trains("CropAndPad", ("scale_down", "translation"), "px", _above(0)),
    Trains("CropAndPad", ("scale_up", "translation"), "percent", _below(0)),
    Trains("CropAndPad", ("scale_down", "translation"), "percent", _above(0)),
    Trains("RandomCrop", ("translation",)),
    Trains("RandomResizedCrop", ("scale_up", "translation"), "scale", _below(1)),
    Trains("RandomSizedCrop", ("scale_up", "translation")),
    Trains("ElasticTransform", _BENT, "alpha", _moves),
    Trains("GridDistortion", _BENT, "distort_limit", _moves),
    Trains("GridElasticDeform", _BENT, "magnitude", _moves),
    Trains("OpticalDistortion", _BENT, "distort_limit", _moves),
    Trains("PiecewiseAffine", _BENT, "scale", _moves),
    Trains("ThinPlateSpline", _BENT, "scale_range", _moves),
    Trains("Morphological", _STROKES, "scale", _above(1)),
    # Light and colour
    Trains("RandomBrightnessContrast", _LIGHTER, "brightness_limit", _above(0)),
    Trains("RandomBrightnessContrast", _DARKER, "brightness_limit", _below(0)),
    Trains("RandomBrightnessContrast", _STEEPER, "contrast_limit", _above(0)),
    Trains("RandomBrightnessContrast", _FLATTER, "contrast_limit", _below(0)),
    Trains("ColorJitter", _LIGHTER, "brightness", _above(1)),
    Trains("ColorJitter", _DARKER, "brightness", _below(1)),
    Trains("ColorJitter", _STEEPER, "contrast", _above(1)),
    Trains("ColorJitter", _FLATTER, "contrast", _below(1)),
    Trains("ColorJitter", ("saturate",), "saturation", _differs(1)),
    Trains("ColorJitter", ("stain_shift",), "hue", _moves),
    Trains("HueSaturationValue", ("stain_shift",), "hue_shift_limit", _moves),
    Trains("HueSaturationValue", ("saturate",), "sat_shift_limit", _moves),
    Trains("HueSaturationValue", _LIGHTER, "val_shift_limit", _above(0)),
    Trains("HueSaturationValue", _DARKER, "val_shift_limit", _below(0)),
    Trains("RandomGamma", _LIGHTER, "gamma_limit", _below(100)),
    Trains("RandomGamma", _DARKER, "gamma_limit", _above(100)),
    Trains("RandomToneCurve", (*_LIGHTER, *_DARKER, *_STEEPER, *_FLATTER), "scale", _moves),
    Trains("RGBShift", ("stain_shift",), "r_shift_limit", _moves),
    Trains("RGBShift", ("stain_shift",), "g_shift_limit", _moves),
    Trains("RGBShift", ("stain_shift",), "b_shift_limit", _moves),
    Trains("HEStain", ("stain_shift",)),
    Trains("PlanckianJitter", ("stain_shift",)),
    Trains("FancyPCA", ("stain_shift", *_LIGHTER, *_DARKER), "alpha", _moves),
    Trains("ToGray", ("saturate",)),
    Trains("ToSepia", ("saturate", "stain_shift")),
    Trains("AutoContrast", _STEEPER),
    Trains("Equalize", _STEEPER),
    Trains("CLAHE", _STEEPER, "clip_limit", _above(1)),
    Trains("Illumination", ("shadow",), "intensity_range", _moves),
    Trains("PlasmaBrightnessContrast", ("shadow", "fog"), "brightness_range", _moves),
    Trains("PlasmaBrightnessContrast", _STEEPER, "contrast_range", _above(0)),
    Trains("PlasmaBrightnessContrast", _FLATTER, "contrast_range", _below(0)),
    Trains("PlasmaShadow", ("shadow",), "shadow_intensity_range", _moves),
    Trains("RandomShadow", ("shadow",)),
    # Noise
    Trains("AdditiveNoise", (*_LIGHTER, *_DARKER), "spatial_mode", _is("constant")),
    Trains("AdditiveNoise", _PIXEL_NOISE, "spatial_mode", _is("per_pixel", "shared")),
    Trains("GaussNoise", _PIXEL_NOISE, "std_range", _moves),
    Trains("ISONoise", _PIXEL_NOISE, "intensity", _moves),
    Trains("MultiplicativeNoise", _LIGHTER, "multiplier", _above(1)),
    Trains("MultiplicativeNoise", _DARKER, "multiplier", _below(1)),
    Trains("MultiplicativeNoise", _PIXEL_NOISE, "elementwise"),
    Trains("PixelDropout", ("impulse_noise",), "dropout_prob", _moves),
    Trains("SaltAndPepper", ("impulse_noise",), "amount", _moves),
    Trains("ShotNoise", _PIXEL_NOISE, "scale_range", _moves),
    # Blur
    Trains("AdvancedBlur", _LOW_PASS),
    Trains("Blur", _LOW_PASS, "blur_limit", _above(1)),
    Trains("Defocus", _LOW_PASS),
    Trains("GaussianBlur", _LOW_PASS),
    Trains("GlassBlur", ("glass_blur",)),
    Trains("MedianBlur", _LOW_PASS, "blur_limit", _above(1)),
    Trains("MotionBlur", ("motion_blur",)),
    Trains("Sharpness", _LOW_PASS, "factor_range", _below(1)),
    Trains("ZoomBlur", ("zoom_blur",), "max_factor", _above(1)),
    # Digital, weather
    Trains("Downscale", ("pixelate",), "scale_range", _below(1)),
    Trains("ImageCompression", ("jpeg_compression",), "quality_range", _below(100)),
    Trains("Superpixels", ("pixelate",), "p_replace", _moves),
    Trains("RandomFog", ("fog",)),
    Trains("RandomRain", ("rain",)),
    Trains("RandomSnow", ("snow",)),
    Trains("RandomSunFlare", ("sun_glare",)),
    Trains("Spatter", ("spatter",)),
)

# Transforms that make no corruption's kind of change: exact symmetries, sizes, holes, palettes, filters that sharpen.
NO_CORRUPTION = frozenset(
    {
        "CenterCrop", "ChannelDropout", "ChannelShuffle", "ChromaticAberration", "CoarseDropout", "Crop", "D4",
        "Emboss", "Erasing", "GridDropout", "HorizontalFlip", "InvertImg", "LongestMaxSize", "NoOp", "Normalize",
        "Pad", "PadIfNeeded", "Posterize", "RandomGravel", "RandomGridShuffle", "RandomRotate90", "Resize",
        "RingingOvershoot", "Sharpen", "SmallestMaxSize", "Solarize", "Transpose", "UnsharpMask", "VerticalFlip",
        "XYMasking",
    }
)  # fmt: skip
