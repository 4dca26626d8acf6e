"""Whether a challenger fails on inputs of one kind: looked at each time there are twice as many pairs.

What goes wrong on one sample in fifty is not seen in any mean. So answers to the same samples, of the shadows, are also
compared slice by slice: where a number lies among the lowest or the highest of the traffic or is missing, where a text
has one value. How often the two say the same there is the condition `slice_agreement`; how much accuracy is lost there,
`slice_accuracy`.

Which slices there are depends on the inputs of all pairs so far and on no answer, so they are formed anew at each look.
The k-th look is at 200 · 2^k pairs and has the part of α that `of_many` gives it, divided among its slices: whoever
looks later makes all earlier looks again, of the same pairs (`looked_pairs.py`). What the two said is known at the
look, so that a share of agreement needs no interval for all moments: it has the exact one (Clopper & Pearson 1934,
Biometrika 26(4)), which shows as much from half as many. Labels come later, and a loss of accuracy has an interval that
holds however many of them have come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from augment_ops.monitoring.drift.detectors.histogram import is_numeric
from augment_ops.rollout.judge import MeasuredCondition, State
from augment_ops.rollout.measures import alpha_of
from augment_ops.rollout.rules import SLICES, RolloutRules
from augment_ops.rollout.sequential import mean_interval, of_many

# Shares of the pairs that the lowest and the highest are: below the least of them there are too few to show anything of
# in a shadow of ten thousand answers; beyond the largest a class of ten shows it as well.
TAILS = (0.005, 0.02, 0.1)
# Of fewer nothing can be shown at a part of α, and a slice that nothing can be shown of takes its part from the others.
_LEAST = 20
_MOST_TEXTS = 50  # values of a text, the most frequent of them: a part of α for each is a larger effect for all
_TWO, _THREE = np.array([0.0, 1.0]), np.array([-1.0, 0.0, 1.0])

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedInputs:
    """N samples that both models answered, in the order in which they are looked at.

    Attributes:
        features: N numbers or texts by name.
        same: whether the two named one class.
        looks: of how many of them, the first ones, each look was made.
        lost: int64 (N,): 1 where the champion alone had it right, −1 where the challenger alone, 0 where both or
            neither; labelled: whether that is known.
    """

    features: Mapping[str, NDArray[Any]]
    same: Flags
    lost: NDArray[np.int64]
    labelled: Flags
    looks: tuple[int, ...]

    def first(self, n: int) -> PairedInputs:
        """The first n of them."""
        features = {name: values[:n] for name, values in self.features.items()}
        same, lost, labelled = self.same[:n], self.lost[:n], self.labelled[:n]
        return PairedInputs(features=features, same=same, lost=lost, labelled=labelled, looks=self.looks)


def measure_slices(rules: RolloutRules, pairs: PairedInputs) -> tuple[MeasuredCondition, ...]:
    """Of each of the two conditions the slices that are broken, or the one that stands worst; nothing before the first
    look.
    """
    found: list[MeasuredCondition] = []
    for condition in SLICES:
        if getattr(rules.conditions, condition) is not None:
            found += _at_looks(rules, condition, pairs)
    return tuple(found)


def _at_looks(rules: RolloutRules, condition: str, pairs: PairedInputs) -> list[MeasuredCondition]:
    """At the first look that shows some to be broken, or at the last one."""
    measured: list[MeasuredCondition] = []
    for look, n in enumerate(pairs.looks, 1):
        if not n:  # all of its pairs are gone from the logs
            continue
        measured = _measured(rules, condition, pairs.first(n), alpha_of(rules) * of_many(look))
        if broken := [one for one in measured if one.state == "broken"]:
            return broken
    worst = min(measured, key=_room, default=None)
    return [] if worst is None else [worst]


def _room(one: MeasuredCondition) -> float:
    """How far its interval is from being broken, in the direction of that."""
    assert one.low is not None and one.high is not None  # of both conditions
    return one.high if one.condition == "slice_agreement" else -one.low


def _measured(rules: RolloutRules, condition: str, pairs: PairedInputs, alpha: float) -> list[MeasuredCondition]:
    slices = list(_slices(pairs.features))
    if not slices:
        return []
    rows, each = np.stack([where for _, where in slices]), alpha / len(slices)
    if condition == "slice_agreement":
        rule = rules.conditions.slice_agreement
        assert rule is not None  # asked for
        values, limit, least = _TWO, rule.at_least, 1
        counts = np.stack([(rows & ~pairs.same).sum(axis=1), (rows & pairs.same).sum(axis=1)], axis=1)
        low, high = _share_interval(counts, each)
    else:
        rule_of_labels = rules.conditions.slice_accuracy
        assert rule_of_labels is not None  # asked for
        values, limit, least = _THREE, rule_of_labels.loss_at_most, rule_of_labels.labels
        known = rows & pairs.labelled
        counts = np.stack([(known & (pairs.lost == lost)).sum(axis=1) for lost in (-1, 0, 1)], axis=1)
        low, high = mean_interval(values, counts, each)
    return [
        MeasuredCondition(
            condition=condition,
            about=slices[place][0],
            step=None,
            estimate=float(counts[place] @ values / counts[place].sum()),
            low=float(low[place]),
            high=float(high[place]),
            limit=limit,
            n=int(counts[place].sum()),
            state=_state(condition, float(low[place]), float(high[place]), limit),
        )
        for place in np.flatnonzero(counts.sum(axis=1) >= least)
    ]


def _share_interval(counts: NDArray[np.int64], alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the shares of the second of two counts, (S, 2), each (S,)."""
    others, hits = counts[:, 0], counts[:, 1]
    low = np.where(hits == 0, 0.0, betaincinv(np.maximum(hits, 1), others + 1, alpha / 2))
    high = np.where(others == 0, 1.0, betaincinv(hits + 1, np.maximum(others, 1), 1 - alpha / 2))
    return low, high


def _state(condition: str, low: float, high: float, limit: float) -> State:
    if condition == "slice_agreement":
        return "broken" if high < limit else "holds" if low >= limit else "open"
    return "broken" if low > limit else "holds" if high <= limit else "open"


def _slices(features: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, Flags]]:
    """What each is called, and which of the N samples are in it: enough, and not all."""
    for name, values in sorted(features.items()):
        found = _of_number(name, values) if is_numeric(values) else _of_text(name, values)
        yield from ((about, where) for about, where in found if _LEAST <= where.sum() < len(where))


def _of_number(name: str, values: NDArray[Any]) -> Iterator[tuple[str, Flags]]:
    number = values.astype(np.float64)
    known = np.sort(number[~np.isnan(number)])
    yield f"{name} is missing", np.isnan(number)
    seen: set[int] = set()
    for tail in TAILS:
        size = int(tail * len(known))
        if size == 0:
            continue
        for words, end, where in (
            ("at most", known[size - 1], number <= known[size - 1]),
            ("at least", known[-size], number >= known[-size]),
        ):
            # Of a number that many have in common, such as 0, so many are no tail; and one slice needs no second name.
            told = hash(where.tobytes())
            if where.sum() <= 2 * size and told not in seen:
                seen.add(told)
                yield f"{name} is {end:.4g} {words}", where


def _of_text(name: str, values: NDArray[Any]) -> Iterator[tuple[str, Flags]]:
    missing = np.array([value is None for value in values])
    yield f"{name} is missing", missing
    texts, counts = np.unique(values[~missing].astype(str), return_counts=True)
    for text in texts[np.argsort(-counts, kind="stable")][:_MOST_TEXTS]:
        yield f"{name} is {text[:80]!r}", ~missing & (values == text)
