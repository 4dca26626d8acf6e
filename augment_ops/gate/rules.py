"""What the gate demands, read from policies/gates/. A threshold that could never refuse anything is refused here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError
from augment_ops.policy.yaml_file import load_model

# A model that loses half of its accuracy is not invariant in any sense; a larger limit is a typing error (15 for 0.15).
_MAX_GAP = 0.5
# "Not worse than the champion" with more leeway than this is no comparison any more.
_MAX_MARGIN = 0.2
# Below five samples one mistake moves a share by more than 20 points, more than any gap judged here.
_SMALLEST_N = 5

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Gap = Annotated[_Number, Field(gt=0, le=_MAX_GAP)]
_Floor = Annotated[_Number, Field(gt=0, le=1)]
_Margin = Annotated[_Number, Field(ge=0, le=_MAX_MARGIN)]
_Share = Annotated[_Number, Field(gt=0, le=1)]
_Ratio = Annotated[_Number, Field(gt=0, le=100)]
_MinN = Annotated[int, Field(strict=True, ge=_SMALLEST_N)]
_Severity = Annotated[int, Field(strict=True, ge=1, le=5)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Invariance(_Rule):
    """Clean minus stressed accuracy of the candidate, for each corruption at each severity.

    Attributes:
        corruptions: must be in the report; whatever else the report holds is judged alike.
        severities: judged and required for each of them.
        warn_gap, block_gap: shares, 0.15 is 15 percentage points; a gap at the threshold counts.
        min_n: samples below which there is no verdict.
    """

    corruptions: Annotated[tuple[_Name, ...], Field(min_length=1)]
    severities: Annotated[tuple[_Severity, ...], Field(min_length=1)]
    warn_gap: _Gap
    block_gap: _Gap
    min_n: _MinN

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _no_repeats("corruptions", self.corruptions)
        _no_repeats("severities", self.severities)
        _in_order("warn_gap", self.warn_gap, "block_gap", self.block_gap)
        if "clean" in self.corruptions:
            raise ValueError("corruptions without `clean`: that is what the others are compared with")
        return self


class ClassRecall(_Rule):
    """Lowest recall allowed for any class, clean and under every corruption and severity judged.

    Attributes:
        clean_floor, stressed_floor: shares; a recall at the floor passes.
        min_n: samples of a class below which there is no verdict.
    """

    clean_floor: _Floor
    stressed_floor: _Floor
    min_n: _MinN

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("stressed_floor", self.stressed_floor, "clean_floor", self.clean_floor)
        return self


class Champion(_Rule):
    """Clean and mean stressed accuracy are not worse than the champion's by more than a margin (shares)."""

    clean_margin: _Margin
    stressed_margin: _Margin
    first_champion: Literal["allow", "investigate"]


class Control(_Rule):
    """Gain in mean stressed accuracy over the control; a gain at or below `warn_gain` (share) warns, nothing blocks."""

    warn_gain: Annotated[_Number, Field(ge=-1, lt=1)]


class DataWait(_Rule):
    """Share of the training's wall time spent waiting for batches."""

    warn_share: _Share
    block_share: _Share | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_share", self.warn_share, "block_share", self.block_share)
        return self


class Budget(_Rule):
    """Measured p95 of the augmentation over the policy's own budget."""

    warn_ratio: _Ratio
    block_ratio: _Ratio | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_ratio", self.warn_ratio, "block_ratio", self.block_ratio)
        return self


class Drift(_Rule):
    """What a drifted production window means for this decision."""

    on_drift: Literal["warn", "investigate", "fail"]


class GateRules(_Rule):
    """policies/gates/<name>.yaml. Invariance and class recall are what a gate is; a rule that is null is said aloud.

    The status of both quality reports is always demanded, and the evidence is always verified; neither can be set.

    Attributes:
        suite: name of the stress suite that the thresholds were chosen for; a report of another one is refused.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]
    suite: Annotated[str, Field(min_length=1)]
    invariance: Invariance
    class_recall: ClassRecall
    champion: Champion | None = None
    control: Control | None = None
    data_wait: DataWait | None = None
    budget: Budget | None = None
    drift: Drift | None = None

    @property
    def digest(self) -> str:
        """sha256 over the content; comments and layout do not count."""
        return digest_of(self.model_dump(mode="json", warnings=False))


def load(path: str | Path) -> GateRules:
    """Read a gate's rules.

    Raises:
        PolicyError: every fault of the file at once; the file's name must be the gate's name.
    """
    path = Path(path)
    rules = load_model(path, GateRules, kind="gate")
    if rules.name != path.stem:
        expected = f"{path.stem}, the file's own name"
        raise PolicyError(f"{path}: name", rules.name, expected, "rename the file or correct `name`")
    return rules


def _no_repeats(name: str, values: tuple[object, ...]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{name} without repeats")


def _in_order(low_name: str, low: float, high_name: str, high: float | None) -> None:
    if high is not None and low > high:
        raise ValueError(f"{low_name} at most {high_name} ({high})")
