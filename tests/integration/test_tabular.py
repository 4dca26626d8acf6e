"""A small table of transactions through a whole run: second modality, trainer and runtime; and what a run refuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import CheckRefused, InputError
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.outputs import StressTest
from augment_ops.settings import Settings
from augment_ops.tracking import connect
from augment_ops.training.result import TrainingResult
from support.places import POLICIES
from support.state_folder import settings_in
from support.tables import rules_of_few_frauds, transactions

RULES = dict.fromkeys(("gate", "suite", "quality", "drift"), "transactions")
COLUMNS = "label=fraud,subject=customer,time=moment,id=transaction"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(POLICIES, home / "policies")
    # Without Evidently's pages: their seconds are no part of what is tested.
    rules = home / "policies/drift/transactions.yaml"
    rules.write_text(rules.read_text().replace("evidently: not-ok", "evidently: never"))
    for folder in ("stress", "gates"):
        rules_of_few_frauds(home / f"policies/{folder}/transactions.yaml")
    with settings_in(home, home / "policies") as found:
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("data")
    transactions(4_800).to_csv(folder / "payments.csv", index=False)
    window = transactions(1_500, seed=5)
    window["amount"] *= 3
    window.to_parquet(folder / "window.parquet", index=False)
    return {
        "dataset": str(folder / "payments.csv"),
        "modality": "tabular",
        "columns": COLUMNS,
        "policy": "transactions-robust",
        "production_window": str(folder / "window.parquet"),
        "epochs": 1,
        **RULES,
    }


@pytest.fixture(scope="module")
def outcome(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    return run_pipeline(asked, "rows", quiet=True)


def output(settings: Settings, stage: str, kind: type[Any]) -> Any:
    return from_json(kind, Store(settings.store).get(execute(settings, "rows", stage).output))


def test_a_table_is_split_by_time_and_promoted(outcome: dict[str, Any], settings: Settings) -> None:
    assert (outcome["verdict"], outcome["promoted"]) == ("PASS", True), outcome["reasons"]
    manifest = output(settings, "ingest", SnapshotManifest)
    assert (manifest.modality, manifest.split_rule) == ("tabular", "by time alone")
    index = Snapshot.open(Store(settings.store), manifest.digest).index
    assert index[index["split"] == "train"]["time"].max() < index[index["split"] == "test"]["time"].min()


def test_trees_are_trained_and_answer_from_a_skops_file(outcome: dict[str, Any], settings: Settings) -> None:
    candidate, control = (output(settings, f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    assert candidate.format == control.format == "skops" and candidate.model_digest != control.model_digest
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    champion = tracker.champion("payments", "dev")
    assert champion is not None and champion.artifact == candidate.artifact


def test_every_cell_of_the_suite_is_measured(outcome: dict[str, Any], settings: Settings) -> None:
    report = output(settings, "stress_test", StressTest).report
    cells = {(c.corruption, c.severity): c for c in report.cells if c.role == "candidate"}
    assert len(cells) == 16 and report.seen["noise"] == ("Jitter",) and report.seen["missing_values"] == ()
    assert cells["missing_values", 5].accuracy < cells["clean", 0].accuracy


def test_a_window_in_another_unit_has_drifted(outcome: dict[str, Any], settings: Settings) -> None:
    report = output(settings, "check_drift", DriftReport)
    assert {finding.name for finding in report.features if finding.status == "drift"} == {"amount"}


def test_the_report_shows_rows_and_no_pictures(outcome: dict[str, Any], settings: Settings) -> None:
    page = (settings.home / "reports" / "rows" / "report.html").read_text()
    assert "Clean recall of class fraud at 15% alerts" in page
    assert "Clean accuracy" not in page
    assert "<mark>" in page and '<th scope="row">past_week</th>' in page and "<img" not in page


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"policy": "digits-robust"}, "modality"),
        ({"suite": "invariances"}, "modality"),
        ({"quality": "default"}, "modality"),
        ({"modality": "image"}, "modality"),
        ({"trainer": "torch"}, "network"),
        ({"columns": "label=nothing"}, "no column 'nothing'"),
        ({"columns": "labl=fraud"}, "Did you mean label"),
        ({"columns": COLUMNS.replace("label=fraud", "label=nobody")}, "no column 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_promoted(
    outcome: dict[str, Any], asked: dict[str, Any], settings: Settings, change: dict[str, Any], found: str
) -> None:
    before = len(list(Ledger(settings.ledger).entries()))
    with pytest.raises(InputError, match=found):
        run_pipeline({**asked, **change}, f"wrong-{abs(hash(str(change)))}", quiet=True)
    after = [entry.act for entry in list(Ledger(settings.ledger).entries())[before:]]
    assert "promote" not in after and "freeze" not in after


def test_rows_out_of_order_are_refused(settings: Settings, tmp_path: Path) -> None:
    table = transactions(1_200)
    table["part"] = np.where(np.arange(1_200) % 4 == 0, "test", "train")
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    asked = {"modality": "tabular", "columns": COLUMNS + ",split=part", "policy": "transactions-robust", **RULES}
    with pytest.raises(CheckRefused, match="time-order"):
        run_pipeline({"dataset": str(tmp_path / "shuffled.csv"), **asked}, "shuffled", quiet=True)
