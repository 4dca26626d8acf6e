"""What the page shows of classes, groups and models under stress, read out of a stress report. No markup here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from augment_ops.report.stress_summary import (
    ROLES,
    clean_accuracy,
    severities,
    share_range,
    stressed_accuracy,
    worst_classes,
)
from augment_ops.statistics import mean
from augment_ops.stress.classes import macro_f1, tail_recall
from augment_ops.stress.measures import corruption_error, worst_slice
from augment_ops.stress.report import CLEAN, Cell, CellRanking, Measures, Role, Slice, StressReport


@dataclass(frozen=True)
class ClassHeat:
    """Corruption by class: points of recall that the candidate loses against clean, averaged over severities.

    Attributes:
        classes: names of the columns, those that lose most first where not all are shown.
        rows: corruption and one loss for each class (a share), None where it has no recall.
        hidden: number of classes left out.
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    hidden: int


@dataclass(frozen=True)
class MeasureRow:
    """One measure, a value for each role in the order of the table, None where it was not measured."""

    name: str
    note: str
    kind: str  # share, points, ratio or decimals: how it is written
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Recall:
    """Recall of a class with its 95% interval (Wilson).

    Under stress it is the mean over all cells, and the interval that of n samples asked once: the cells show the same
    samples, so it is rather too wide than too narrow.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RecallRow:
    """A class: clean and stressed recall of each role in the order of the table."""

    name: str
    n: int
    values: tuple[tuple[Recall | None, Recall | None], ...]


@dataclass(frozen=True)
class GroupRow:
    """One group of a column: samples, and clean and stressed accuracy of each role."""

    group: str
    n: int
    values: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class GroupTable:
    """A metadata column; `gaps` are the differences between its groups, clean and stressed, for each role."""

    column: str
    rows: tuple[GroupRow, ...]
    gaps: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Destroyed:
    """What a corruption destroyed in one cell: share of the suite's samples, and causes in words."""

    share: float
    causes: str


@dataclass(frozen=True)
class DestroyedTable:
    """Corruptions that destroyed samples, by severity; None where a cell was not evaluated or destroyed none."""

    severities: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Destroyed | None, ...]], ...]


def destroyed_table(report: StressReport) -> DestroyedTable:
    """What is counted apart; it is the same for every role."""
    role = next(iter(report.models))
    levels = severities(report)
    rows = [(name, tuple(_destroyed(report.cell(role, name, s)) for s in levels)) for name in report.corruptions]
    return DestroyedTable(levels, tuple((name, row) for name, row in rows if any(row)))


def _destroyed(cell: Cell | None) -> Destroyed | None:
    if cell is None or cell.remains is None:
        return None
    return Destroyed(cell.destroyed_share, ", ".join(f"{cause} {n}" for cause, n in cell.remains.destroyed.items()))


def roles_of(report: StressReport) -> tuple[Role, ...]:
    """The roles that were evaluated, in the order of every table."""
    return tuple(role for role in ROLES if role in report.models)


def class_heat(report: StressReport, most: int) -> ClassHeat:
    """Where which class suffers; at most so many classes, those that lose most anywhere."""
    clean = report.cell("candidate", CLEAN, 0)
    losses = [[_loss(report, name, k) for k in range(len(report.classes))] for name in report.corruptions]
    worst = {
        k: max((row[k] or 0.0 for row in losses), default=0.0)
        for k in range(len(report.classes))
        if clean is not None and clean.class_recall[k] is not None
    }
    shown = sorted(worst) if len(worst) <= most else sorted(worst, key=lambda k: -worst[k])[:most]
    rows = tuple((name, tuple(row[k] for k in shown)) for name, row in zip(report.corruptions, losses, strict=True))
    return ClassHeat(tuple(report.classes[k] for k in shown), rows, len(report.classes) - len(shown))


def _loss(report: StressReport, corruption: str, k: int) -> float | None:
    """Mean over the severities that leave samples of the class, each against the same samples' clean recall."""
    clean = report.cell("candidate", CLEAN, 0)
    found = [cell for s in severities(report) if (cell := report.cell("candidate", corruption, s)) is not None]
    if clean is None:
        return None
    judged = [cell for cell in found if cell.class_n[k] or cell.remains is None]
    pairs = [(cell.class_before(clean)[k], cell.class_recall[k]) for cell in judged]
    falls = [b - a for b, a in pairs if b is not None and a is not None and math.isfinite(b - a)]
    return sum(falls) / len(falls) if falls and len(falls) == len(pairs) else None


