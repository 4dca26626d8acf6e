"""The tiles: a few numbers that somebody looks at first, each with its interval and what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from augment_ops.quantities import milliseconds
from augment_ops.report import stress_summary
from augment_ops.report.brief import Brief
from augment_ops.report.conclusions import is_judged
from augment_ops.report.formats import percent, points, whole
from augment_ops.report.inputs import ReportInputs
from augment_ops.stress.report import Cell, Role, StressReport

_SAME = 5e-4  # shares that are written alike


@dataclass(frozen=True)
class Tile:
    """One headline number with its interval and what it is compared with."""

    name: str
    value: str
    notes: tuple[str, ...]


def tiles(inputs: ReportInputs, judged: StressReport | None, measure: str) -> list[Tile]:
    """What there is to say of a run, in the order in which it is asked.

    Args:
        judged: what headlines are about; measure: what its shares are called.
    """
    found = [] if judged is None or inputs.stress is None else list(_of_stress(inputs, inputs.stress, judged, measure))
    trained = inputs.candidate
    if trained:
        budget = (inputs.policy.get("budget") or {}).get("p95_ms")
        limit = "the policy states no budget" if budget is None else f"budget {milliseconds(budget)} a sample"
        took = milliseconds(trained.delivery.augment_p95_ms)
        found.append(Tile("Augmentation a sample, p95", took, (limit, trained.advice)))
    return found


def _of_stress(inputs: ReportInputs, stress: StressReport, judged: StressReport, measure: str) -> list[Tile]:
    found = []
    clean = judged.cell("candidate", "clean", 0)
    if clean is not None:
        beside = _against(judged, stress_summary.clean_accuracy)
        found.append(Tile(f"Clean {measure}", percent(clean.accuracy), (_spread(clean.accuracy, clean.n), *beside)))
    mean = stress_summary.stressed_accuracy(judged, "candidate")
    cells = len([c for c in judged.cells if c.role == "candidate" and c.severity and c.n])
    notes = (*_interval_of_mean(inputs.brief, mean), f"mean of {cells} corruption × severity cells")
    against = _against(judged, stress_summary.stressed_accuracy)
    found.append(Tile(f"{measure[:1].upper()}{measure[1:]} under stress", percent(mean), (*notes, *against)))
    if (worst := stress_summary.worst_gap(judged)) is not None:
        corruption, severity, loss = worst
        cell = judged.cell("candidate", corruption, severity)
        notes = (*_interval_of_loss(inputs, worst), f"{corruption.replace('_', ' ')}, severity {severity}")
        there = () if cell is None else _there(cell)
        reasons = inputs.decision.reasons if inputs.decision else ()
        aside = () if is_judged(reasons, corruption, severity) else ("the gate judges no loss there",)
        against_itself = f"against its own clean {measure}"
        found.append(
            Tile("Largest loss", f"{points(loss, sign=False)} points", (*notes, *there, against_itself, *aside))
        )
    # Where one class is judged alone it is the headline itself, and the lowest of all is told beside it.
    for row in stress_summary.worst_classes(judged if len(judged.classes) > 1 else stress, 1):
        where = f"class {row.name}, {row.corruption.replace('_', ' ')}, severity {row.severity}"
        found.append(Tile("Lowest class recall", percent(row.worst), (_spread(row.worst, row.n), where)))
    return found


def _spread(share: float, n: int) -> str:
    low, high = stress_summary.share_range(share, n)
    return f"95% interval {percent(low)} to {percent(high)}, n\u00a0=\u00a0{whole(n)}"


def _there(cell: Cell) -> tuple[str, ...]:
    return (f"to {percent(cell.accuracy)}, {_spread(cell.accuracy, cell.n)}",) if math.isfinite(cell.accuracy) else ()


def _interval_of_mean(brief: Brief | None, mean: float | None) -> tuple[str, ...]:
    """As the gate has drawn it, which knows which samples the cells share."""
    compared = None if brief is None else brief.compared
    if compared is None or len(compared.measured) < 2 or mean is None:
        return ()
    own = compared.measured[1]
    ends = f"{compared.confidence:.0%} interval {percent(own.low)} to {percent(own.high)}, n\u00a0=\u00a0{whole(own.n)}"
    if abs(own.share - mean) < _SAME:
        return (ends,)
    return (f"{percent(own.share)} of what the gate judges, {ends}",)


def _interval_of_loss(inputs: ReportInputs, worst: tuple[str, int, float]) -> tuple[str, ...]:
    """As the gate has it, where it measured the very same."""
    compared = None if inputs.brief is None else inputs.brief.compared
    level = "" if compared is None else f"{compared.confidence:.0%} "
    for one in inputs.decision.reasons if inputs.decision else ():
        if (one.corruption, one.severity, one.class_name) != (worst[0], worst[1], None) or one.measured is None:
            continue
        if one.low is not None and one.high is not None and math.isclose(one.measured, worst[2], abs_tol=1e-9):
            return (f"{level}interval {points(one.low, sign=False)} to {points(one.high, sign=False)} points",)
    return ()


def _against(stress: StressReport, measure: Callable[[StressReport, Role], float | None]) -> list[str]:
    own = measure(stress, "candidate")
    others: tuple[Role, ...] = ("control", "champion")
    notes = []
    for role in others:
        other = measure(stress, role) if role in stress.models else None
        if own is not None and other is not None:
            notes.append(f"{points(own - other)} points against {role} ({percent(other)})")
    return notes
