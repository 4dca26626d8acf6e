"""The rules that a gate is made of, one class each. A threshold that could never refuse anything is refused here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# A model that loses half of its accuracy is not invariant in any sense; a larger limit is a typing error (15 for 0.15).
_MAX_GAP = 0.5
# "Not worse than the champion" with more leeway than this is no comparison any more.
_MAX_MARGIN = 0.2
# Below five samples one mistake moves a share by more than 20 points, more than any gap judged here.
_SMALLEST_N = 5

# Fewer resamples leave the 2.5% quantile to a handful of them; more only cost time.
_FEWEST_RESAMPLES, _MOST_RESAMPLES = 1_000, 100_000

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Gap = Annotated[_Number, Field(gt=0, le=_MAX_GAP)]
_Floor = Annotated[_Number, Field(gt=0, le=1)]
_Margin = Annotated[_Number, Field(ge=0, le=_MAX_MARGIN)]
_Share = Annotated[_Number, Field(gt=0, le=1)]
_Ratio = Annotated[_Number, Field(gt=0, le=100)]
_Gain = Annotated[_Number, Field(ge=-_MAX_MARGIN, lt=1)]
_MinN = Annotated[int, Field(strict=True, ge=_SMALLEST_N)]
_Severity = Annotated[int, Field(strict=True, ge=1, le=5)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]


def _class_name(value: object) -> object:
    """YAML reads the class 0 as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _in_one_group(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    _no_repeats("equivalent: classes", tuple(name for group in groups for name in group))
    return groups


_ClassName = Annotated[str, BeforeValidator(_class_name), Field(min_length=1)]
Equivalent = Annotated[
    tuple[Annotated[tuple[_ClassName, ...], Field(min_length=2)], ...], AfterValidator(_in_one_group)
]


class Rule(BaseModel):
    """Frozen; an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Statistics(Rule):
    """How sure the gate has to be.

    Attributes:
        confidence: of every two-sided interval; one-sided tests are made at half of what is left.
        resamples: of the paired bootstrap.
    """

    confidence: Annotated[_Number, Field(ge=0.9, le=0.999)]
    resamples: Annotated[int, Field(strict=True, ge=_FEWEST_RESAMPLES, le=_MOST_RESAMPLES)]

    @property
    def alpha(self) -> float:
        """Level of one-sided tests."""
        return (1 - self.confidence) / 2


class Gaps(Rule):
    """Thresholds of one corruption."""

    warn_gap: _Gap
    block_gap: _Gap

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_gap", self.warn_gap, "block_gap", self.block_gap)
        return self


class Invariance(Rule):
    """Clean minus stressed accuracy of the candidate, for each corruption at each severity.

    Attributes:
        corruptions: must be in the report; whatever else the report holds is judged alike.
        severities: judged and required for each of them.
        warn_gap, block_gap: shares, 0.15 is 15 percentage points; a gap at the threshold counts.
        stricter: corruption → thresholds of its own, none above the general ones.
        min_n: samples below which there is no verdict.
        burden: `safety` asks for proof: a gap whose interval reaches `block_gap` is not enough evidence. `none` goes by
            the measured gap alone. At or above `block_gap` the measured gap fails either way.
    """

    corruptions: Annotated[tuple[_Name, ...], Field(min_length=1)]
    severities: Annotated[tuple[_Severity, ...], Field(min_length=1)]
    warn_gap: _Gap
    block_gap: _Gap
    stricter: dict[_Name, Gaps] = {}
    min_n: _MinN
    burden: Literal["safety", "none"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _no_repeats("corruptions", self.corruptions)
        _no_repeats("severities", self.severities)
        _in_order("warn_gap", self.warn_gap, "block_gap", self.block_gap)
        if "clean" in self.corruptions:
            raise ValueError("corruptions without `clean`: that is what the others are compared with")
        for name, gaps in self.stricter.items():
            _in_order(f"stricter.{name}.block_gap", gaps.block_gap, "block_gap", self.block_gap)
            _in_order(f"stricter.{name}.warn_gap", gaps.warn_gap, "warn_gap", self.warn_gap)
        return self

    def gaps(self, corruption: str) -> tuple[float, float]:
        """Warning and blocking gap of a corruption."""
        own = self.stricter.get(corruption)
        return (self.warn_gap, self.block_gap) if own is None else (own.warn_gap, own.block_gap)


class Fitness(Rule):
    """What a corruption may destroy of a data set and still be asked about models.

    Attributes:
        max_destroyed: share of the suite's samples of which a cell leaves nothing.
        max_class_destroyed: share of any class that is large enough for its recall to be judged.
    """

    # What is left out of a cell can hide at most its own share: half of all would make a cell of the other half.
    max_destroyed: Annotated[_Number, Field(ge=0, le=_MAX_GAP)]
    max_class_destroyed: Annotated[_Number, Field(ge=0, le=_MAX_GAP)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("max_destroyed", self.max_destroyed, "max_class_destroyed", self.max_class_destroyed)
        return self


class ClassRecall(Rule):
    """Lowest recall allowed for any class, clean and under every corruption and severity judged.

    Attributes:
        clean_floor, stressed_floor: shares; a recall at the floor passes.
        min_n: samples of a class below which it cannot pass.
        burden: `harm`: a recall measured below the floor fails where the exact test, corrected for the number of
            classes and cells, says so, and is not enough evidence where it does not; `safety`: besides, one whose
            Wilson interval reaches below the floor is not enough evidence.
    """

    clean_floor: _Floor
    stressed_floor: _Floor
    min_n: _MinN
    burden: Literal["harm", "safety"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("stressed_floor", self.stressed_floor, "clean_floor", self.clean_floor)
        return self


class Champion(Rule):
    """Not worse than the champion on the same samples.

    Attributes:
        clean_margin, stressed_margin: loss of clean and of mean stressed accuracy (shares) that counts as equal; must
            be shown not to be exceeded.
        class_margin: loss of clean or mean stressed recall of any class; must not be shown to be exceeded.
        first_champion: what happens where there is no champion yet.
    """

    clean_margin: _Margin
    stressed_margin: _Margin
    class_margin: _Margin
    first_champion: Literal["allow", "investigate"]


class Control(Rule):
    """What the augmentation does, against training without it, on the same samples.

    Attributes:
        clean_margin: loss of clean accuracy (share) that robustness may cost; must be shown not to be exceeded.
        class_margin: as of the champion.
        min_gain: gain in mean stressed accuracy (share) that must be shown, or the policy counts as without effect.
        no_effect: what a policy without effect means for the verdict.
    """

    clean_margin: _Margin
    class_margin: _Margin
    min_gain: _Gain
    no_effect: Literal["warn", "investigate", "fail"]


class AveragePrecision(Rule):
    """Average precision of the class that alerts are for, on clean samples: how well scores order it before the rest.

    Attributes:
        min_gain: gain over the control (share) that must be shown; below zero it is a loss that is accepted.
        no_effect: what it means for the verdict that it is not shown.
        champion_margin: loss against the champion that counts as equal; must be shown not to be exceeded.
        min_n: samples of the class below which there is no verdict.
    """

    min_gain: _Gain
    no_effect: Literal["warn", "investigate", "fail"]
    champion_margin: _Margin
    min_n: _MinN


class Tail(Rule):
    """The classes that are found worst, taken together, on clean samples against control and champion.

    Attributes:
        share: of the classes; rounded down, at least one.
        margin: loss of their mean recall (share) that counts as equal; must be shown not to be exceeded.
        min_n: samples of all of them together below which there is no verdict.
    """

    share: Annotated[_Number, Field(gt=0, le=0.5)]
    margin: _Margin
    min_n: _MinN


class OutOfScopeRules(Rule):
    """How far the candidate is less sure of samples of no class than of clean ones (`stress.out_of_scope`).

    Attributes:
        max_accepted: share of the samples of no class that may be accepted where 95% of the others are; must be shown
            not to be exceeded.
        margin: area under the ROC curve below that of control and champion that counts as equal; must be shown not to
            be exceeded.
        min_n: samples of no class below which there is no verdict.
    """

    max_accepted: Annotated[_Number, Field(gt=0, lt=1)]
    margin: _Margin
    min_n: _MinN


class Unseen(Rule):
    """Corruptions of the suite that the policy does not train on, candidate against control.

    Attributes:
        min_gain: gain in mean accuracy over them that must be shown; below zero it is a loss that is accepted.
    """

    min_gain: _Gain


class Groups(Rule):
    """Groups of samples by the snapshot's metadata.

    Attributes:
        columns: `all` that form groups, or those named, which must be there.
        max_gap: accuracy of the best group less that of the worst (share), clean and stressed.
        max_amplification: by how much that gap may exceed the control's.
        min_n: samples of a group below which there is no verdict.
    """

    columns: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)]
    max_gap: _Gap
    max_amplification: _Margin
    min_n: _MinN


class Calibration(Rule):
    """Expected calibration error of the candidate on clean samples (share)."""

    warn_error: _Gap
    block_error: _Gap

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_error", self.warn_error, "block_error", self.block_error)
        return self


class Leakage(Rule):
    """Held-out samples, or subjects, that the quality reports found on the training side too.

    Attributes:
        max_measured: highest value of any of these checks, in its own unit (a share, or a number of subjects).
    """

    max_measured: Annotated[_Number, Field(ge=0, le=0.05)]


class RequiredApprovals(Rule):
    """Environments that a model may enter only by a person.

    Attributes:
        environments: that ask for one.
        roles: that the person may hold.
    """

    environments: Annotated[tuple[Literal["dev", "staging", "production"], ...], Field(min_length=1)]
    roles: Annotated[tuple[_Name, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "auto" in self.roles:
            raise ValueError("roles of people: `auto` is the gate itself")
        return self


class DataWait(Rule):
    """Share of the training's wall time spent waiting for batches."""

    warn_share: _Share
    block_share: _Share | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_share", self.warn_share, "block_share", self.block_share)
        return self


class BudgetRatio(Rule):
    """Measured p95 of the augmentation over the policy's own budget."""

    warn_ratio: _Ratio
    block_ratio: _Ratio | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _in_order("warn_ratio", self.warn_ratio, "block_ratio", self.block_ratio)
        return self


class Drift(Rule):
    """What a drifted production window means for this decision."""

    on_drift: Literal["warn", "investigate", "fail"]


def _no_repeats(name: str, values: tuple[object, ...]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{name} without repeats")


def _in_order(low_name: str, low: float, high_name: str, high: float | None) -> None:
    if high is not None and low > high:
        raise ValueError(f"{low_name} at most {high_name} ({high})")
