"""How well scores order the samples of one class before all others, and what they are worth as probabilities.

Where one sample in a hundred is looked for, accuracy is decided by the other ninety-nine. These are about the one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from augment_ops.stress.measures import calibration_error
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import CellRanking, Role

Scores = NDArray[np.floating]
Wanted = NDArray[np.bool_]


def levels(wanted: Wanted, scores: Scores) -> NDArray[np.intp]:
    """The level of each sample among the distinct scores of those wanted, (N,), counted from 0 at the highest.

    A sample that is not wanted has the level of the lowest wanted score that is not above its own: at this threshold,
    and at every lower one, it is among those chosen. One below all wanted scores has the level after the last.

    Args:
        wanted: bool (N,), at least one of them true; scores: (N,), finite.
    """
    known = np.unique(scores[wanted])
    found: NDArray[np.intp] = len(known) - np.searchsorted(known, scores, side="right")
    return found


def precision_by_level(hits: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.float64]:
    """Precision at each threshold, (K,): of the samples down to a level, the share that is wanted; 0 where none is.

    Args:
        hits, others: (K,) samples of each level that are wanted, and that are not.
    """
    right = np.cumsum(hits)
    chosen = right + np.cumsum(others)
    return np.divide(right, chosen, out=np.zeros(len(hits)), where=chosen > 0)


def average_precision(wanted: Wanted, scores: Scores) -> float:
    """Mean precision over the samples that are wanted, each at the threshold of its own score; NaN where none is.

    Σ (R_k − R_{k−1}) · P_k over the distinct scores from the highest down, without interpolation: samples of equal
    scores are chosen together, so their order does not count. As `sklearn.metrics.average_precision_score`.

    Args:
        wanted: bool (N,); scores: (N,), finite.

    Source: Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, section 8.4.

    >>> average_precision(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])).__round__(4)
    0.8333
    """
    if not wanted.any():
        return math.nan
    hits, others = _counts(wanted, scores)
    return float((hits * precision_by_level(hits, others)).sum() / hits.sum())


def recall_at_precision(wanted: Wanted, scores: Scores, precision: float) -> float:
    """The largest share of those wanted that a threshold finds while at least so many of its choices are right.

    Returns:
        0 where no threshold is as precise; NaN where nothing is wanted.

    >>> recall_at_precision(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), 0.6)
    1.0
    """
    if not wanted.any():
        return math.nan
    hits, others = _counts(wanted, scores)
    enough = np.flatnonzero(precision_by_level(hits, others) >= precision)
    return float(hits[: enough[-1] + 1].sum() / hits.sum()) if len(enough) else 0.0


def brier_score(wanted: Wanted, scores: Scores) -> float:
    """Mean squared distance of the probability of the class from 1 where a sample is of it, from 0 where it is not.

    Source: Brier 1950, Monthly Weather Review 78(1).
    """
    return float(np.square(np.asarray(scores, np.float64) - wanted).mean())


def rankings(outcomes: Outcomes) -> tuple[CellRanking, ...]:
    """Every model in every cell, in the order of `measures.cells`; none where no class is looked for."""
    return tuple(
        _ranking(outcomes, role, m, c)
        for c in range(len(outcomes.addresses) if outcomes.alerts is not None else 0)
        for m, role in enumerate(outcomes.models)
    )


def _ranking(outcomes: Outcomes, role: Role, m: int, c: int) -> CellRanking:
    assert outcomes.alerts is not None and outcomes.scores is not None  # whoever calls has looked
    left, (corruption, severity) = outcomes.left[c], outcomes.addresses[c]
    wanted, scores = outcomes.wanted[left], outcomes.scores[m, c][left]
    precision = outcomes.alerts.precision
    found = [math.nan] * 4
    if wanted.any() and np.isfinite(outcomes.scores[m, c]).all():
        found = [
            average_precision(wanted, scores),
            math.nan if precision is None else recall_at_precision(wanted, scores, precision),
            brier_score(wanted, scores),
            calibration_error(scores, wanted),
        ]
    return CellRanking(
        role=role,
        corruption=corruption,
        severity=severity,
        n=int(wanted.sum()),
        average_precision=found[0],
        recall_at_precision=None if precision is None else found[1],
        brier_score=found[2],
        calibration_error=found[3],
    )


def _counts(wanted: Wanted, scores: Scores) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Samples of each level that are wanted, and that are not; those below all levels are left out."""
    found = levels(wanted, scores)
    count = int(found[wanted].max()) + 1
    return np.bincount(found[wanted], minlength=count), np.bincount(found[~wanted], minlength=count)[:count]
