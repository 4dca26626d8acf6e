"""Which cells of a suite are fit to be judged on this data set, from what the corruptions left; no model is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.phrasing import share
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE
from augment_ops.stress.outcomes import Outcomes


@dataclass(frozen=True)
class Unfit:
    """A cell that destroys too much.

    Attributes:
        destroyed: of n samples.
        why: what it destroys too much of, as a clause.
        class_name: the class that it destroys too much of, or None.
    """

    corruption: str
    severity: int
    destroyed: int
    n: int
    why: str
    class_name: str | None


def unfit(rules: GateRules, outcomes: Outcomes, corruption: str, severity: int) -> Unfit | None:
    """What makes a cell unfit, or None; a cell that is not there is another rule's fault."""
    if (corruption, severity) not in outcomes.addresses:
        return None
    left, n = outcomes.left[outcomes.addresses.index((corruption, severity))], len(outcomes.labels)
    kept = int(left.sum())
    if kept == n:
        return None
    why, label = _too_much(rules, kept, n), None
    if not why:
        why, label = _of_a_class(rules, outcomes, left)
    if not why:
        return None
    return Unfit(corruption, severity, n - kept, n, why, None if label is None else outcomes.classes[label])


def judged(rules: GateRules, outcomes: Outcomes, corruptions: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Corruption → severities to judge: those that the rules ask for, for each unfit one the next fit one below."""
    asked = sorted(rules.invariance.severities)
    measured = range(1, max(asked) + 1)
    found = {}
    for name in corruptions:
        there = {s for s in measured if (name, s) in outcomes.addresses}
        fit = [s for s in measured if s in there and unfit(rules, outcomes, name, s) is None]
        instead = {s if s not in there else max((f for f in fit if f <= s), default=0) for s in asked}
        found[name] = tuple(sorted(instead - {0}))
    return found


def _too_much(rules: GateRules, kept: int, n: int) -> str:
    if not kept:
        return "which is all of them"
    if rules.fitness is not None and 1 - kept / n > rules.fitness.max_destroyed + TOLERANCE:
        return f"more than {share(rules.fitness.max_destroyed)}"
    if kept < rules.invariance.min_n <= n:
        return f"which leaves {kept} where {rules.invariance.min_n} are needed to judge a gap"
    return ""


def _of_a_class(rules: GateRules, outcomes: Outcomes, left: NDArray[np.bool_]) -> tuple[str, int | None]:
    """Of classes whose recall can be judged when nothing is destroyed."""
    k, least = len(outcomes.classes), rules.class_recall.min_n
    counts = np.bincount(outcomes.labels, minlength=k)
    kept = np.bincount(outcomes.labels[left], minlength=k)
    large = np.flatnonzero(counts >= least)
    if not len(large):
        return "", None
    worst = int(large[np.argmax(1 - kept[large] / counts[large])])
    if rules.fitness is not None and 1 - kept[worst] / counts[worst] > rules.fitness.max_class_destroyed + TOLERANCE:
        gone, most = counts[worst] - kept[worst], share(rules.fitness.max_class_destroyed)
        return f"and {gone} of {counts[worst]} of class {outcomes.classes[worst]}, over {most}", worst
    few = large[kept[large] < least]
    if len(few):
        label = int(few[0])
        name = outcomes.classes[label]
        return f"which leaves {kept[label]} of class {name} where {least} are needed to judge its recall", label
    return "", None
