"""How a challenger is rolled out, read from policies/rollout/*.yaml: its steps, and what it has to hold in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment_ops.content import digest_of
from augment_ops.policy.yaml_file import load_model

SLICES = ("slice_agreement", "slice_accuracy")
ABOUT_INPUTS = ("inputs", *SLICES)  # conditions whose `about` is an input, not a class
MOST_STEPS = 50  # a rollout of more has less of the chance of error for each than can show anything

_FROZEN = ConfigDict(extra="forbid", frozen=True)
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Share = Annotated[_Number, Field(gt=0, le=1)]
_Difference = Annotated[_Number, Field(gt=0, lt=1)]
_Hours = Annotated[_Number, Field(ge=0, le=24 * 366)]
_Seconds = Annotated[_Number, Field(gt=0, le=3600)]
_Labels = Annotated[int, Field(strict=True, ge=1)]


class Trip(BaseModel):
    """When a worker asks the challenger no more, before anybody has judged it.

    Attributes:
        failures: of the challenger, one after the other, in one worker.
    """

    model_config = _FROZEN

    failures: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class StepRules(BaseModel):
    """A step of a rollout.

    Attributes:
        shadow: whether the champion answers everything, and the challenger is asked beside it.
        share: of the requests that the challenger is asked.
        answers: samples that the challenger has to have been asked before the next step.
        hours: that have to have passed; longest_hours: after which it has taken too long.
        otherwise: what then happens.
    """

    model_config = _FROZEN

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    shadow: bool = False
    share: _Share
    answers: Annotated[int, Field(strict=True, ge=1)]
    hours: _Hours
    longest_hours: _Hours
    otherwise: Literal["pause", "roll_back"]

    @property
    def champion_answers(self) -> int:
        """Samples of its own that the champion has to have answered: what its share brings, no more than `answers`.

        None in a shadow, where both are asked about the same samples, nor where the challenger has all requests.
        """
        return 0 if self.shadow else ceil(min(1.0, (1 - self.share) / self.share) * self.answers)


class Condition(BaseModel):
    """What a challenger has to hold.

    Attributes:
        shown: whether a step is passed only where it is shown to hold; else it is enough that it is not shown to be
            broken.
    """

    model_config = _FROZEN

    shown: bool = False


class Agreement(Condition):
    """How often the challenger says what the champion says of the same sample.

    Attributes:
        at_least: share of all samples.
        class_at_least: share of those of each class that the champion names; None where classes are not looked at.
    """

    at_least: _Share
    class_at_least: _Share | None = None


class Errors(Condition):
    """How many more requests fail, as a share of the requests."""

    increase_at_most: _Difference


class LatencyCondition(Condition):
    """A quantile of the seconds until an answer, over the champion's.

    Attributes:
        floor_ms: shorter times count as so long: nobody notices their ratio.
    """

    quantile: Annotated[_Number, Field(ge=0.5, lt=1)]
    ratio_at_most: Annotated[_Number, Field(ge=1, le=1000)]
    floor_ms: Annotated[_Number, Field(ge=0, le=3_600_000)] = 0.0


class Confidence(Condition):
    """How far the mean probability of the predicted class moves, up or down."""

    shift_at_most: _Difference


class InputsCondition(BaseModel):
    """How far the inputs of the two lie apart: it is about the assignment, not about the challenger."""

    model_config = _FROZEN

    psi_at_most: Annotated[_Number, Field(gt=0, le=10)]


class Accuracy(Condition):
    """How much accuracy is lost, where labels have come.

    Attributes:
        labels: fewer say nothing.
    """

    loss_at_most: _Difference
    labels: _Labels


class RecallCondition(BaseModel):
    """How much recall each class loses, where labels have come.

    Attributes:
        labels: of a class; fewer say nothing of it.
    """

    model_config = _FROZEN

    loss_at_most: _Difference
    labels: _Labels


class SliceAgreement(BaseModel):
    """How often the two say the same of samples whose inputs are of one kind: the lowest, the highest, one text."""

    model_config = _FROZEN

    at_least: _Share


class SliceAccuracy(BaseModel):
    """How much accuracy is lost on samples whose inputs are of one kind, where labels have come.

    Attributes:
        labels: of a slice; fewer say nothing of it.
    """

    model_config = _FROZEN

    loss_at_most: _Difference
    labels: _Labels


class Conditions(BaseModel):
    """Every one that is not None is looked at, at any time; one that is shown to be broken ends the rollout."""

    model_config = _FROZEN

    agreement: Agreement | None = None
    errors: Errors | None = None
    latency: LatencyCondition | None = None
    confidence: Confidence | None = None
    inputs: InputsCondition | None = None
    accuracy: Accuracy | None = None
    recall: RecallCondition | None = None
    slice_agreement: SliceAgreement | None = None
    slice_accuracy: SliceAccuracy | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """Those that are looked at."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


