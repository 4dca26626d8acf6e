"""Thresholds of the drift check, read from policies/drift/*.yaml."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment_ops.content import digest_of
from augment_ops.policy.yaml_file import load_model

Channel = Literal["log", "email", "slack", "webhook"]
FeatureName = Literal["mean", "contrast", "sharpness", "class-mix"]


class DriftRules(BaseModel):
    """What counts as drift.

    Attributes:
        features: what is compared; `class-mix` only where both sides have labels.
        bins: equal-share bins between the two tails of the reference.
        tail_share: share of the reference in each tail bin, 0 to 0.25 (both excluded).
        min_n: samples needed on each side.
        warn_psi, drift_psi: limits on the bias-corrected PSI.
        significance: probability of an alarm by chance over all features together.
        notify: channels by which people are told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    features: Annotated[tuple[FeatureName, ...], Field(min_length=1)]
    bins: Annotated[int, Field(ge=2, le=100)]
    tail_share: Annotated[float, Field(gt=0, lt=0.25)]
    min_n: Annotated[int, Field(ge=2)]
    warn_psi: Annotated[float, Field(gt=0)]
    drift_psi: Annotated[float, Field(gt=0)]
    significance: Annotated[float, Field(gt=0, lt=1)]
    notify: tuple[Channel, ...] = ("log",)

    @model_validator(mode="after")
    def _consistent(self) -> DriftRules:
        if self.warn_psi > self.drift_psi:
            raise ValueError(f"warn_psi {self.warn_psi} must not lie above drift_psi {self.drift_psi}")
        if len(set(self.features)) != len(self.features):
            raise ValueError("features must not repeat")
        return self

    @cached_property
    def digest(self) -> str:
        """Hex sha256 over the content, without comments and layout."""
        return digest_of(self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> DriftRules:
        """Read one file of policies/drift/.

        Raises:
            PolicyError: every fault of the file at once.
        """
        return load_model(path, cls, kind="drift policy")