def class_rows(report: StressReport, most: int) -> tuple[RecallRow, ...]:
    """Every class before (control) and after augmentation, the rarest first; at most so many."""
    clean = report.cell("candidate", CLEAN, 0)
    if clean is None:
        return ()
    rarest = sorted(range(len(report.classes)), key=lambda k: (clean.class_n[k], k))[:most]
    return tuple(
        RecallRow(
            report.classes[k],
            clean.class_n[k],
            tuple(
                (_recall(report, role, k, stressed=False), _recall(report, role, k, stressed=True))
                for role in roles_of(report)
            ),
        )
        for k in rarest
    )


def _recall(report: StressReport, role: Role, k: int, *, stressed: bool) -> Recall | None:
    found = [c for c in report.cells if c.role == role and (c.corruption != CLEAN) == stressed and c.class_n[k]]
    known = [r for r in (c.class_recall[k] for c in found) if r is not None and math.isfinite(r)]
    if not known or len(known) < len(found):
        return None
    value = sum(known) / len(known)
    return Recall(value, *share_range(value, min(c.class_n[k] for c in found)))


def measure_rows(report: StressReport) -> tuple[MeasureRow, ...]:
    """Every measure of a model as a whole."""
    roles = roles_of(report)

    def row(name: str, note: str, kind: str, read: Callable[[Role], float | None]) -> MeasureRow:
        return MeasureRow(name, note, kind, tuple(_finite(read(role)) for role in roles))

    stressed = "mean over all corruptions and severities"
    rows = [
        row("Accuracy, clean", "", "share", lambda role: clean_accuracy(report, role)),
        row("Accuracy, stressed", stressed, "share", lambda role: stressed_accuracy(report, role)),
        row("Balanced accuracy, clean", "mean recall of the classes", "share", lambda role: _clean(report, role)[0]),
        row("Balanced accuracy, stressed", stressed, "share", lambda role: _stressed(report, role)[0]),
        row("Macro F1, clean", "mean F1 of the classes", "share", lambda role: _macro_f1(report, role, stressed=False)),
        row("Macro F1, stressed", stressed, "share", lambda role: _macro_f1(report, role, stressed=True)),
        *_tail_rows(report, row, stressed),
        row("Lowest recall of a class", "under any corruption and severity", "share", lambda r: _lowest(report, r)),
        row("Calibration error, clean", "15 bins, Guo et al. 2017", "points", lambda role: _clean(report, role)[1]),
        row("Calibration error, stressed", stressed, "points", lambda role: _stressed(report, role)[1]),
        row(
            "Predictions that flip",
            "share of samples told otherwise than when clean",
            "share",
            lambda role: _stressed(report, role)[2],
        ),
    ]
    rows += _ranking_rows(report)
    if report.slices:
        rows.append(
            row(
                "Accuracy of the worst group, stressed",
                "of any metadata column",
                "share",
                lambda role: (worst_slice(report, role) or ("", "", math.nan))[2],
            )
        )
    for reference in ("control", "champion"):
        if reference in report.models:
            rows += [_errors(report, roles, reference, relative) for relative in (False, True)]
    return tuple(rows)


def _macro_f1(report: StressReport, role: Role, *, stressed: bool) -> float | None:
    beside = {(m.corruption, m.severity): m for m in report.measures if m.role == role}
    cells = [c for c in report.cells if c.role == role and (c.severity > 0) == stressed and c.n]
    if any((c.corruption, c.severity) not in beside for c in cells):
        return None
    return _mean_of(macro_f1(c, beside[c.corruption, c.severity]) for c in cells)


def _tail_rows(report: StressReport, row: Callable[..., MeasureRow], stressed_note: str) -> list[MeasureRow]:
    """None where the classes are so few that a fifth of them is no tail."""

    def read(role: Role, stressed: bool) -> float | None:
        return _mean_of(tail_recall(c) for c in report.cells if c.role == role and (c.severity > 0) == stressed and c.n)

    if all(read(role, False) is None for role in roles_of(report)):
        return []
    name = "Recall of the worst fifth of the classes"
    return [
        row(f"{name}, clean", "each model's own", "share", lambda role: read(role, False)),
        row(f"{name}, stressed", stressed_note, "share", lambda role: read(role, True)),
    ]


