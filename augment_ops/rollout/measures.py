"""The conditions of a rollout, measured: counts to estimates with intervals that hold at every moment of all of it.

Over a whole rollout nothing may be shown that is not so, with a chance of more than 1 − confidence. So that chance, α,
is divided: each condition that the rules have takes an equal part. What depends on how a version is served (errors,
latency) is measured in each step by itself, because a later step may show what an earlier one cannot; the part of such
a condition is divided among the steps. What a model says of a sample does not: pairs of all shadows are one sample, and
have one half of the part where there are canaries as well, of which each is compared by itself. (Canaries are not added
up: most of the champion's answers are from early ones and most of the challenger's from late ones, so whatever changes
with time would be taken for a difference; Simpson 1951, J. R. Stat. Soc. B 13(2).) Classes share by `of_many`, for
nobody knows how many will come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.rollout.judge import MeasuredCondition, State
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.sequential import difference_interval, mean_interval, of_many, quantile_interval
from augment_ops.rollout.tally import DIFFERENCES, EDGES, PROBABILITIES, Counts, Tally

# Classes that are looked at one by one, the most frequent of them: a judgement takes milliseconds, and of the others
# there are too few answers to show anything at their part of α.
MOST_CLASSES = 1000

_TWO, _THREE = np.array([0.0, 1.0]), np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """What a condition is measured by.

    Attributes:
        step: up to which; alpha: the condition's part of α.
    """

    rules: RolloutRules
    tally: Tally
    step: int
    alpha: float

    @property
    def canaries(self) -> list[int]:
        """Those that have begun."""
        return [index for index in self.rules.canaries if index <= self.step]

    @property
    def of_step(self) -> float:
        """Part of α of one step, where each is measured by itself."""
        return self.alpha / (len(self.rules.shadows) + len(self.rules.canaries))

    @property
    def of_pairs(self) -> float:
        """Part of α of all shadows."""
        return self.alpha / 2 if self.rules.canaries else self.alpha

    @property
    def of_canary(self) -> float:
        """Part of α of one canary, beside `of_pairs`."""
        return (self.alpha / 2 if self.rules.shadows else self.alpha) / len(self.rules.canaries)


def measure(rules: RolloutRules, tally: Tally, step: int) -> tuple[MeasuredCondition, ...]:
    """What is known of every condition but `inputs`, in this step and those before it; nothing where nothing came.

    Args:
        step: index of the step that runs.
    """
    alpha = alpha_of(rules)
    case = _Case(rules=rules, tally=tally, step=step, alpha=alpha)
    return tuple(one for name in rules.conditions.named if name in _MEASURES for one in _MEASURES[name](case))


def alpha_of(rules: RolloutRules) -> float:
    """The part of 1 − confidence that each condition has."""
    return (1 - rules.confidence) / len(rules.conditions.named)


def _agreement(case: _Case) -> Iterator[MeasuredCondition]:
    rule = case.rules.conditions.agreement
    assert rule is not None  # named
    by_class = {name: counts for name, counts in case.tally.agreement.items() if counts.sum()}
    alpha = case.alpha if rule.class_at_least is None else case.alpha / 2
    if not by_class:
        return
    whole = np.sum(list(by_class.values()), axis=0)
    low, high = mean_interval(_TWO, whole, alpha)
    yield _measured("agreement", "", None, whole[1] / whole.sum(), low, high, rule.at_least, whole.sum(), _at_least)
    if rule.class_at_least is None:
        return
    names, counts, each = _most_frequent(by_class, alpha)
    for name, of, low, high in zip(names, counts, *mean_interval(_TWO, counts, each), strict=True):
        share = of[1] / of.sum()
        yield _measured("agreement", name, None, share, low, high, rule.class_at_least, of.sum(), _at_least)


def _errors(case: _Case) -> Iterator[MeasuredCondition]:
    rule = case.rules.conditions.errors
    assert rule is not None  # named
    for index in (*case.rules.shadows, *case.canaries):
        if index in case.rules.shadows:
            counts = case.tally.failed_pairs[index]
            n, ends = counts.sum(), mean_interval(_THREE, counts, case.of_step)
            more = (counts[2] - counts[0]) / max(n, 1)
        else:
            champion, challenger = case.tally.failed_sides[index]
            n, ends = challenger.sum(), difference_interval(_TWO, challenger, champion, case.of_step)
            more = challenger[1] / max(n, 1) - champion[1] / max(champion.sum(), 1)
        if n:
            yield _measured("errors", "", index, more, *ends, rule.increase_at_most, n, _at_most)


def _latency(case: _Case) -> Iterator[MeasuredCondition]:
    rule = case.rules.conditions.latency
    assert rule is not None  # named
    least = rule.floor_ms / 1000
    for index in (*case.rules.shadows, *case.canaries):
        champion, challenger = case.tally.latency[index]
        if not (champion.sum() and challenger.sum()):
            continue
        low, high = quantile_interval(EDGES, challenger, rule.quantile, case.of_step / 2)
        other_low, other_high = quantile_interval(EDGES, champion, rule.quantile, case.of_step / 2)
        ends = max(low, least) / max(other_high, least), _ratio(max(high, least), max(other_low, least))
        ratio = max(_quantile(challenger, rule.quantile), least) / max(_quantile(champion, rule.quantile), least)
        at_least = max(ends[0], 0.0)
        yield _measured("latency", "", index, ratio, at_least, ends[1], rule.ratio_at_most, challenger.sum(), _at_most)


def _confidence(case: _Case) -> Iterator[MeasuredCondition]:
    """Of pairs where there are shadows: they know a hundred times as much as two samples of the same size."""
    rule = case.rules.conditions.confidence
    assert rule is not None  # named
    if case.rules.shadows:
        counts = case.tally.confidence_pairs
        if n := counts.sum():
            ends = mean_interval(DIFFERENCES, counts, case.alpha)
            moved = counts @ DIFFERENCES / n
            yield _measured("confidence", "", None, moved, *ends, rule.shift_at_most, n, _either_way)
        return
    for index in case.canaries:
        champion, challenger = case.tally.confidence_sides[index]
        if champion.sum() and challenger.sum():
            ends = difference_interval(PROBABILITIES, challenger, champion, case.of_canary)
            means = [side @ PROBABILITIES / side.sum() for side in (champion, challenger)]
            moved, n = means[1] - means[0], challenger.sum()
            yield _measured("confidence", "", index, moved, *ends, rule.shift_at_most, n, _either_way)


def _accuracy(case: _Case) -> Iterator[MeasuredCondition]:
    rule = case.rules.conditions.accuracy
    assert rule is not None  # named
    pairs, sides = case.tally.right_pairs, case.tally.right_sides
    if pairs:
        whole = np.sum(list(pairs.values()), axis=0)
        yield from _losses("accuracy", [""], whole[None], case.of_pairs, rule.loss_at_most, rule.labels)
    for index in case.canaries if sides else ():
        both = np.sum([counts[index] for counts in sides.values()], axis=0)
        yield from _apart("accuracy", [""], both[None], index, case.of_canary, rule.loss_at_most, rule.labels)


def _recall(case: _Case) -> Iterator[MeasuredCondition]:
    rule = case.rules.conditions.recall
    assert rule is not None  # named
    if case.tally.right_pairs:
        names, counts, alpha = _most_frequent(case.tally.right_pairs, case.of_pairs)
        yield from _enough(_losses("recall", names, counts, alpha, rule.loss_at_most, rule.labels), rule.labels)
    for index in case.canaries:
        found = {name: of[index] for name, of in case.tally.right_sides.items() if of[index].sum()}
        if found:
            names, counts, alpha = _most_frequent(found, case.of_canary)
            judged = _apart("recall", names, counts, index, alpha, rule.loss_at_most, rule.labels)
            yield from _enough(judged, rule.labels)


def _losses(
    condition: str, names: list[str], counts: Counts, alpha: float, limit: float, labels: int
) -> Iterator[MeasuredCondition]:
    """What the challenger loses on the same samples: (K, 4) of neither, challenger, champion, both right."""
    three = np.stack([counts[:, 1], counts[:, 0] + counts[:, 3], counts[:, 2]], axis=1)
    for name, of, low, high in zip(names, three, *mean_interval(_THREE, three, alpha), strict=True):
        n = int(of.sum())
        judged = _at_most if n >= labels else _too_few
        yield _measured(condition, name, None, (of[2] - of[0]) / n, low, high, limit, n, judged)


def _apart(
    condition: str, names: list[str], counts: Counts, index: int, alpha: float, limit: float, labels: int
) -> Iterator[MeasuredCondition]:
    """What the challenger loses on samples of its own: (K, 2, 2) of wrong and right by side."""
    champion, challenger = counts[:, 0], counts[:, 1]
    ends = difference_interval(_TWO, champion, challenger, alpha)
    for name, of, low, high in zip(names, counts, *ends, strict=True):
        n = of.sum(axis=1)
        if n.all():
            loss = of[0, 1] / n[0] - of[1, 1] / n[1]
            judged = _at_most if n.min() >= labels else _too_few
            yield _measured(condition, name, index, loss, low, high, limit, n[1], judged)


def _enough(measured: Iterator[MeasuredCondition], labels: int) -> Iterator[MeasuredCondition]:
    """Of classes, those of which enough labels have come: a rare one is no reason to wait."""
    return (one for one in measured if one.n >= labels)


def _most_frequent(by_class: Mapping[str, Counts], alpha: float) -> tuple[list[str], Counts, float]:
    """The classes that are looked at, their counts (K, …), and the part of α of each."""
    names = sorted(by_class, key=lambda name: (-int(by_class[name].sum()), name))[:MOST_CLASSES]
    return names, np.stack([by_class[name] for name in names]), alpha * of_many(len(by_class))


def _quantile(counts: Counts, quantile: float) -> float:
    """The edge below which so many are; the last one where they are beyond it."""
    place = int(np.searchsorted(np.cumsum(counts), quantile * counts.sum()))
    return float(EDGES[min(place, len(EDGES) - 1)])


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else np.inf


def _measured(
    condition: str,
    about: str,
    step: int | None,
    estimate: Any,
    low: Any,
    high: Any,
    limit: float,
    n: Any,
    state: Callable[[float, float, float], State],
) -> MeasuredCondition:
    return MeasuredCondition(
        condition=condition,
        about=about,
        step=step,
        estimate=float(estimate),
        low=float(low) if np.isfinite(low) else None,
        high=float(high) if np.isfinite(high) else None,
        limit=limit,
        n=int(n),
        state=state(float(low), float(high), limit),
    )


def _at_most(low: float, high: float, limit: float) -> State:
    return "broken" if low > limit else "holds" if high <= limit else "open"


def _at_least(low: float, high: float, limit: float) -> State:
    return "broken" if high < limit else "holds" if low >= limit else "open"


def _either_way(low: float, high: float, limit: float) -> State:
    if low > limit or high < -limit:
        return "broken"
    return "holds" if -limit <= low and high <= limit else "open"


def _too_few(_low: float, _high: float, _limit: float) -> State:
    return "open"


_MEASURES: dict[str, Callable[[_Case], Iterator[MeasuredCondition]]] = {
    "agreement": _agreement,
    "errors": _errors,
    "latency": _latency,
    "confidence": _confidence,
    "accuracy": _accuracy,
    "recall": _recall,
}
