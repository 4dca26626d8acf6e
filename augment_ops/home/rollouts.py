"""Rollouts: two versions side by side, with what is known of each condition as answers came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from augment_ops.home.sources import Sources
from augment_ops.rollout.evidence import SeriesPoint
from augment_ops.rollout.judge import MeasuredCondition
from augment_ops.rollout.phrases import sentence
from augment_ops.rollout.rules import ABOUT_INPUTS
from augment_ops.rollout.state import rollouts
from augment_ops.rollout.story import Story, kind_of, story

SHOWN = 12  # newest rollouts: a story is read from the store each time
_WIDE, _HIGH = 320.0, 96.0  # of a chart, in units of its own
_ROOM = 0.08  # of the height, above and below


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """How the interval of one condition has narrowed.

    Attributes:
        name: of the condition; text: what is known of it now, a sentence.
        state: holds, open or broken.
        band, line: points of the interval and of what was measured, as SVG has them.
        limit: height of the rules' limit.
        first, last: answers of the challenger at both ends.
    """

    name: str
    text: str
    state: str
    band: str
    line: str
    limit: float
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class ShownStep:
    """A step as a row."""

    name: str
    kind: str
    answers: int
    began: str
    stands: str


@dataclass(frozen=True, kw_only=True)
class ShownRollout:
    """One rollout."""

    story: Story
    state: str
    steps: tuple[ShownStep, ...]
    charts: tuple[IntervalChart, ...]
    known: tuple[tuple[str, str], ...]  # state and sentence of each class or input that a condition is about


def shown_rollouts(sources: Sources) -> list[ShownRollout]:
    """The newest rollouts of all data sets, the newest first."""
    acts = sources.counted()
    datasets = {entry.subjects.get("version", "").rpartition("/")[0] for entry in acts if entry.act == "rollout-start"}
    every = [one for dataset in datasets for one in rollouts(acts, dataset)]
    newest = sorted(every, key=lambda one: -int(one.id))[:SHOWN]
    return [_shown(story(sources.workspace.store, one)) for one in newest]


def _shown(told: Story) -> ShownRollout:
    rollout = told.rollout
    steps = (
        ShownStep(
            name=one.rules.name, kind=kind_of(one.rules), answers=one.rules.answers, began=one.began, stands=one.stands
        )
        for one in told.steps
    )
    return ShownRollout(
        story=told,
        state=(rollout.outcome or rollout.state).replace("_", " "),
        steps=tuple(steps),
        charts=tuple(_charts(told)),
        known=tuple(_of_classes(told)),
    )


def _charts(told: Story) -> Iterator[IntervalChart]:
    if told.seen is None or told.rules is None:
        return
    for name in told.rules.conditions.named:
        points = [(point, one) for point in told.seen.series if (one := _latest(point.measured, name)) is not None]
        if points:
            yield _chart(name, points, sentence(told.rules, points[-1][1]))


def _latest(measured: Iterable[MeasuredCondition], name: str) -> MeasuredCondition | None:
    """What is known of a condition as a whole: of its latest step, where each is measured by itself."""
    found = [one for one in measured if one.condition == name and (not one.about or name in ABOUT_INPUTS)]
    return max(found, key=lambda one: -1 if one.step is None else one.step, default=None)


def _of_classes(told: Story) -> Iterator[tuple[str, str]]:
    for one in told.seen.measured if told.seen is not None and told.rules is not None else ():
        if one.about and one.condition not in ABOUT_INPUTS and told.rules is not None:
            yield one.state, sentence(told.rules, one)


def _chart(name: str, points: Sequence[tuple[SeriesPoint, MeasuredCondition]], text: str) -> IntervalChart:
    ends = [(one.estimate if end is None else end) for _, one in points for end in (one.low, one.high)]
    values = [*ends, *(one.limit for _, one in points), *(one.estimate for _, one in points)]
    low, high = min(values), max(values)
    answers = [max(point.answers, 1) for point, _ in points]
    across = math.log(answers[-1] / answers[0]) or 1.0

    def place(n: int, value: float) -> str:
        return f"{_WIDE * math.log(n / answers[0]) / across:.1f},{_height(value, low, high):.1f}"

    upper = [
        place(n, one.estimate if one.high is None else one.high) for n, (_, one) in zip(answers, points, strict=True)
    ]
    lower = [
        place(n, one.estimate if one.low is None else one.low) for n, (_, one) in zip(answers, points, strict=True)
    ]
    return IntervalChart(
        name=name,
        text=text,
        state=points[-1][1].state,
        band=" ".join([*upper, *reversed(lower)]),
        line=" ".join(place(n, one.estimate) for n, (_, one) in zip(answers, points, strict=True)),
        limit=round(_height(points[-1][1].limit, low, high), 1),
        first=answers[0],
        last=answers[-1],
    )


def _height(value: float, low: float, high: float) -> float:
    room = _ROOM * _HIGH
    return room + (_HIGH - 2 * room) * (high - value) / ((high - low) or 1.0)
