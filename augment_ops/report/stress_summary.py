"""What the page and the plots read out of a stress report: gaps, gains, worst classes, intervals. No markup here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from augment_ops.statistics import wilson
from augment_ops.stress.report import CLEAN, Cell, Role, StressReport

ROLES: tuple[Role, ...] = ("candidate", "champion", "control")


@dataclass(frozen=True)
class Point:
    """Accuracy at one severity with its 95% interval; `y` is NaN where a prediction was not finite."""

    x: int
    y: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class GapRow:
    """One corruption; one value for each of the table's severities, None where the cell is missing or not a number."""

    corruption: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class GapTable:
    """Corruption by severity."""

    severities: tuple[int, ...]
    rows: tuple[GapRow, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class of the candidate: recall when clean, and where stress hurts it most."""

    name: str
    n: int
    clean: float | None
    worst: float
    corruption: str
    severity: int


def share_range(share: float, n: int) -> tuple[float, float]:
    """95% interval of a share of `n` samples, NaN where there is none."""
    return wilson(share * n, n) if n > 0 and math.isfinite(share) else (math.nan, math.nan)


def severities(report: StressReport) -> tuple[int, ...]:
    """All severities above clean, sorted."""
    return tuple(sorted({c.severity for c in report.cells if c.corruption != CLEAN}))


def role_curves(report: StressReport, corruption: str) -> dict[Role, tuple[Point, ...]]:
    """For each role that was evaluated, accuracy from clean (0) upwards."""
    curves: dict[Role, tuple[Point, ...]] = {}
    for role in ROLES:
        cells = [report.cell(role, CLEAN, 0), *(report.cell(role, corruption, s) for s in severities(report))]
        points = tuple(_point(c) for c in cells if c is not None)
        if points:
            curves[role] = points
    return curves


def gap_table(report: StressReport, role: Role) -> GapTable:
    """Clean accuracy less accuracy under corruption, on the samples it left, as shares; positive is worse."""
    clean = report.cell(role, CLEAN, 0)

    def pair(corruption: str, severity: int) -> tuple[float | None, float | None]:
        cell = report.cell(role, corruption, severity)
        if clean is None or cell is None:
            return None, None
        before = cell.before(clean)
        return before if math.isfinite(before) else None, _accuracy(cell)

    return _table(report, pair)


def gain_table(report: StressReport, over: Role) -> GapTable:
    """Accuracy of the candidate less that of `over` in each cell, as shares; positive is better."""
    return _table(
        report,
        lambda corruption, s: (
            _accuracy(report.cell("candidate", corruption, s)),
            _accuracy(report.cell(over, corruption, s)),
        ),
    )


def clean_accuracy(report: StressReport, role: Role) -> float | None:
    """Accuracy on the untouched held-out samples; None where it is missing or not a number."""
    return _accuracy(report.cell(role, CLEAN, 0))


def stressed_accuracy(report: StressReport, role: Role) -> float | None:
    """Mean over all corruptions and severities, each cell alike; None where any cell is missing or not a number.

    Cells of which nothing is left are left out.
    """
    cells = [report.cell(role, c, s) for c in report.corruptions for s in severities(report)]
    values = [_accuracy(cell) for cell in cells if cell is None or cell.n]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def worst_gap(report: StressReport) -> tuple[str, int, float] | None:
    """Corruption, severity and size of the candidate's largest loss against clean."""
    table = gap_table(report, "candidate")
    cells = [
        (row.corruption, s, value)
        for row in table.rows
        for s, value in zip(table.severities, row.values, strict=True)
        if value is not None
    ]
    return max(cells, key=lambda c: c[2], default=None)


def worst_classes(report: StressReport, limit: int) -> tuple[ClassRow, ...]:
    """The classes with the lowest recall under any corruption, lowest first."""
    clean = report.cell("candidate", CLEAN, 0)
    rows = (_class_row(report, clean, k) for k in range(len(report.classes)))
    found = sorted((r for r in rows if r is not None), key=lambda r: r.worst)
    return tuple(found[:limit])


def top_confusions(report: StressReport, limit: int) -> tuple[tuple[str, str, int, float], ...]:
    """True class, predicted class, samples and share of the true class, most frequent first (candidate, clean)."""
    matrix = report.confusion.get("candidate", ())
    found = [
        (report.classes[i], report.classes[j], count, count / max(sum(row), 1))
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return tuple(sorted(found, key=lambda f: (-f[2], f[0], f[1]))[:limit])


def _class_row(report: StressReport, clean: Cell | None, k: int) -> ClassRow | None:
    stressed: Iterable[tuple[float | None, Cell]] = (
        (c.class_recall[k], c) for c in report.cells if c.role == "candidate" and c.corruption != CLEAN
    )
    known = [(recall, c) for recall, c in stressed if recall is not None and math.isfinite(recall)]
    if not known:
        return None
    recall, cell = min(known, key=lambda item: item[0])
    return ClassRow(
        name=report.classes[k],
        n=cell.class_n[k],
        clean=None if clean is None else clean.class_recall[k],
        worst=recall,
        corruption=cell.corruption,
        severity=cell.severity,
    )


def _table(report: StressReport, pair: Callable[[str, int], tuple[float | None, float | None]]) -> GapTable:
    levels = severities(report)
    rows = []
    for corruption in report.corruptions:
        values = []
        for level in levels:
            a, b = pair(corruption, level)
            values.append(None if a is None or b is None else a - b)
        rows.append(GapRow(corruption, tuple(values)))
    return GapTable(levels, tuple(rows))


def _point(cell: Cell) -> Point:
    low, high = share_range(cell.accuracy, cell.n)
    return Point(cell.severity, cell.accuracy, low, high, cell.n)


def _accuracy(cell: Cell | None) -> float | None:
    return None if cell is None or not math.isfinite(cell.accuracy) else cell.accuracy
