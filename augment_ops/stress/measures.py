"""Measures as pure functions of per-sample outcomes: what the report says, and what the gate computes again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from augment_ops.statistics import mean
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import CLEAN, Cell, Measures, Remains, Role, StressReport
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER

# Guo et al. 2017 use 15 bins of equal width.
CALIBRATION_BINS = 15


def cells(outcomes: Outcomes) -> tuple[Cell, ...]:
    """Accuracy and recalls, address by address and role by role within."""
    return tuple(
        _cell(outcomes, role, m, corruption, severity, c)
        for c, (corruption, severity) in enumerate(outcomes.addresses)
        for m, role in enumerate(outcomes.models)
    )


def measures(outcomes: Outcomes) -> tuple[Measures, ...]:
    """The other measures, in the order of `cells`."""
    return tuple(
        _measures(outcomes, role, m, corruption, severity, c)
        for c, (corruption, severity) in enumerate(outcomes.addresses)
        for m, role in enumerate(outcomes.models)
    )


def _cell(outcomes: Outcomes, role: Role, m: int, corruption: str, severity: int, c: int) -> Cell:
    left, k = outcomes.left[c], len(outcomes.classes)
    labels, right = outcomes.labels[left], outcomes.right[m, c][left]
    finite = _finite(outcomes, m, c)
    class_n = np.bincount(labels, minlength=k)
    recall = _quotients(np.bincount(labels[right], minlength=k), class_n, finite)
    accuracy = float(right.mean()) if finite and len(labels) else math.nan
    rest = _remains(outcomes, m, c)
    return Cell(
        role=role,
        corruption=corruption,
        severity=severity,
        n=len(labels),
        accuracy=accuracy,
        class_n=tuple(class_n.tolist()),
        class_recall=recall,
        remains=rest,
    )


def _remains(outcomes: Outcomes, m: int, c: int) -> Remains | None:
    """None where nothing is destroyed."""
    left, k = outcomes.left[c], len(outcomes.classes)
    if outcomes.destroyed is None or left.all():
        return None
    counts = np.bincount(outcomes.destroyed[c], minlength=len(outcomes.causes) + 1)[1:]
    labels, right, finite = outcomes.labels[left], outcomes.right[m, 0][left], _finite(outcomes, m, 0)
    clean = float(right.mean()) if finite and len(labels) else math.nan
    recall = _quotients(np.bincount(labels[right], minlength=k), np.bincount(labels, minlength=k), finite)
    causes = zip(outcomes.causes, counts.tolist(), strict=True)
    return Remains({cause: n for cause, n in causes if n}, clean, recall)


def _measures(outcomes: Outcomes, role: Role, m: int, corruption: str, severity: int, c: int) -> Measures:
    left, k = outcomes.left[c], len(outcomes.classes)
    labels, right = outcomes.labels[left], outcomes.right[m, c][left]
    guesses, finite = outcomes.answered[m, c][left], _finite(outcomes, m, c)
    if not finite or not len(labels):
        return Measures(
            role=role,
            corruption=corruption,
            severity=severity,
            balanced_accuracy=math.nan,
            class_precision=(math.nan,) * k,
            calibration_error=math.nan,
            flip_share=math.nan,
        )
    hits = np.bincount(labels[right], minlength=k)
    recalls = [r for r in _quotients(hits, np.bincount(labels, minlength=k), finite) if r is not None]
    precision = _quotients(hits, np.bincount(guesses, minlength=k), finite)
    return Measures(
        role=role,
        corruption=corruption,
        severity=severity,
        balanced_accuracy=mean(recalls),
        class_precision=precision,
        calibration_error=calibration_error(outcomes.p_predicted[m, c][left], right),
        flip_share=float((guesses != outcomes.answered[m, 0][left]).mean()),
    )


def _finite(outcomes: Outcomes, m: int, c: int) -> bool:
    """Of destroyed samples too: a model that answers an empty sample with no number fails where it is used."""
    return bool((outcomes.predicted[m, c] != NOT_A_NUMBER).all())


def _quotients(hits: NDArray[np.intp], of: NDArray[np.intp], finite: bool) -> tuple[float | None, ...]:
    return tuple(
        (float(k / n) if finite else math.nan) if n else None for k, n in zip(hits.tolist(), of.tolist(), strict=True)
    )


def confusion(outcomes: Outcomes, role: Role) -> tuple[tuple[int, ...], ...]:
    """Rows true class, columns predicted, on clean samples; predictions that are not finite are left out."""
    k = len(outcomes.classes)
    guesses = outcomes.answered[list(outcomes.models).index(role), 0]
    finite = guesses != NOT_A_NUMBER
    flat = np.bincount(outcomes.labels[finite].astype(np.int64) * k + guesses[finite], minlength=k * k)
    return tuple(tuple(row) for row in flat.reshape(k, k).tolist())


def calibration_bins(confidence: NDArray[np.floating]) -> NDArray[np.intp]:
    """Bin 0 to 14 of each confidence: (0, 1/15], (1/15, 2/15], …, (14/15, 1]."""
    scaled = np.ceil(np.asarray(confidence, np.float64) * CALIBRATION_BINS) - 1
    bins: NDArray[np.intp] = np.clip(scaled, 0, CALIBRATION_BINS - 1).astype(np.intp)
    return bins


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy, bin by bin, weighted by samples.

    Args:
        confidence: (N,), probability of the predicted class.
        right: bool (N,).

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3, with its 15 bins of equal width.
    """
    excess = np.asarray(confidence, np.float64) - right
    sums = np.bincount(calibration_bins(confidence), weights=excess, minlength=CALIBRATION_BINS)
    return float(np.abs(sums).sum() / len(right))


