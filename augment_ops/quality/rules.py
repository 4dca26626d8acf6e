"""The thresholds of the quality checks: policies/quality/<name>.yaml as a typed, content-addressed value."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError
from augment_ops.policy.yaml_file import load_model
from augment_ops.quality.report import CheckResult, Status

_MAX_SAMPLES = 10  # what CheckResult promises
_GreyLevels = Annotated[FiniteFloat, Field(ge=0, le=255)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class _Section(BaseModel):
    """Unknown and missing keys are faults: a threshold that is not there must be written as null."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ceiling(_Section):
    """A measurement that must not be high. null: that bound does not bind."""

    warn_above: FiniteFloat | None
    fail_above: FiniteFloat | None

    @model_validator(mode="after")
    def _ordered(self) -> Ceiling:
        if self.warn_above is not None and self.fail_above is not None and self.fail_above < self.warn_above:
            raise ValueError("fail_above must be at least warn_above")
        return self

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """(warn, fail)."""
        return self.warn_above, self.fail_above

    def judge(self, measured: float) -> Status:
        """`fail` also for NaN: what could not be measured has not passed."""
        if math.isnan(measured) or (self.fail_above is not None and measured > self.fail_above):
            return "fail"
        return "warn" if self.warn_above is not None and measured > self.warn_above else "ok"


class Floor(_Section):
    """A measurement that must not be low. null: that bound does not bind."""

    warn_below: FiniteFloat | None
    fail_below: FiniteFloat | None

    @model_validator(mode="after")
    def _ordered(self) -> Floor:
        if self.warn_below is not None and self.fail_below is not None and self.fail_below > self.warn_below:
            raise ValueError("fail_below must be at most warn_below")
        return self

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """(warn, fail)."""
        return self.warn_below, self.fail_below

    def judge(self, measured: float) -> Status:
        """`fail` also for NaN: what could not be measured has not passed."""
        if math.isnan(measured) or (self.fail_below is not None and measured < self.fail_below):
            return "fail"
        return "warn" if self.warn_below is not None and measured < self.warn_below else "ok"


class Blank(Ceiling):
    """Images without a picture: standard deviation of the grey levels below `min_contrast` in every channel."""

    min_contrast: _GreyLevels


class NearCopy(Ceiling):
    """Two images are near copies when the RMS of their difference is within both limits.

    Attributes:
        max_rms: grey levels, over all pixels and channels.
        max_contrast_share: of the standard deviation of the image looked at, so that dull images are not all alike.
    """

    max_rms: _GreyLevels
    max_contrast_share: _Share


class Saturated(Ceiling):
    """An image is saturated when the share of its values at 0 or 255 grew by more than `clipped_growth`."""

    clipped_growth: _Share


class OverAugmented(Ceiling):
    """A sample is over-augmented when no small shift of it, mirrored or not, correlates with its original.

    Attributes:
        min_correlation: normalised cross-correlation, -1 to 1.
        max_shift_share: shifts searched, as a share of the shorter side.
    """

    min_correlation: Annotated[FiniteFloat, Field(ge=-1, le=1)]
    max_shift_share: Annotated[FiniteFloat, Field(ge=0, le=0.5)]


class DataRules(BaseModel):
    """One field a check of `check_data`; the key in the file is the check's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_kebab)

    # The first three came later than the others: a file without them has what the default one says.
    classes_without_samples: Ceiling = Ceiling(warn_above=0, fail_above=0)
    files_left_out: Ceiling = Ceiling(warn_above=0, fail_above=None)
    channels_converted: Ceiling = Ceiling(warn_above=0, fail_above=None)
    unreadable: Ceiling
    blank_or_constant: Blank
    shape_mismatch: Ceiling
    label_range: Ceiling
    label_conflict: Ceiling
    exact_duplicates_within_split: Ceiling
    exact_duplicates_between_splits: Ceiling
    near_duplicates_between_splits: NearCopy
    subject_leakage: Ceiling
    missing_class: Ceiling
    class_balance: Ceiling
    train_samples_per_class: Floor
    test_samples_per_class: Floor


class AugmentedRules(BaseModel):
    """One field a check of `check_augmented`; the key in the file is the check's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_kebab)

    feature_skew: Ceiling
    blank: Blank
    saturated: Saturated
    over_augmentation: OverAugmented
    identical: Ceiling
    held_out_leakage: NearCopy


class QualityRules(BaseModel):
    """policies/quality/<name>.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]
    check_data: DataRules
    check_augmented: AugmentedRules

    @classmethod
    def load(cls, path: str | Path) -> QualityRules:
        """Read the thresholds.

        Raises:
            PolicyError: with every fault of the file; the file's name must be the rules' name.
        """
        path = Path(path)
        rules = load_model(path, cls, kind="file of quality thresholds")
        if rules.name != path.stem:
            raise PolicyError(f"{path}: name", rules.name, f"{path.stem}, the file's own name", "correct `name`")
        return rules

    @cached_property
    def digest(self) -> str:
        """sha256 over the content: comments and layout do not change it, anything else does."""
        # Only what is written: a file from before a check was added keeps its digest.
        return digest_of(self.model_dump(mode="json", by_alias=True, exclude_unset=True))


def judged(
    name: str,
    rule: Ceiling | Floor,
    measured: float,
    unit: str,
    found: str,
    remedy: str,
    samples: tuple[str, ...] = (),
) -> CheckResult:
    """A check's result: `found` says what and where; `remedy` (what to do) is added only when it is not ok."""
    status = rule.judge(measured)
    warn_at, fail_at = rule.bounds
    message = f"{found}." if status == "ok" else f"{found}; {remedy}."
    return CheckResult(
        name=name,
        status=status,
        measured=float(measured),
        unit=unit,
        warn_at=warn_at,
        fail_at=fail_at,
        message=message,
        samples=samples[:_MAX_SAMPLES],
    )
