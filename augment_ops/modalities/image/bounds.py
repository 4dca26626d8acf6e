"""What a domain of images may bound, and what a policy's budget is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augment_ops.policy.bounds import Bounds, Limits
from augment_ops.policy.spec import LatencyBudget

_Positive = Annotated[float, Field(ge=0)]
_Side = Annotated[int, Field(gt=0)]


class ImageBounds(Bounds):
    """Bounds on what transforms do to images; `strength.py` says what of a transform they bound."""

    max_rotation_deg: _Positive | None = None
    max_shear_deg: _Positive | None = None
    max_translation_share: _Positive | None = None
    scale_range: tuple[_Positive, _Positive] | None = None
    max_brightness_change: _Positive | None = None
    max_contrast_change: _Positive | None = None
    max_noise_std: _Positive | None = None
    max_hue_shift_deg: _Positive | None = None
    max_saturation_change: _Positive | None = None
    max_channel_shift: _Positive | None = None
    max_gamma_change: _Positive | None = None
    max_perspective_share: _Positive | None = None
    max_distortion_share: _Positive | None = None
    max_elastic_px: _Positive | None = None


class ImageLimits(ImageBounds, Limits):
    """The bounds of a domain of images."""


class ImageBudget(LatencyBudget):
    """What one image may cost, at (H, W, C)."""

    at: tuple[_Side, _Side, _Side]
