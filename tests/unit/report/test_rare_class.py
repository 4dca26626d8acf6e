"""What page and tracking say where one class is looked for, of every model."""

from __future__ import annotations

import pytest

from augment_ops.gate.rules import GateRules, load
from augment_ops.pipeline.recorders.mlflow import _points
from augment_ops.report.page import render
from augment_ops.report.robustness import measure_rows
from augment_ops.stress.asked import Alerts
from augment_ops.stress.report import StressReport
from support.looked_for import FRAUDS, GOOD, RATE, outcomes_of, report_of
from support.places import POLICIES
from support.report_page import Page, inputs


@pytest.fixture(scope="module")
def report() -> StressReport:
    rules: GateRules = load(POLICIES / "gates" / "default.yaml")
    return report_of(rules, outcomes_of(rules, GOOD, precision=0.9))


def test_each_model_has_its_order_and_what_its_scores_are_worth_as_probabilities(report: StressReport) -> None:
    rows = {row.name: row for row in measure_rows(report)}
    clean, stressed = (rows[f"Average precision, {where}"].values for where in ("clean", "stressed"))
    assert clean[0] == clean[1] and stressed[0] > stressed[1]  # candidate and control, as they catch
    assert rows["Recall at fixed precision, clean"].values == (380 / FRAUDS, 380 / FRAUDS)
    assert {"Brier score of the class, clean", "Calibration error of the class, clean"} <= set(rows)
    assert rows["Macro F1, clean"].values[0] is not None
    shown = Page(render(inputs(stress=report))).row_with("Average precision, stressed")
    assert "%" in shown[1] and shown[1] != shown[2]


def test_tracking_has_them_by_severity(report: StressReport) -> None:
    points = {(name, step): value for name, value, step in _points(report)}
    clean = next(one for one in report.orderings if one.role == "control" and one.severity == 0)
    assert points["ordering.control.clean.average_precision", 0] == clean.average_precision
    assert points["ordering.candidate.rotation.recall_at_precision", 5] == 370 / FRAUDS
    assert ("stress.candidate.clean.macro_f1", 0) in points


def test_what_thresholds_give_is_a_table_of_its_own(report: StressReport) -> None:
    rules: GateRules = load(POLICIES / "gates" / "default.yaml")
    alerts = Alerts(class_name="fraud", rate=RATE, threshold="rate")
    found = report_of(rules, outcomes_of(rules, GOOD, alerts=alerts, thresholds={"candidate": 0.25, "control": None}))
    page = render(inputs(stress=found))
    assert "At the threshold" in page and "95.0% (92.4% to 96.7%)" in page
    points = {name: value for name, value, _ in _points(found)}
    assert points["operating.candidate.threshold"] == 0.25 and points["operating.candidate.precision"] == 1
    assert "operating.control.threshold" not in points
    assert "At the threshold" not in render(inputs(stress=report))


def test_where_no_class_is_looked_for_nothing_is_said_of_one() -> None:
    page = render(inputs())
    assert "Average precision" not in page and "Macro F1, clean" in page
