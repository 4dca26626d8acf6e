"""What the outcomes say of one cell beyond its numbers: what is taken for what, and how sure is how right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment_ops.stress.measures import CALIBRATION_BINS, calibration_bins, calibration_error
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import CLEAN, Role
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Predictions of about the same confidence; one that is empty is left out.

    Attributes:
        low, high: of the confidence, 0 to 1: above `low`, up to and with `high`.
        n: predictions.
        confidence: their mean.
        right: how many of them are right.
    """

    low: float
    high: float
    n: int
    confidence: float
    right: int


@dataclass(frozen=True, kw_only=True)
class CellDetail:
    """One model on one corruption at one severity, of the samples that the corruption left something of.

    Attributes:
        corruption: `clean` with severity 0 for the untouched samples.
        class_n: samples of each class, in the order of the report's classes.
        taken: (true class, predicted class, samples), as indices of classes, where there are any; in that order.
        calibration_error: as `Measures` has it.
        bins: by confidence, the lowest first.
    """

    corruption: str
    severity: int
    class_n: tuple[int, ...]
    taken: tuple[tuple[int, int, int], ...]
    calibration_error: float
    bins: tuple[CalibrationBin, ...]

    @property
    def n(self) -> int:
        """Samples."""
        return sum(self.class_n)


def cell_detail(outcomes: Outcomes, role: Role, corruption: str = CLEAN, severity: int = 0) -> CellDetail | None:
    """Confusion and calibration of a cell.

    Returns:
        None where it was not evaluated, nothing is left of its samples, or a prediction was not finite.
    """
    place = outcomes.at(role, corruption, severity)
    if place is None or not outcomes.left[place[1]].any() or (outcomes.predicted[place] == NOT_A_NUMBER).any():
        return None
    left, k = outcomes.left[place[1]], len(outcomes.classes)
    labels, answered = outcomes.labels[left].astype(np.int64), outcomes.answered[place][left]
    pairs, counts = np.unique(labels * k + answered, return_counts=True)
    confidence, right = outcomes.p_predicted[place][left], outcomes.right[place][left]
    return CellDetail(
        corruption=corruption,
        severity=severity,
        class_n=tuple(np.bincount(labels, minlength=k).tolist()),
        taken=tuple((pair // k, pair % k, n) for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True)),
        calibration_error=calibration_error(confidence, right),
        bins=_bins(np.asarray(confidence, np.float64), right),
    )


def _bins(confidence: np.ndarray, right: np.ndarray) -> tuple[CalibrationBin, ...]:
    places = calibration_bins(confidence)
    counts, hits, sums = (
        np.bincount(places, weights=of, minlength=CALIBRATION_BINS) for of in (None, right, confidence)
    )
    return tuple(
        CalibrationBin(
            low=place / CALIBRATION_BINS,
            high=(place + 1) / CALIBRATION_BINS,
            n=int(counts[place]),
            confidence=float(sums[place] / counts[place]),
            right=int(hits[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    )