def corruption_error(report: StressReport, role: Role, reference: Role, *, relative: bool = False) -> float | None:
    """Mean corruption error of `role` with `reference` in the place of AlexNet; below 1 is more robust.

    The quotient of the summed errors over severities, averaged over corruptions; with `relative` of the summed errors
    less the clean one, which is robustness beyond what a better clean accuracy brings.

    Returns:
        None where an error is missing or not a number, or the reference makes none (or, relative, loses nothing).

    Source: Hendrycks & Dietterich 2019, arXiv:1903.12261, section 4.1.
    """
    quotients = []
    for name in (n for n in report.corruptions if any(c.n for c in report.cells if c.corruption == n)):
        ours, theirs = (_summed_error(report, r, name, relative) for r in (role, reference))
        if not (math.isfinite(ours) and math.isfinite(theirs) and theirs > 0):
            return None
        quotients.append(ours / theirs)
    return mean(quotients) if quotients else None


def _summed_error(report: StressReport, role: Role, corruption: str, relative: bool) -> float:
    """Over the cells in which something is left: they are the same for every role."""
    clean = report.cell(role, CLEAN, 0)
    found = [c for c in report.cells if c.role == role and c.corruption == corruption and c.n]
    if clean is None or not found:
        return math.nan
    return math.fsum(1 - cell.accuracy - (1 - cell.before(clean) if relative else 0.0) for cell in found)


def worst_slice(report: StressReport, role: Role) -> tuple[str, str, float] | None:
    """Column, group and stressed accuracy of the group that fares worst; None without groups."""
    found = [(s.stressed, s.column, s.group) for s in report.slices if s.role == role and math.isfinite(s.stressed)]
    return min(((column, group, value) for value, column, group in found), key=lambda s: s[2], default=None)


def worst_classes_in_turn(rows: NDArray[np.intp], labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> list[int]:
    """Rows by round: the first of each class, worst recall first, then the second of each, and so on."""
    seen: dict[int, int] = {}
    order = []
    for row in rows.tolist():
        label = int(labels[row])
        recall = float((guesses[labels == label] == label).mean())
        order.append((seen.get(label, 0), recall, label, row))
        seen[label] = seen.get(label, 0) + 1
    return [row for *_, row in sorted(order)]
