"""The thresholds of the quality checks: policies/quality/<name>.yaml as a typed, content-addressed value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model, model_validator

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError, nearest
from augment_ops.modalities import NAMES, UNNAMED, modality
from augment_ops.policy.yaml_file import parse, read_text, validate
from augment_ops.quality.report import CheckResult, Status

_MAX_SAMPLES = 10  # what CheckResult promises


def check_name(field: str) -> str:
    """The name of a check, from the field that holds its thresholds: `feature-skew` from `feature_skew`."""
    return field.replace("_", "-")


class Section(BaseModel):
    """Unknown and missing keys are faults: a threshold that is not there must be written as null."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ceiling(Section):
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


class Floor(Section):
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


class Rules(BaseModel):
    """The thresholds of one stage: one field a check, and the key in the file is the check's name.

    What fields there are is the modality's (`quality.checks`); a report has their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=check_name)

    @property
    def asked(self) -> Mapping[str, Any]:
        """Field → thresholds of the checks that are done: one that is None by default is done where a file asks."""
        return {field: value for field, value in dict(self).items() if value is not None}


class QualityRules(BaseModel):
    """policies/quality/<name>.yaml.

    Attributes:
        modality: of the samples that it is for.
        check_data, check_augmented: thresholds of that modality's checks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]
    modality: str = UNNAMED
    check_data: Rules
    check_augmented: Rules

    @classmethod
    def load(cls, path: str | Path) -> QualityRules:
        """Read the thresholds, as the modality that the file is for has them.

        Raises:
            PolicyError: with every fault of the file; the file's name must be the rules' name.
        """
        path = Path(path)
        content = parse(read_text(path, kind="file of quality thresholds"), str(path))
        rules: QualityRules = validate(content, _form(path, content.get("modality", UNNAMED)), str(path))
        if rules.name != path.stem:
            raise PolicyError(f"{path}: name", rules.name, f"{path.stem}, the file's own name", "correct `name`")
        return rules

    def check_modality(self, of: str) -> None:
        """See that the thresholds are for samples of a modality.

        Raises:
            PolicyError: they are for another one.
        """
        if self.modality != of:
            fix = f"choose thresholds for {of}"
            raise PolicyError(f"quality rules {self.name}: modality", self.modality, f"{of}, as the samples are", fix)

    @cached_property
    def digest(self) -> str:
        """sha256 over the content: comments and layout do not change it, anything else does."""
        # Only what is written: a file from before a check, or a second modality, was added keeps its digest.
        content = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if self.modality == UNNAMED:
            content.pop("modality", None)
        return digest_of(content)


def _form(path: Path, name: object) -> type[QualityRules]:
    """The form of a file for a modality."""
    if not isinstance(name, str) or name not in NAMES:
        fix = f"correct the name.{nearest(str(name), NAMES)}"
        raise PolicyError(f"{path}: modality", repr(name)[:120], " | ".join(NAMES), fix)
    return _model(name)


@cache
def _model(name: str) -> type[QualityRules]:
    checks = modality(name).checks
    return create_model(
        f"QualityRulesOf{name.title()}",
        __base__=QualityRules,
        check_data=(checks.data_rules, ...),
        check_augmented=(checks.augmented_rules, ...),
    )


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
