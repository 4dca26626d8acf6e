"""Which cells of a suite are fit to be judged on this data set, from what the corruptions left; no model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE
from augment_ops.stress.outcomes import Outcomes


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """A cell that destroys too much.

    Attributes:
        destroyed: of n samples.
        class_name: the class that it destroys too much of, or None; class_destroyed: of class_n samples of it.
        limit: the share, of the class where there is one, that may be destroyed; None where that is not the fault.
        needed: samples to judge by, where too few are left; None where that is not the fault.
    """

    corruption: str
    severity: int
    destroyed: int
    n: int
    class_name: str | None = None
    class_destroyed: int = 0
    class_n: int = 0
    limit: float | None = None
    needed: int | None = None

    def why(self, share: Callable[[float], str]) -> str:
        """What it destroys too much of, as a clause.

        Args:
            share: a share, as reasons say it (`Evidence.share`).
        """
        if self.destroyed == self.n:
            return "which is all of them"
        name, left = self.class_name, self.class_n - self.class_destroyed
        if self.limit is not None:
            of_class = f"and {self.class_destroyed} of {self.class_n} of class {name}, over"
            return f"{'more than' if name is None else of_class} {share(self.limit)}"
        if name is None:
            return f"which leaves {self.n - self.destroyed} where {self.needed} are needed to judge a gap"
        return f"which leaves {left} of class {name} where {self.needed} are needed to judge its recall"


def unfit(rules: GateRules, outcomes: Outcomes, corruption: str, severity: int) -> Unfit | None:
    """What makes a cell unfit, or None; a cell that is not there is another rule's fault."""
    if (corruption, severity) not in outcomes.addresses:
        return None
    left, n = outcomes.left[outcomes.addresses.index((corruption, severity))], len(outcomes.labels)
    kept = int(left.sum())
    if kept == n:
        return None
    cell = Unfit(corruption=corruption, severity=severity, destroyed=n - kept, n=n)
    return _too_much(rules, cell) or _of_a_class(rules, outcomes, left, cell)


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


def _too_much(rules: GateRules, cell: Unfit) -> Unfit | None:
    kept = cell.n - cell.destroyed
    if not kept:
        return cell
    if rules.fitness is not None and 1 - kept / cell.n > rules.fitness.max_destroyed + TOLERANCE:
        return replace(cell, limit=rules.fitness.max_destroyed)
    if kept < rules.invariance.min_n <= cell.n:
        return replace(cell, needed=rules.invariance.min_n)
    return None


def _of_a_class(rules: GateRules, outcomes: Outcomes, left: NDArray[np.bool_], cell: Unfit) -> Unfit | None:
    """Of classes whose recall can be judged when nothing is destroyed."""
    k, least = len(outcomes.classes), rules.class_recall.min_n
    counts = np.bincount(outcomes.labels, minlength=k)
    kept = np.bincount(outcomes.labels[left], minlength=k)
    large = np.flatnonzero(counts >= least)
    if not len(large):
        return None

    def of(label: int) -> Unfit:
        gone, n = int(counts[label] - kept[label]), int(counts[label])
        return replace(cell, class_name=outcomes.classes[label], class_destroyed=gone, class_n=n)

    worst = int(large[np.argmax(1 - kept[large] / counts[large])])
    if rules.fitness is not None and 1 - kept[worst] / counts[worst] > rules.fitness.max_class_destroyed + TOLERANCE:
        return replace(of(worst), limit=rules.fitness.max_class_destroyed)
    few = large[kept[large] < least]
    return replace(of(int(few[0])), needed=least) if len(few) else None
