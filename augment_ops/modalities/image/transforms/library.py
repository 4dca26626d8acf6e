"""Transforms that are not compiled: albumentations runs them, image by image, on keyed streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augment_ops.modalities.image.declaration import Declaration, Strength, Trains
from augment_ops.modalities.image.strength import (
    ZOOM_IN,
    ZOOM_OUT,
    border_in,
    border_out,
    extent,
    noise,
    unbounded,
)
from augment_ops.modalities.image.taught import (
    BENT,
    DARKER,
    FLATTER,
    FRAMING,
    HOLES,
    LIGHTER,
    LOW_PASS,
    PIXEL_NOISE,
    SHARPENING,
    STEEPER,
    STROKES,
    above,
    below,
    moves,
    one_of,
)


def _several(sizes: Any) -> bool:
    return isinstance(sizes, Sequence) and len(set(sizes)) > 1


DECLARED = (
    # The frame and the shape
    Declaration(
        name="Crop",
        trains_on_nothing=FRAMING,
        required={"x_max": 16, "y_max": 16},
        chance=False,
        branches=({"x_max": 24, "y_max": 24, "pad_if_needed": True},),
    ),
    Declaration(
        name="CropAndPad",
        strengths=(
            Strength(ZOOM_OUT, "percent", border_out),
            Strength(ZOOM_OUT, "px", unbounded),
            Strength(ZOOM_IN, "percent", border_in),
            Strength(ZOOM_IN, "px", unbounded),
        ),
        trains=(
            Trains(("scale_up", "translation"), "px", below(0)),
            Trains(("scale_down", "translation"), "px", above(0)),
            Trains(("scale_up", "translation"), "percent", below(0)),
            Trains(("scale_down", "translation"), "percent", above(0)),
        ),
        own_sizes=("keep_size", lambda kept: not kept),
        required={"percent": 0.1},
        chance=False,
        branches=({"percent": [-0.1, 0.1]},),
    ),
    Declaration(
        name="ElasticTransform",
        strengths=(Strength("max_elastic_px", "alpha", extent),),  # noise of -1 to 1, smoothed, times alpha
        trains=(Trains(BENT, "alpha", moves),),
        branches=({"same_dxdy": True},),
    ),
    Declaration(
        name="GridDistortion",
        strengths=(Strength("max_distortion_share", "distort_limit", extent),),
        trains=(Trains(BENT, "distort_limit", moves),),
    ),
    Declaration(
        name="GridElasticDeform",
        strengths=(Strength("max_elastic_px", "magnitude", extent),),
        trains=(Trains(BENT, "magnitude", moves),),
        required={"num_grid_xy": [2, 2], "magnitude": 2},
    ),
    Declaration(
        name="LongestMaxSize",
        trains_on_nothing=FRAMING,
        own_sizes=("max_size", _several),
        required={"max_size": 16},
        chance=False,
        branches=({"max_size": None, "max_size_hw": [16, 16]},),
    ),
    Declaration(name="Morphological", trains=(Trains(STROKES, "scale", above(1)),), chance=False),
    Declaration(
        name="OpticalDistortion",
        strengths=(Strength("max_distortion_share", "distort_limit", extent),),
        trains=(Trains(BENT, "distort_limit", moves),),
    ),
    Declaration(name="Pad", trains_on_nothing=FRAMING, chance=False),
    Declaration(
        name="PiecewiseAffine",
        strengths=(Strength("max_distortion_share", "scale", extent),),
        trains=(Trains(BENT, "scale", moves),),
    ),
    Declaration(name="RandomGridShuffle", trains_on_nothing="no corruption lets tiles change places"),
    Declaration(
        name="RandomSizedCrop",
        strengths=(Strength(ZOOM_IN, "min_max_height", unbounded),),
        trains=(Trains(("scale_up", "translation")),),
        required={"min_max_height": [8, 16], "size": [16, 16]},
    ),
    Declaration(
        name="SafeRotate",
        strengths=(Strength("max_rotation_deg", "limit", extent),),
        trains=(Trains(("rotation", "scale_down"), "limit", moves),),
    ),
    Declaration(
        name="SmallestMaxSize",
        trains_on_nothing=FRAMING,
        own_sizes=("max_size", _several),
        required={"max_size": 16},
        chance=False,
        branches=({"max_size": None, "max_size_hw": [16, 16]},),
    ),
    Declaration(
        name="ThinPlateSpline",
        strengths=(Strength("max_distortion_share", "scale_range", extent),),
        trains=(Trains(BENT, "scale_range", moves),),
    ),
    # Light and colour
    Declaration(name="CLAHE", trains=(Trains(STEEPER, "clip_limit", above(1)),), chance=False),
    Declaration(
        name="ChromaticAberration", trains_on_nothing="no corruption parts colours at edges", needs_colour=True
    ),
    Declaration(name="FancyPCA", trains=(Trains(("stain_shift", *LIGHTER, *DARKER), "alpha", moves),)),
    Declaration(
        name="HEStain",
        trains=(Trains(("stain_shift",)),),
        needs_colour=True,
        branches=({"method": "preset", "preset": "ruifrok"},),
    ),
    Declaration(
        name="Illumination",
        strengths=(Strength("max_brightness_change", "intensity_range", extent),),
        trains=(Trains(("shadow",), "intensity_range", moves),),
        branches=({"mode": "gaussian"},),
    ),
    Declaration(
        name="PlasmaBrightnessContrast",
        strengths=(
            Strength("max_brightness_change", "brightness_range", extent),
            Strength("max_contrast_change", "contrast_range", extent),
        ),
        trains=(
            Trains(("shadow", "fog"), "brightness_range", moves),
            Trains(STEEPER, "contrast_range", above(0)),
            Trains(FLATTER, "contrast_range", below(0)),
        ),
        without_effect={"plasma_size": "nothing that the library reads: plasma has the size of the image"},
    ),
    Declaration(
        name="PlasmaShadow",
        strengths=(Strength("max_brightness_change", "shadow_intensity_range", extent),),
        trains=(Trains(("shadow",), "shadow_intensity_range", moves),),
    ),
    Declaration(
        name="RandomShadow",
        strengths=(Strength("max_brightness_change", "shadow_intensity_range", extent),),
        trains=(Trains(("shadow",)),),
    ),
    Declaration(name="RandomToneCurve", trains=(Trains((*LIGHTER, *DARKER, *STEEPER, *FLATTER), "scale", moves),)),
    Declaration(name="ToSepia", trains=(Trains(("saturate", "stain_shift")),), chance=False),
    # Noise and holes
    Declaration(
        name="AdditiveNoise",
        strengths=(Strength("max_noise_std", "noise_params", noise),),
        trains=(
            Trains((*LIGHTER, *DARKER), "spatial_mode", one_of("constant")),
            Trains(PIXEL_NOISE, "spatial_mode", one_of("per_pixel", "shared")),
        ),
        branches=(
            {
                "noise_type": "gaussian",
                "spatial_mode": "per_pixel",
                "noise_params": {"mean_range": [0, 0], "std_range": [0.1, 0.2]},
            },
            {
                "noise_type": "beta",
                "spatial_mode": "shared",
                "noise_params": {"alpha_range": [0.5, 1.5], "beta_range": [0.5, 1.5], "scale_range": [0.1, 0.3]},
            },
        ),
    ),
    Declaration(name="PixelDropout", trains=(Trains(("impulse_noise",), "dropout_prob", moves),)),
    Declaration(name="ShotNoise", trains=(Trains(PIXEL_NOISE, "scale_range", moves),)),
    Declaration(name="XYMasking", trains_on_nothing=HOLES, chance=False),
    # Blur and edges
    Declaration(name="AdvancedBlur", trains=(Trains(LOW_PASS),)),
    Declaration(name="Blur", trains=(Trains(LOW_PASS, "blur_limit", above(1)),)),
    Declaration(name="Defocus", trains=(Trains(LOW_PASS),)),
    Declaration(name="Emboss", trains_on_nothing=SHARPENING),
    Declaration(name="GlassBlur", trains=(Trains(("glass_blur",)),)),
    Declaration(name="MedianBlur", trains=(Trains(LOW_PASS, "blur_limit", above(1)),)),
    Declaration(name="RingingOvershoot", trains_on_nothing=SHARPENING),
    Declaration(name="UnsharpMask", trains_on_nothing=SHARPENING),
    Declaration(name="ZoomBlur", trains=(Trains(("zoom_blur",), "max_factor", above(1)),)),
    # What a file or the weather does
    Declaration(name="Downscale", trains=(Trains(("pixelate",), "scale_range", below(1)),), chance=False),
    Declaration(name="ImageCompression", trains=(Trains(("jpeg_compression",), "quality_range", below(100)),)),
    Declaration(name="RandomFog", trains=(Trains(("fog",)),), needs_colour=True, slow=True),
    Declaration(name="RandomGravel", trains_on_nothing="no corruption strews gravel", needs_colour=True, chance=False),
    Declaration(name="RandomRain", trains=(Trains(("rain",)),), needs_colour=True),
    Declaration(name="RandomSnow", trains=(Trains(("snow",)),), branches=({"method": "texture"},), needs_colour=True),
    Declaration(
        name="RandomSunFlare",
        trains=(Trains(("sun_glare",)),),
        branches=({"method": "physics_based"},),
        needs_colour=True,
    ),
    Declaration(name="Spatter", trains=(Trains(("spatter",)),), branches=({"mode": "mud"},), needs_colour=True),
    Declaration(name="Superpixels", trains=(Trains(("pixelate",), "p_replace", moves),), slow=True),
    # Nothing
    Declaration(name="NoOp", trains_on_nothing="it changes nothing", chance=False),
)
