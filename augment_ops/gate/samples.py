"""Per-sample outcomes as the rules ask them: differences of two models, or of two cells, on the very same samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.statistics import TOLERANCE, Bootstrap, Estimate
from augment_ops.stress.measures import CALIBRATION_BINS, calibration_bins, calibration_error
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import CLEAN, Role

# The interval of the calibration error is shown and decides nothing: a thousand resamples draw it well enough.
_CALIBRATION_RESAMPLES = 1_000
_CHUNK = 50  # resamples at a time: bounds the memory to a few megabytes


@dataclass(frozen=True)
class VerifiedOutcomes:
    """The outcomes that a report follows from, found to be those.

    Attributes:
        outcomes: of the samples that are judged.
        whole: of all samples and single classes: others than `outcomes` where alerts for one class are judged, or
            classes as one.
        judged: corruption → severities that are judged.
    """

    outcomes: Outcomes
    whole: Outcomes
    bootstrap: Bootstrap
    judged: Mapping[str, tuple[int, ...]]

    def right(self, role: Role, corruption: str = CLEAN, severity: int = 0) -> NDArray[np.bool_]:
        """Which samples of a cell the model has right, bool (N,)."""
        place = self.outcomes.at(role, corruption, severity)
        assert place is not None  # who asks has seen that the cell is there
        found: NDArray[np.bool_] = self.outcomes.right[place]
        return found

    def left(self, corruption: str, severity: int) -> NDArray[np.bool_]:
        """Of which samples the corruption left something, bool (N,)."""
        found: NDArray[np.bool_] = self.outcomes.left[self.outcomes.addresses.index((corruption, severity))]
        return found

    def hits(self, role: Role, corruptions: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64 (N,) both: in how many of the judged cells each sample is right, and in how many it is left."""
        total, cells = (np.zeros(len(self.outcomes.labels), np.int64) for _ in range(2))
        for name in corruptions:
            for severity in self.judged[name]:
                left = self.left(name, severity)
                total += self.right(role, name, severity) & left
                cells += left
        return total, cells

    def stressed(self, role: Role, corruptions: tuple[str, ...]) -> NDArray[np.float64]:
        """(N,): share of the judged cells, of those it is left in, in which each sample is right; NaN where in none."""
        return _quotient(*self.hits(role, corruptions))

    def differences(self, worse: Role, better: Role, corruptions: tuple[str, ...]) -> NDArray[np.float64]:
        """(N,): how much more often `better` is right than `worse`; on clean samples where `corruptions` is empty.

        NaN where a sample is left in no cell.
        """
        if not corruptions:
            return self.right(better).astype(np.float64) - self.right(worse)
        (theirs, cells), (ours, _) = self.hits(better, corruptions), self.hits(worse, corruptions)
        return _quotient(theirs - ours, cells)

    def gap(self, corruption: str, severity: int, limit: float) -> Estimate:
        """What a corruption costs the candidate: clean accuracy less the cell's, on the samples that are left."""
        lost = self.right("candidate").astype(np.float64) - self.right("candidate", corruption, severity)
        return self.bootstrap.mean(f"gap {corruption} {severity}", lost[self.left(corruption, severity)], limit)

    def loss(self, against: Role, corruptions: tuple[str, ...], limit: float, label: int | None = None) -> Estimate:
        """Accuracy that the candidate is below `against`, on all samples or on those of one class.

        Two roles with the same model have no difference, and no uncertainty about it.
        """
        rows = slice(None) if label is None else self.outcomes.labels == label
        values = self.differences("candidate", against, corruptions)[rows]
        values = values[~np.isnan(values)]
        if self.outcomes.models["candidate"] == self.outcomes.models[against]:
            beyond = limit < -TOLERANCE
            return Estimate(
                value=0.0,
                low=0.0,
                high=0.0,
                n=len(values),
                limit=limit,
                p_harm=0.0 if beyond else 1.0,
                p_safe=1.0 if beyond else 0.0,
            )
        name = f"loss {against} {' '.join(corruptions) or CLEAN} {'' if label is None else label}"
        return self.bootstrap.mean(name, values, limit)

    def calibration(self, limit: float) -> Estimate:
        """Expected calibration error of the candidate on clean samples."""
        place = self.whole.at("candidate")
        assert place is not None
        confidence = self.whole.p_predicted[place]
        right = np.asarray(self.whole.predicted[place] == self.whole.labels)
        value = calibration_error(confidence, right)
        n, bins = len(right), calibration_bins(confidence)
        excess = confidence.astype(np.float64) - right
        rng, errors = self.bootstrap.stream("calibration"), []
        for _ in range(_CALIBRATION_RESAMPLES // _CHUNK):
            rows = rng.integers(0, n, (_CHUNK, n))
            places = bins[rows] + CALIBRATION_BINS * np.arange(_CHUNK)[:, None]
            sums = np.bincount(places.ravel(), weights=excess[rows].ravel(), minlength=CALIBRATION_BINS * _CHUNK)
            errors.append(np.abs(sums.reshape(_CHUNK, CALIBRATION_BINS)).sum(axis=1) / n)
        return self.bootstrap.judged(value, np.concatenate(errors), n, limit)


def _quotient(of: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(of, by, out=np.full(len(of), np.nan), where=by > 0)
    return found
