"""What a drift check says to Prometheus, and that it takes back what an earlier one said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augment_ops.monitoring.drift.check import DriftReport, check_drift
from augment_ops.monitoring.drift.metrics import drift_samples
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.metrics import Metrics, fold

RULES = DriftRules.load(Path(__file__).parents[4] / "policies" / "drift" / "default.yaml")


def report(window: int | None, brightness: int = 0) -> DriftReport:
    pixels = np.random.default_rng(0).integers(60, 90, (600, 8, 8, 1), dtype=np.uint8)
    shown = None if window is None else Sample.of_payload("w", pixels[:window] + np.uint8(brightness))
    return check_drift(Sample.of_payload("r", pixels), shown, RULES)


def status_of(known: Metrics) -> dict[str, str]:
    return {labels[2]: labels[4] for name, labels in known if name == metrics.DRIFT_STATUS.name}


def test_features_that_drift_are_named_and_counted() -> None:
    known = fold({}, drift_samples("d", report(500, brightness=100)))
    assert status_of(known)["mean"] == "drift"
    assert known[metrics.DRIFT_EFFECT.name, ("d", "default", "mean", "psi")] > 0.25
    assert known[metrics.DRIFT_CHECKS.name, ("d", "default", "drift")] == 1
    assert known[metrics.DRIFT_WINDOW.name, ("d", "default")] == 500


def test_a_check_without_a_window_takes_back_the_drift_of_the_one_before() -> None:
    known = fold({}, drift_samples("d", report(500, brightness=100)))
    known = fold(known, drift_samples("d", report(None)))
    assert status_of(known) == {}
    assert known[metrics.DRIFT_BLIND.name, ("d", "default")] == 0
    assert not any(name == metrics.DRIFT_EFFECT.name for name, _ in known)


def test_a_window_that_is_too_small_is_blind() -> None:
    known = fold({}, drift_samples("d", report(50)))
    assert known[metrics.DRIFT_BLIND.name, ("d", "default")] == 1
    assert set(status_of(known).values()) == {"insufficient"}
