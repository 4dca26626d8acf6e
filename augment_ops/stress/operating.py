"""The threshold that a model would run with: chosen before the test, by one rule for every model, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Payload
from augment_ops.statistics import wilson
from augment_ops.stress.asked import Alerts
from augment_ops.stress.ordering import Scores, Wanted, levels, precision_by_level
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import OperatingPoint, Role, ShareOf


@dataclass(frozen=True)
class HeldBack:
    """What thresholds are chosen on: samples that were neither learnt from nor are tested on.

    Attributes:
        labels: int64 (N,).
    """

    samples: Payload
    labels: NDArray[np.int64]


def threshold_of(alerts: Alerts, wanted: Wanted, scores: Scores) -> float | None:
    """The score from which on an alert is raised.

    For a rate, the lowest score at or above which no larger share of the samples lies; one alert is always raised, so
    that of the highest score where more than that share has it. For a precision, the lowest at which so many alerts
    are right: that finds the most.

    Args:
        wanted: bool (N,); scores: float32 (N,), finite, of the samples held back.

    Returns:
        None where no threshold is asked for, there is no sample to choose it on, or none is as precise.
    """
    if alerts.threshold is None or not len(scores):
        return None
    if alerts.threshold == "rate":
        found, counts = np.unique(scores, return_counts=True)
        at_or_above = np.cumsum(counts[::-1])[::-1]
        within = np.flatnonzero(at_or_above <= alerts.rate * len(scores))
        return float(found[within[0]] if len(within) else found[-1])
    assert alerts.precision is not None  # `alerts_fault` asks for it
    if not wanted.any():
        return None
    of, known = levels(wanted, scores), np.unique(scores[wanted])[::-1]
    hits, others = np.bincount(of[wanted], minlength=len(known)), np.bincount(of[~wanted], minlength=len(known))
    enough = np.flatnonzero(precision_by_level(hits, others[: len(known)]) >= alerts.precision)
    return float(known[enough[-1]]) if len(enough) else None


def operating_points(outcomes: Outcomes) -> tuple[OperatingPoint, ...]:
    """What each model's threshold gives on the clean samples; none where no threshold is asked for."""
    if outcomes.alerts is None or outcomes.alerts.threshold is None:
        return ()
    return tuple(_point(outcomes, role, m) for m, role in enumerate(outcomes.models))


def _point(outcomes: Outcomes, role: Role, m: int) -> OperatingPoint:
    assert outcomes.scores is not None  # there are alerts
    threshold, scores, wanted = outcomes.thresholds.get(role), outcomes.scores[m, 0], outcomes.wanted
    if threshold is None or not np.isfinite(scores).all():
        return OperatingPoint(role=role, threshold=threshold)
    raised = scores >= np.float32(threshold)
    return OperatingPoint(
        role=role,
        threshold=threshold,
        alerts=_share(raised),
        recall=_share(raised[wanted]),
        precision=_share(wanted[raised]),
    )


def _share(of: NDArray[np.bool_]) -> ShareOf | None:
    """None of nothing."""
    if not len(of):
        return None
    return ShareOf(float(of.mean()), *wilson(int(of.sum()), len(of)), len(of))
