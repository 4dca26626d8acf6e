"""What a drift report says, as metrics: for the pipeline's own check and for whoever watches production."""

from __future__ import annotations

import math
import time

from augment_ops.monitoring.drift.check import DriftFinding, DriftReport
from augment_ops.monitoring.telemetry.metrics import (
    DRIFT_BLIND,
    DRIFT_CHECKED,
    DRIFT_CHECKS,
    DRIFT_EFFECT,
    DRIFT_STATUS,
    DRIFT_WINDOW,
    Observation,
)
from augment_ops.names import metric_name


def effects(report: DriftReport) -> dict[str, float]:
    """The effect of each finding, by its name in MLflow."""
    return {series_of(f): f.effect for f in report.features}


def series_of(finding: DriftFinding) -> str:
    """Name of a finding's series in MLflow: the same from window to window."""
    return f"drift.{metric_name(finding.name)}.{finding.detector}"


def drift_samples(dataset: str, report: DriftReport) -> list[Observation]:
    """The observations of one drift check of a data set.

    The status of a feature is a label, so that an alert can name the features that drifted.
    """
    about = {"dataset": dataset, "rules": report.rules}
    samples = [
        DRIFT_CHECKS.add(1, status=report.status, **about),
        DRIFT_CHECKED.set(time.time(), **about),
        DRIFT_WINDOW.set(report.n_window, **about),
        DRIFT_BLIND.set(report.blind or report.status == "insufficient", **about),
        # What an earlier check found must not stand for this one, which may have found nothing.
        DRIFT_STATUS.unknown(**about),
        DRIFT_EFFECT.unknown(**about),
    ]
    for feature in report.features:
        compared = {"feature": feature.name, "detector": feature.detector}
        samples.append(DRIFT_STATUS.set(1, status=feature.status, **compared, **about))
        if not math.isnan(feature.effect):
            samples.append(DRIFT_EFFECT.set(feature.effect, **compared, **about))
    return samples