class RolloutRules(BaseModel):
    """How a challenger is rolled out.

    Attributes:
        ends: `promote`: one that has passed every step becomes champion; `compare`: the champion stays, whatever came.
        confidence: that nothing is shown which is not so, over the whole rollout: every step, condition, class, look.
        by: what a request is assigned by: its own id, or the subject that it names (law 1: the same in every replica).
        kept: share of the requests whose comparison is kept; flush_s: after which it is written.
        patience_s: an answer of the challenger that takes longer is given by the champion, and has failed.
        steps: shadows first, then canaries whose shares never fall.
    """

    model_config = _FROZEN

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    ends: Literal["promote", "compare"]
    confidence: Annotated[_Number, Field(ge=0.8, le=0.9999)]
    by: Literal["request", "subject"]
    kept: _Share
    flush_s: _Seconds
    patience_s: _Seconds
    trip: Trip
    steps: Annotated[tuple[StepRules, ...], Field(min_length=1, max_length=MOST_STEPS)]
    conditions: Conditions

    @model_validator(mode="after")
    def _consistent(self) -> RolloutRules:
        faults = [*_faults_of_steps(self.steps), *_faults_of_conditions(self)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @cached_property
    def digest(self) -> str:
        """Hex sha256 over the content, without comments and layout."""
        return digest_of(self.model_dump(mode="json"))

    @cached_property
    def shadows(self) -> tuple[int, ...]:
        """Indexes of the steps in which the challenger answers nobody."""
        return tuple(index for index, step in enumerate(self.steps) if step.shadow)

    @cached_property
    def canaries(self) -> tuple[int, ...]:
        """Indexes of the steps in which both answer; where the share is 1 there is no champion to compare with."""
        return tuple(index for index, step in enumerate(self.steps) if not step.shadow and step.share < 1)

    @classmethod
    def load(cls, path: Path) -> RolloutRules:
        """Read one file of policies/rollout/.

        Raises:
            PolicyError: every fault of the file at once.
        """
        return load_model(path, cls, kind="rollout policy")


def _faults_of_steps(steps: tuple[StepRules, ...]) -> Iterator[str]:
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        yield f"steps must not have one name twice, as in {', '.join(names)}"
    for step in steps:
        if step.longest_hours <= step.hours:
            yield f"step {step.name}: longest_hours {step.longest_hours:g} must lie above hours {step.hours:g}"
    for before, step in pairwise(steps):
        if step.shadow and not before.shadow:
            yield f"step {step.name}: shadows come first, and {before.name} before it is none"
        if not step.shadow and not before.shadow and step.share < before.share:
            yield f"step {step.name}: its share {step.share:g} must not fall below {before.name}'s {before.share:g}"


def _faults_of_conditions(rules: RolloutRules) -> Iterator[str]:
    conditions = rules.conditions
    if not conditions.named:
        yield "conditions must name one at least: nothing would ever be rolled back"
    for name in ("agreement", *SLICES):
        if getattr(conditions, name) is not None and not rules.shadows:
            yield f"conditions.{name} compares answers to the same sample, and no step is a shadow"
    if conditions.inputs is not None and not rules.canaries:
        yield "conditions.inputs compares the inputs of two arms, and no step is a canary below a share of 1"
    if not (rules.shadows or rules.canaries):
        yield "steps: at a share of 1 there is no champion to compare with, and no step is another"
    yield from _never_shown(rules)
    if rules.ends == "compare" and rules.steps[-1].share == 1 and not rules.steps[-1].shadow:
        yield f"step {rules.steps[-1].name}: a comparison ends with two arms, and at a share of 1 there is one"


def _never_shown(rules: RolloutRules) -> Iterator[str]:
    """Conditions that no answers could ever show where a step has no champion: it would wait for nothing."""
    alone = [step.name for step in rules.steps if step.share == 1 and not step.shadow]
    for name in rules.conditions.named if alone else ():
        condition = getattr(rules.conditions, name)
        in_each = name in ("errors", "latency") or not rules.shadows
        if isinstance(condition, Condition) and condition.shown and in_each:
            yield f"conditions.{name}.shown: in step {alone[0]} there is no champion to show it beside"
