"""The rules that read groups of samples and the confidence of predictions: bias, its amplification, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.decision import Evidence, Outcome, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.phrasing import listed, of, points
from augment_ops.gate.rule_models import Groups
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE, Estimate, corrected
from augment_ops.stress.outcomes import NO_GROUP
from augment_ops.stress.report import Role

_ONE_CLASS = (
    3  # format of the evidence from which on a group without the class that is looked for is none of its groups
)


@dataclass(frozen=True)
class _Pair:
    """The best and the worst group of a column, as the candidate treats them."""

    column: str
    stressed: bool
    best: str
    worst: str
    best_rows: NDArray[np.bool_]
    worst_rows: NDArray[np.bool_]


def groups(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """The gap between the best and the worst group, and what the augmentation adds to it."""
    rule, columns = rules.groups, cells.samples.outcomes.columns
    if rule is None:
        there = f", though the snapshot has {listed(tuple(columns))}" if columns else ""
        return [
            Reason(
                rule="groups", outcome="not-set", message=f"No rule is set: gaps between groups are not judged{there}."
            )
        ]
    if not cells.complete("candidate"):
        return []
    wanted = tuple(columns) if rule.columns == "all" else rule.columns
    absent = tuple(column for column in wanted if column not in columns)
    if absent:
        message = f"The snapshot has no column {listed(absent)} that forms groups; the rules ask for it."
        return [Reason(rule="groups", outcome="error", message=message)]
    if not wanted:
        return [
            Reason(
                rule="groups",
                outcome="not-set",
                message="The snapshot has no column that forms groups: no gap can be judged.",
            )
        ]
    reasons, pairs = [], []
    today = evidence.format >= _ONE_CLASS
    of_one_class = rules.alerts is not None and today
    for column in wanted:
        reasons += list(_doubts(rule, cells, column, of_one_class))
        pairs += [pair for stressed in (False, True) if (pair := _pair(rule, cells, column, stressed)) is not None]
    judged = evidence.control_digest is not None and cells.complete("control")
    plural = evidence.plural
    measure = rules.measure if today else "accuracy"
    reasons += _gaps(rules, cells, pairs, plural, f"{measure[:1].upper()}{measure[1:]}")
    return reasons + (_amplified(rules, cells, pairs, plural) if judged else [])


def _doubts(rule: Groups, cells: Cells, column: str, of_one_class: bool) -> Iterator[Reason]:
    codes, names = _codes(cells, column), cells.samples.outcomes.columns[column]
    missing = int((codes == NO_GROUP).sum())
    if missing:
        message = f"{missing} of {len(codes)} samples have no {column}: their group cannot be judged."
        yield Reason(rule="groups", outcome="investigate", message=message, n=missing, group=f"{column}=")
    for code, name in enumerate(names):
        n = int((codes == code).sum())
        if n < rule.min_n and not (of_one_class and n == 0):  # a kind of fraud has no genuine payments, and the reverse
            message = f"Group {column}={name} has {n} samples in the suite; {rule.min_n} are needed to judge it."
            yield Reason(
                rule="groups",
                outcome="investigate",
                message=message,
                threshold=float(rule.min_n),
                n=n,
                group=f"{column}={name}",
            )


def _pair(rule: Groups, cells: Cells, column: str, stressed: bool) -> _Pair | None:
    codes, names = _codes(cells, column), cells.samples.outcomes.columns[column]
    values = _values(cells, "candidate", stressed)
    codes = np.where(np.isnan(values), NO_GROUP, codes)  # a sample of which no cell left anything
    large = [code for code in range(len(names)) if (codes == code).sum() >= rule.min_n]
    if len(large) < 2:
        return None
    ordered = sorted(large, key=lambda code: (float(values[codes == code].mean()), code))
    worst, best = ordered[0], ordered[-1]
    return _Pair(column, stressed, names[best], names[worst], codes == best, codes == worst)


def _gaps(rules: GateRules, cells: Cells, pairs: list[_Pair], plural: str, measure: str) -> list[Reason]:
    assert rules.groups is not None
    limit = rules.groups.max_gap
    estimates = corrected(
        [_difference(cells, pair, _values(cells, "candidate", pair.stressed), "gap", limit) for pair in pairs]
    )
    return [
        _reason(
            rules,
            pair,
            gap,
            f"{measure} {_where(pair, plural)} is {points(gap.value)} higher in {pair.column}={pair.best} than in "
            f"{pair.column}={pair.worst}",
        )
        for pair, gap in zip(pairs, estimates, strict=True)
    ]


def _amplified(rules: GateRules, cells: Cells, pairs: list[_Pair], plural: str) -> list[Reason]:
    assert rules.groups is not None
    limit = rules.groups.max_amplification
    estimates = corrected(
        [
            _difference(
                cells,
                pair,
                _values(cells, "candidate", pair.stressed) - _values(cells, "control", pair.stressed),
                "amplified",
                limit,
            )
            for pair in pairs
        ]
    )
    return [
        _reason(
            rules,
            pair,
            more,
            f"Augmentation changes the gap {_where(pair, plural)} between {pair.column}={pair.best} and {pair.worst} "
            f"by {points(more.value, sign=True)}",
            against=True,
        )
        for pair, more in zip(pairs, estimates, strict=True)
    ]


def _difference(cells: Cells, pair: _Pair, values: NDArray[np.float64], what: str, limit: float) -> Estimate:
    """Mean of the better group less that of the worse; the groups are resampled each by itself."""
    bootstrap, name = cells.samples.bootstrap, f"{what} {pair.column} {pair.stressed}"
    best, worst = values[pair.best_rows], values[pair.worst_rows]
    means = bootstrap.means(f"{name} best", best) - bootstrap.means(f"{name} worst", worst)
    return bootstrap.judged(float(best.mean() - worst.mean()), means, len(best) + len(worst), limit)


def _reason(rules: GateRules, pair: _Pair, estimate: Estimate, found: str, *, against: bool = False) -> Reason:
    outcome: Outcome = "pass"
    if estimate.beyond:
        outcome = "fail" if estimate.p_harm <= rules.statistics.alpha else "investigate"
    message = f"{found} ({of(estimate, rules.statistics.confidence)}); at most {points(estimate.limit)} is accepted."
    return Reason(
        rule="groups",
        outcome=outcome,
        message=message,
        measured=estimate.value,
        threshold=estimate.limit,
        n=estimate.n,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p_harm,
        against="control" if against else None,
        group=f"{pair.column}={pair.worst}",
    )


def calibration(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """How far confidence is from accuracy on clean samples."""
    share = cells.share
    rule, clean = rules.calibration, cells.clean("candidate")
    if rule is None:
        return [
            Reason(
                rule="calibration",
                outcome="not-set",
                message="No rule is set: how far confidence can be trusted is not judged.",
            )
        ]
    if clean is None:
        return []
    estimate = cells.samples.calibration(rule.block_error)
    outcome: Outcome = "pass"
    if estimate.value >= rule.block_error - TOLERANCE:
        outcome = "fail"
    elif estimate.value >= rule.warn_error - TOLERANCE:
        outcome = "warn"
    limit = rule.block_error if outcome == "fail" else rule.warn_error
    message = (
        f"The expected calibration error on clean {evidence.plural} is {share(estimate.value)} (limit {share(limit)})."
    )
    return [
        Reason(
            rule="calibration",
            outcome=outcome,
            message=message,
            measured=estimate.value,
            threshold=limit,
            n=estimate.n,
            low=estimate.low,
            high=estimate.high,
        )
    ]


def _where(pair: _Pair, plural: str) -> str:
    return "under stress" if pair.stressed else f"on clean {plural}"


def _codes(cells: Cells, column: str) -> NDArray[np.int16]:
    outcomes = cells.samples.outcomes
    codes: NDArray[np.int16] = outcomes.groups[list(outcomes.columns).index(column)]
    return codes


def _values(cells: Cells, role: Role, stressed: bool) -> NDArray[np.float64]:
    if not stressed:
        return cells.samples.right(role).astype(np.float64)
    return cells.samples.stressed(role, cells.corruptions)