def _ranking_rows(report: StressReport) -> list[MeasureRow]:
    """What scores are worth where one class is looked for: order first, then as probabilities of the class."""
    roles = roles_of(report)
    found = {role: [r for r in report.rankings if r.role == role] for role in roles}

    def row(name: str, note: str, kind: str, read: Callable[[CellRanking], float | None], stressed: bool) -> MeasureRow:
        values = (_mean_of(read(r) for r in found[role] if (r.severity > 0) == stressed and r.n) for role in roles)
        return MeasureRow(name, note, kind, tuple(None if v is None else _finite(v) for v in values))

    if not report.rankings:
        return []
    stressed = "mean over all corruptions and severities"
    rows = [
        row("Average precision, clean", "whatever the rate of alerts", "share", lambda r: r.average_precision, False),
        row("Average precision, stressed", stressed, "share", lambda r: r.average_precision, True),
        row("Brier score of the class, clean", "0 is best", "decimals", lambda r: r.brier_score, False),
        row("Calibration error of the class, clean", "15 bins", "points", lambda r: r.calibration_error, False),
    ]
    if any(r.recall_at_precision is not None for r in report.rankings):
        note = "at the precision that the suite asks for"
        rows.insert(2, row("Recall at fixed precision, clean", note, "share", lambda r: r.recall_at_precision, False))
    return rows


def _mean_of(values: Iterable[float | None]) -> float | None:
    """None where there is none, or one was not measured."""
    found = list(values)
    known = [value for value in found if value is not None]
    return mean(known) if known and len(known) == len(found) else None


def _errors(report: StressReport, roles: tuple[Role, ...], reference: Role, relative: bool) -> MeasureRow:
    name = f"{'Relative c' if relative else 'C'}orruption error to the {reference}"
    note = "loss against clean; below 1 is more robust" if relative else "below 1 makes fewer errors under stress"
    values = (corruption_error(report, role, reference, relative=relative) for role in roles)
    return MeasureRow(name, note, "ratio", tuple(None if v is None else _finite(v) for v in values))


def group_tables(report: StressReport) -> tuple[GroupTable, ...]:
    """Groups by column; the gap between them is fairlearn's `difference`: the highest accuracy less the lowest."""
    roles, columns = roles_of(report), tuple(dict.fromkeys(s.column for s in report.slices))
    tables = []
    for column in columns:
        found = {(s.group, s.role): s for s in report.slices if s.column == column}
        names = tuple(dict.fromkeys(group for group, _ in found))
        rows = tuple(_group(name, [found.get((name, role)) for role in roles]) for name in names)
        gaps = tuple(_gap([found.get((name, role)) for name in names]) for role in roles)
        tables.append(GroupTable(column, rows, gaps))
    return tuple(tables)


def _group(name: str, found: list[Slice | None]) -> GroupRow:
    n = max((s.n for s in found if s is not None), default=0)
    return GroupRow(name, n, tuple(None if s is None else (s.clean, s.stressed) for s in found))


def _gap(found: list[Slice | None]) -> tuple[float, float] | None:
    known = [s for s in found if s is not None]
    if not known:
        return None
    clean, stressed = [s.clean for s in known], [s.stressed for s in known]
    return max(clean) - min(clean), max(stressed) - min(stressed)


def _clean(report: StressReport, role: Role) -> tuple[float, float]:
    found = [m for m in report.measures if m.role == role and m.corruption == CLEAN]
    return _mean(found)[:2]


def _stressed(report: StressReport, role: Role) -> tuple[float, float, float]:
    empty = {(c.corruption, c.severity) for c in report.cells if not c.n}
    found = [m for m in report.measures if m.role == role and m.corruption != CLEAN]
    return _mean([m for m in found if (m.corruption, m.severity) not in empty])


def _mean(found: list[Measures]) -> tuple[float, float, float]:
    """Balanced accuracy, calibration error, flips; NaN of nothing."""
    n = len(found) or math.nan
    return (
        sum(m.balanced_accuracy for m in found) / n,
        sum(m.calibration_error for m in found) / n,
        sum(m.flip_share for m in found) / n,
    )


def _lowest(report: StressReport, role: Role) -> float | None:
    if role == "candidate":
        return next((row.worst for row in worst_classes(report, 1)), None)
    found = [r for c in report.cells if c.role == role and c.severity for r in c.class_recall if r is not None]
    return min(found, default=None)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
