"""A small table of questions through a whole run: the third modality; and what a run refuses of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.store import Store
from augment_ops.errors import CheckRefused, InputError
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.outputs import Decided, StressTest
from augment_ops.settings import Settings
from augment_ops.training.result import TrainingResult
from support.places import POLICIES
from support.questions import INTENTS, questions, strangers
from support.state_folder import settings_in

pytestmark = pytest.mark.slow  # a whole run, as test_tabular.py has one in the fast suite

RULES = dict.fromkeys(("gate", "suite", "quality", "drift"), "intents")
COLUMNS = "text=question,label=intent"
STRANGE = 48


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(POLICIES, home / "policies")
    # Without Evidently's pages: their seconds are no part of what is tested.
    rules = home / "policies/drift/intents.yaml"
    rules.write_text(rules.read_text().replace("evidently: not-ok", "evidently: never"))
    gate = home / "policies/gates/intents.yaml"
    judged = yaml.safe_load(gate.read_text())
    # What so few questions, all of four moulds, can show: the questions repeat words, and none is hard.
    judged["invariance"] |= {"block_gap": 0.5, "min_n": 100}
    judged["control"] |= {"clean_margin": 0.2, "class_margin": 0.2, "min_gain": -0.2, "no_effect": "warn"}
    judged["unseen"]["min_gain"] = -0.2
    judged["tail"] = {"share": 0.5, "margin": 0.2, "min_n": 50}
    judged["calibration"] = {"warn_error": 0.3, "block_error": 0.5}
    judged["out_of_scope"] = {"max_accepted": 0.6, "margin": 0.2, "min_n": STRANGE}
    gate.write_text(yaml.safe_dump(judged))
    with settings_in(home, home / "policies") as found:
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("data")
    none = pd.DataFrame({"question": strangers(), "part": "out-of-scope"})  # no intent, and no part
    pd.concat([questions(800), none]).to_csv(folder / "support.csv", index=False)
    window = questions(300, seed=5)
    window["part"] = None
    window["question"] = [f"bitte sofort erledigen {text.upper()}" for text in window["question"]]
    window.to_parquet(folder / "window.parquet", index=False)
    return {
        "dataset": str(folder / "support.csv"),
        "modality": "text",
        "text_columns": f"{COLUMNS},split=part",
        "text_bytes": 128,
        "policy": "intents-robust",
        "production_window": str(folder / "window.parquet"),
        "epochs": 10,
        **RULES,
    }


@pytest.fixture(scope="module")
def outcome(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    return run_pipeline(asked, "texts", quiet=True)


def output(settings: Settings, stage: str, kind: type[Any]) -> Any:
    return from_json(kind, Store(settings.store).get(execute(settings, "texts", stage).output))


def test_questions_go_through_and_the_net_is_a_program_of_bytes(outcome: dict[str, Any], settings: Settings) -> None:
    assert (outcome["verdict"], outcome["promoted"]) == ("PASS", True), outcome["reasons"]
    manifest = output(settings, "ingest", SnapshotManifest)
    assert (manifest.modality, manifest.sample_shape, manifest.classes) == ("text", (128,), tuple(sorted(INTENTS)))
    candidate, control = (output(settings, f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    assert candidate.format == control.format == "pt2" and candidate.model_digest != control.model_digest


def test_every_cell_of_the_suite_is_measured(outcome: dict[str, Any], settings: Settings) -> None:
    report = output(settings, "stress_test", StressTest).report
    cells = {(c.corruption, c.severity): c for c in report.cells if c.role == "candidate"}
    assert len(cells) == 31 and report.seen["abbreviations"] == report.seen["rephrasing"] == ()
    assert report.seen["typos"] == ("KeyboardAug", "RandomCharAug")
    # Case is none of what the network reads.
    assert cells["casing", 5].accuracy == cells["clean", 0].accuracy >= cells["typos", 5].accuracy


def test_questions_of_no_intent_are_asked_about_and_learnt_from_by_nobody(
    outcome: dict[str, Any], settings: Settings
) -> None:
    manifest, stress = output(settings, "ingest", SnapshotManifest), output(settings, "stress_test", StressTest)
    assert f"; {STRANGE} samples out of scope, as the source says" in manifest.split_rule
    assert (manifest.samples, manifest.defective) == (800 + STRANGE, 0)
    assert sum(sum(of.values()) for of in manifest.counts.values()) == 800
    assert {point.n for point in stress.report.separations} == {STRANGE} and len(stress.report.separations) == 2
    assert all(point.area > 0.8 for point in stress.report.separations)
    judged = [
        reason for reason in output(settings, "decide", Decided).decision.reasons if reason.rule == "out_of_scope"
    ]
    assert [reason.outcome for reason in judged] == ["pass", "pass"]
    assert "<h3>Out of scope</h3>" in (settings.home / "reports" / "texts" / "report.html").read_text()


def test_a_window_in_capitals_with_other_words_has_drifted(outcome: dict[str, Any], settings: Settings) -> None:
    report = output(settings, "check_drift", DriftReport)
    drifted = {finding.name for finding in report.features if finding.status == "drift"}
    assert {"capitals", "unknown_words", "words"} <= drifted


def test_the_report_shows_texts_before_and_after_and_no_pictures(outcome: dict[str, Any], settings: Settings) -> None:
    page = (settings.home / "reports" / "texts" / "report.html").read_text()
    assert '<th scope="row">before</th><td dir="auto">' in page and "<mark>" in page and "<img" not in page
    assert "Groups by country" in page  # what is beside the texts: whose words they are, say


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"policy": "digits-robust"}, "modality"),
        ({"suite": "transactions"}, "modality"),
        ({"text_columns": "label=intent"}, "no column 'text'"),
        ({"columns": "label=intent"}, "columns"),
        ({"trainer": "sklearn"}, "text"),
    ],
)
def test_what_does_not_fit_is_refused(
    outcome: dict[str, Any], asked: dict[str, Any], settings: Settings, change: dict[str, Any], found: str
) -> None:
    with pytest.raises(InputError, match=found):
        run_pipeline({**asked, **change}, f"wrong-{abs(hash(str(change)))}", quiet=True)


def test_a_policy_that_would_change_too_much_never_begins(settings: Settings, asked: dict[str, Any]) -> None:
    path = settings.policies / "augment" / "intents-wild.yaml"
    text = (POLICIES / "augment" / "intents-robust.yaml").read_text().replace("intents-robust", "intents-wild")
    path.write_text(text.replace("aug_word_p: 0.1,", "aug_word_p: 0.6,"))
    with pytest.raises(InputError, match="max_misspelt_share"):
        run_pipeline({**asked, "policy": "intents-wild"}, "wild", quiet=True)


def test_questions_of_test_that_train_has_in_other_letters_stop_the_run(settings: Settings, tmp_path: Path) -> None:
    table = questions(800)
    table["part"] = ["test" if place % 4 == 0 else "train" for place in range(len(table))]
    table.loc[::4, "question"] = table.loc[1::4, "question"].str.upper().to_numpy() + "!"
    table.loc[::4, "intent"] = table.loc[1::4, "intent"].to_numpy()
    table.to_csv(tmp_path / "leaking.csv", index=False)
    asked = {"modality": "text", "text_columns": COLUMNS + ",split=part", "text_bytes": 128, "policy": "intents-robust"}
    with pytest.raises(CheckRefused, match="near-duplicates-between-splits"):
        run_pipeline({"dataset": str(tmp_path / "leaking.csv"), **asked, **RULES}, "leaking", quiet=True)
