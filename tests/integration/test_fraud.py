"""The handbook's card transactions through a whole run: trained on April and May, tested on June, customers known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.outputs import AugmentedCheck, Decided, StressTest
from augment_ops.quality.report import QualityReport
from augment_ops.settings import Settings
from augment_ops.training.result import TrainingResult
from support import fraud
from support.places import POLICIES
from support.state_folder import settings_in

pytestmark = pytest.mark.slow

JUNE_S = 1_527_811_200.0  # 2018-06-01 UTC


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with settings_in(tmp_path_factory.mktemp("home"), POLICIES) as found:
        yield found


@pytest.fixture(scope="module")
def outcome(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not fraud.ARCHIVE.is_file():
        pytest.skip(f"no {fraud.ARCHIVE}: set AUGMENT_OPS_TEST_DATA")
    path: Path = tmp_path_factory.mktemp("data") / "card-transactions.parquet"
    fraud.transactions(every=3).to_parquet(path, index=False)
    asked = {
        "dataset": str(path),
        "modality": "tabular",
        "columns": fraud.ROLES,
        "policy": "transactions-robust",
        "class_weight": "balanced",  # one fraud in 125 payments: without weights, half of them are missed
        "epochs": 1,
        **dict.fromkeys(("gate", "suite", "quality", "drift"), "transactions"),
    }
    return run_pipeline(asked, "fraud", quiet=True)


def output(settings: Settings, stage: str, kind: type[Any]) -> Any:
    return from_json(kind, Store(settings.store).get(execute(settings, "fraud", stage).output))


def test_april_and_may_are_learnt_from_and_june_is_tested(outcome: dict[str, Any], settings: Settings) -> None:
    manifest = output(settings, "ingest", SnapshotManifest)
    assert manifest.sample_shape == (12,) and manifest.defective == 0
    assert manifest.split_rule == "given by the source; validation from train, by time alone"
    index = Snapshot.open(Store(settings.store), manifest.digest).index
    times = index.groupby("split")["time"].agg(["min", "max"])
    assert times.loc["train", "max"] < times.loc["validation", "min"] <= times.loc["validation", "max"] < JUNE_S
    assert times.loc["test", "min"] >= JUNE_S


def test_customers_of_june_are_known_which_is_measured_and_no_fault(
    outcome: dict[str, Any], settings: Settings
) -> None:
    checks = {check.name: check for check in output(settings, "check_data", QualityReport).checks}
    assert checks["subjects-seen-before"].measured > 0.95 and checks["subjects-seen-before"].status == "ok"
    assert checks["time-order"].measured == 0
    assert {name for name, check in checks.items() if check.status == "fail"} == set()
    assert output(settings, "check_augmented", AugmentedCheck).report.status == "ok"


def test_most_frauds_are_found_and_fewer_where_values_are_missing(outcome: dict[str, Any], settings: Settings) -> None:
    report = output(settings, "stress_test", StressTest).report
    recall = {
        (cell.role, cell.corruption, cell.severity): dict(zip(report.classes, cell.class_recall, strict=True))
        for cell in report.cells
    }
    assert recall["candidate", "clean", 0]["1"] > 0.60 and recall["candidate", "clean", 0]["0"] > 0.95
    assert recall["candidate", "missing_values", 5]["1"] < recall["candidate", "clean", 0]["1"]


def test_models_are_small_files_of_trees(outcome: dict[str, Any], settings: Settings) -> None:
    candidate, control = (output(settings, f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    assert candidate.format == control.format == "skops" and candidate.model_digest != control.model_digest


def test_the_gate_judges_how_many_frauds_are_among_the_alerts(outcome: dict[str, Any], settings: Settings) -> None:
    """The policy does not beat class weights, and the gate says so by the one rule that sees it."""
    judged = output(settings, "decide", Decided).decision
    assert outcome["verdict"] == "FAIL", outcome["reasons"]
    assert {reason.rule for reason in judged.reasons if reason.outcome in ("fail", "error")} == {"average_precision"}
    clean = next(reason for reason in judged.reasons if reason.rule == "control" and reason.severity == 0)
    assert "recall of class 1 at 1% alerts" in clean.message and clean.n == 876


def test_scores_are_judged_by_their_order_and_a_threshold_of_may_is_tried_in_june(
    outcome: dict[str, Any], settings: Settings
) -> None:
    judged = output(settings, "decide", Decided).decision
    (order,) = [reason for reason in judged.reasons if reason.rule == "average_precision"]
    assert order.n == 876 and "average precision of class 1" in order.message
    points = {point.role: point for point in output(settings, "stress_test", StressTest).report.operating}
    assert set(points) == {"candidate", "control"}
    for point in points.values():
        assert 0.007 < point.alerts.value < 0.013  # 1% of the last week of May, and of June
        assert 0.6 < point.recall.value < 0.8 and point.precision.value > 0.5
    assert [reason.outcome for reason in judged.reasons if reason.rule == "operating"] == ["not-set", "not-set"]


def test_every_week_of_june_and_every_scenario_is_a_group_of_frauds(
    outcome: dict[str, Any], settings: Settings
) -> None:
    report = output(settings, "stress_test", StressTest).report
    weeks = sorted({one.group for one in report.slices if one.column == "time"})
    assert len(weeks) == 4 and weeks[0] == "1 of 4, from 2018-06-01"
    page = (settings.home / "reports" / "fraud" / "report.html").read_text()
    assert "Groups by time" in page and "Groups by TX FRAUD SCENARIO" in page and "At the threshold" in page


def test_the_report_shows_payments_beside_their_augmented_copies(outcome: dict[str, Any], settings: Settings) -> None:
    page = (settings.home / "reports" / "fraud" / "report.html").read_text()
    assert '<th scope="row">TX_AMOUNT</th>' in page and "<mark>" in page and "<img" not in page
