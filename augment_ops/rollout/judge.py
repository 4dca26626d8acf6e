"""Whether a rollout goes on, takes its next step, is rolled back or waits for a person: a pure function with reasons.

What is shown to be broken wins over everything. A step is passed when its answers and its hours are there, nothing is
shown to be broken, and what the rules want shown is shown. A canary needs answers of the champion as well: where there
is nothing to compare with, nothing can be shown. A step that takes too long ends as the rules say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from augment_ops.rollout.phrases import amount, hours_of, nothing_of, sentence
from augment_ops.rollout.rules import ABOUT_INPUTS, Condition, RolloutRules, StepRules

State = Literal["holds", "broken", "open"]
Action = Literal["go on", "advance", "roll back", "pause"]


@dataclass(frozen=True, kw_only=True)
class MeasuredCondition:
    """What the comparisons say of one condition.

    Attributes:
        about: the class, the input or the slice of inputs that it is about; empty for all.
        step: index of the step that it is from; None for all shadows together.
        estimate: what was measured.
        low, high: between which it lies, at every moment of the whole rollout; None where there is no such end.
        limit: of the rules.
        n: samples or requests of the challenger behind it, or those with a label.
        state: shown to hold, shown to be broken, or neither.
    """

    condition: str
    about: str
    step: int | None
    estimate: float
    low: float | None
    high: float | None
    limit: float
    n: int
    state: State


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is to be done.

    Attributes:
        reasons: for people, a sentence each, the decisive ones first.
    """

    action: Action
    reasons: tuple[str, ...]


def judge(
    rules: RolloutRules,
    step: int,
    measured: Sequence[MeasuredCondition],
    *,
    answers: int,
    champion_answers: int,
    hours: float,
) -> Judgement:
    """Judge a step at this moment.

    Args:
        step: its index.
        measured: by `measure`, of this step and all before it.
        answers: samples that the challenger was asked in this step.
        champion_answers: samples of its own that the champion answered in this step; in a shadow nobody counts them.
        hours: since the step began.
    """
    now = rules.steps[step]
    broken = [one for one in measured if one.state == "broken"]
    if broken:
        return Judgement(action="roll back", reasons=tuple(sentence(rules, one) for one in broken))
    missing = (*_missing(now, answers, champion_answers, hours), *_not_shown(rules, step, measured))
    if not missing:
        reached = f"{now.name}: {amount(answers)} answers in {hours_of(hours)}, and nothing is shown to be broken."
        return Judgement(action="advance", reasons=(reached, *_standing(rules, measured)))
    if hours > now.longest_hours:
        late = f"{now.name} has taken {hours_of(hours)}, and {hours_of(now.longest_hours)} is the longest."
        action: Action = "pause" if now.otherwise == "pause" else "roll back"
        return Judgement(action=action, reasons=(late, *missing, *_standing(rules, measured)))
    return Judgement(action="go on", reasons=(*missing, *_standing(rules, measured)))


def _missing(now: StepRules, answers: int, champion_answers: int, hours: float) -> Iterator[str]:
    if answers < now.answers:
        yield f"{now.name} has {amount(answers)} of {amount(now.answers)} answers."
    if champion_answers < now.champion_answers:
        few, wanted = amount(champion_answers), amount(now.champion_answers)
        yield f"{now.name} has {few} of {wanted} answers of the champion to compare with."
    if hours < now.hours:
        yield f"{now.name} has lasted {hours_of(hours)} of {hours_of(now.hours)}."


def _not_shown(rules: RolloutRules, step: int, measured: Sequence[MeasuredCondition]) -> Iterator[str]:
    """Conditions that have to be shown to hold, and are not: by this step, or by the shadows where those are enough."""
    for name in rules.conditions.named:
        condition = getattr(rules.conditions, name)
        if not (isinstance(condition, Condition) and condition.shown):
            continue
        found = [one for one in measured if one.condition == name and not one.about and one.step in (None, step)]
        if not any(one.state == "holds" for one in found):
            said = " ".join(sentence(rules, one) for one in found) or nothing_of(rules, name).capitalize()
            yield f"{name} has to be shown to hold, and is not. {said}"


def _standing(rules: RolloutRules, measured: Sequence[MeasuredCondition]) -> Iterator[str]:
    """What is known of each condition, and of what nothing is known."""
    for name in rules.conditions.named:
        found = [one for one in measured if one.condition == name]
        of_classes = [one for one in found if one.about and name not in ABOUT_INPUTS]
        yield from (sentence(rules, one) for one in found if one not in of_classes)
        if of_classes:
            holds = sum(one.state == "holds" for one in of_classes)
            yield f"{name}: none of {len(of_classes)} classes is shown to be broken, {holds} shown to hold."
        if not found:
            yield f"{name}: not judged, {nothing_of(rules, name)}"
