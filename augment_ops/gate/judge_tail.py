"""The rule about the classes that are found worst, taken together: one by one they have too few samples to tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.decision import Evidence, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.gains import gain, gain_interval, shown
from augment_ops.gate.phrasing import listed, points
from augment_ops.gate.rule_models import Tail
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE, Estimate
from augment_ops.stress.report import Role


def tail(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """Mean recall of the worst classes on clean samples, against the control and, where there is one, the champion.

    The worst are those that both models together find worst: chosen by one of them alone, the other would gain by the
    choice. Nothing where no rule is set.
    """
    rule = rules.tail
    if rule is None or cells.clean("candidate") is None:
        return []
    if evidence.control_digest is None:
        message = "There is no control to compare the recall of the worst classes with; train one."
        return [Reason(rule="tail", outcome="error", message=message)]
    others: tuple[Role, ...] = ("control",) if evidence.champion_version is None else ("control", "champion")
    return [_compared(rules, rule, cells, against) for against in others if cells.clean(against) is not None]


def _compared(rules: GateRules, rule: Tail, cells: Cells, against: Role) -> Reason:
    share = cells.share
    worst = _worst(rule, cells, against)
    n = int(np.isin(cells.samples.outcomes.labels, worst).sum())
    if n < rule.min_n:
        message = f"The classes found worst have {n} samples in the suite; {rule.min_n} are needed."
        return Reason(
            rule="tail", outcome="investigate", message=message, threshold=float(rule.min_n), n=n, against=against
        )
    loss = _loss(rule, cells, against, worst)
    ours, theirs = (_mean_recall(cells, role, worst) for role in ("candidate", against))
    names = listed(tuple(cells.classes[label] for label in worst.tolist()))
    message = (
        f"Of the classes found worst ({names}) the candidate finds {share(ours)}, "
        f"{points(-loss.value, sign=True)} against the {against}'s {share(theirs)} "
        f"({gain_interval(rules, loss)}); "
        f"at most {points(rule.margin)} less must be shown."
    )
    return gain("tail", shown(rules, loss), message, loss, against)


def _worst(rule: Tail, cells: Cells, against: Role) -> NDArray[np.intp]:
    """The labels of the tail, the worst first; at least one class."""
    labels = cells.samples.outcomes.labels
    there = np.unique(labels).astype(np.intp)
    found = [_mean_recall(cells, "candidate", [label]) + _mean_recall(cells, against, [label]) for label in there]
    count = max(1, int(rule.share * len(there) + TOLERANCE))
    worst: NDArray[np.intp] = there[np.argsort(found, kind="stable")[:count]]
    return worst


def _mean_recall(cells: Cells, role: Role, classes: NDArray[np.intp] | list[np.intp]) -> float:
    right, labels = cells.samples.right(role), cells.samples.outcomes.labels
    return float(np.mean([right[labels == label].mean() for label in classes]))


def _loss(rule: Tail, cells: Cells, against: Role, worst: NDArray[np.intp]) -> Estimate:
    """Every class counts the same, and is resampled by itself."""
    labels, bootstrap = cells.samples.outcomes.labels, cells.samples.bootstrap
    losses = cells.samples.differences("candidate", against, ())
    of_class = [losses[labels == label] for label in worst]
    value = float(np.mean([of.mean() for of in of_class]))
    n = sum(map(len, of_class))
    if np.ptp(np.concatenate(of_class)) == 0:  # resampling sees no uncertainty where no sample tells the models apart
        return bootstrap.alike(value, n, rule.margin)
    means = [bootstrap.means(f"tail {against} {label}", of) for label, of in zip(worst, of_class, strict=True)]
    return bootstrap.judged(value, np.mean(means, axis=0), n, rule.margin)
