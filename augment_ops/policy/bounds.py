"""What a domain bounds: policies/limits/<domain>.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from augment_ops.content import digest_of
from augment_ops.errors import Fault, PolicyError
from augment_ops.modalities.image import catalogue
from augment_ops.policy.yaml_file import load_model

Modality = Literal["image", "tabular", "text", "interactions"]
_Positive = Annotated[float, Field(ge=0)]


class Bounds(BaseModel):
    """The strongest effect that any draw may have, and what may not be drawn. A bound that is absent does not bind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    forbidden: dict[str, str] = {}  # transform → the reason, which the error repeats

    def content(self) -> dict[str, Any]:
        """As a file has it: what does not bind is left out."""
        return self.model_dump(mode="json", include=set(Bounds.model_fields), exclude_none=True, exclude_defaults=True)


class Limits(Bounds):
    """The bounds of a domain."""

    domain: str
    description: str
    modality: Modality = "image"

    @property
    def digest(self) -> str:
        """sha256 over the content; a bound that is absent is no part of it."""
        return digest_of(self.model_dump(mode="json", exclude_none=True))


def load_limits(policies: Path, domain: str) -> Limits:
    """The limits of a domain.

    Raises:
        PolicyError: no such domain, or a faulty file.
    """
    path = policies / "limits" / f"{domain}.yaml"
    limits = load_model(path, Limits, kind="domain with limits")
    faults = []
    if limits.domain != domain:
        faults.append(Fault("domain", limits.domain, domain, "correct `domain`"))
    if limits.modality != "image":
        of_images = limits.model_fields_set - {"domain", "description", "modality"}
        faults += [
            Fault(name, "a bound on images", f"nothing in a domain of {limits.modality}", "remove it")
            for name in sorted(of_images)
        ]
    known = catalogue.names()
    # A name that no policy can use would forbid nothing.
    faults += [catalogue.unknown_fault(f"forbidden.{name}", name) for name in limits.forbidden if name not in known]
    if faults:
        raise PolicyError.of(str(path), faults)
    return limits
