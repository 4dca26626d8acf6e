"""Whole runs on the digits without Airflow: real MLflow on SQLite, real training, real gate."""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from augment_ops.cli.audit import verify
from augment_ops.cli.gate import gate
from augment_ops.cli.runs import run_pipeline
from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError, InputError
from augment_ops.gate.decide import decide
from augment_ops.gate.rules import load
from augment_ops.governance.audit import ACTS, Wanted, choose
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.graph import BY_NAME, STAGES
from augment_ops.pipeline.outputs import Decided, StressTest
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.replay import outcomes_of
from augment_ops.pipeline.run import StageRecord, begin, find, record_of
from augment_ops.pipeline.stages.decision import _evidence
from augment_ops.pipeline.stages.registered_model import check_registered
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.causes import enter_start
from augment_ops.production.retraining import Retraining
from augment_ops.runtime.artifact import Artifact, read_artifact
from augment_ops.settings import Settings
from augment_ops.shown import PARAGRAPH, markdown
from augment_ops.stress.outcomes import from_bytes
from augment_ops.tracking import MlflowTracker, connect
from augment_ops.training.result import TrainingResult
from augment_ops.workspace import open_ledger
from support.command_line import caller
from support.state_folder import settings_in

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    with settings_in(home, ROOT / "policies") as found:
        yield found


@pytest.fixture(scope="module")
def tracker(settings: Settings) -> MlflowTracker:
    return connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")


@pytest.fixture(scope="module")
def robust(settings: Settings) -> dict:
    """The demo's run."""
    return run_pipeline({"dataset": "digits", "policy": "digits-robust"}, "cli-robust", quiet=True)


@pytest.fixture(scope="module")
def plain(settings: Settings, robust: dict) -> dict:
    """The same without augmentation, with a champion in place."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        outcome = run_pipeline({"dataset": "digits", "policy": "digits-none"}, "cli-none", quiet=False)
    return outcome | {"said": said.getvalue()}


def test_the_robust_policy_is_promoted(robust: dict, tracker: MlflowTracker) -> None:
    assert (robust["verdict"], robust["promoted"]) == ("PASS", True)
    champion = tracker.champion("digits", "dev")
    assert champion is not None
    assert champion.version == robust["model_version"]
    assert champion.tags["augment_ops.policy"] == "digits-robust"
    assert champion.tags["augment_ops.pipeline_run"] == "cli-robust"


def test_without_augmentation_the_gate_names_rotation_and_the_champion_stays(
    robust: dict, plain: dict, tracker: MlflowTracker
) -> None:
    assert (plain["verdict"], plain["promoted"], plain["model_version"]) == ("FAIL", False, None)
    failed = [reason for reason in plain["reasons"] if reason["outcome"] == "fail"]
    assert "rotation" in {reason["corruption"] for reason in failed}
    assert all(reason["severity"] for reason in failed if reason["corruption"] == "rotation")
    champion = tracker.champion("digits", "dev")
    assert champion is not None
    assert champion.version == robust["model_version"]


def test_the_identity_policy_trains_the_control(plain: dict, settings: Settings) -> None:
    store = Store(settings.store)
    digests = {
        role: from_json(TrainingResult, store.get(execute(settings, "cli-none", f"train_{role}").output)).model_digest
        for role in ("candidate", "control")
    }
    assert digests["candidate"] == digests["control"]


def test_what_the_champion_said_as_candidate_is_used_again(robust: dict, plain: dict, settings: Settings) -> None:
    store = Store(settings.store)
    first, second = (
        from_json(StressTest, store.get(execute(settings, run, "stress_test").output))
        for run in ("cli-robust", "cli-none")
    )
    assert (first.reused, second.reused) == ({}, {"champion": "cli-robust"})
    before, now = (from_bytes(store.get(s.report.outcomes), s.report.outcomes) for s in (first, second))
    assert np.array_equal(now.predictions("champion").p_true, before.predictions("candidate").p_true)


# What does not depend on the policy.
SHARED = ("ingest", "check_data", "train_control", "check_drift")


def test_a_second_run_finds_what_another_policy_does_not_change(
    robust: dict, plain: dict, settings: Settings, tracker: MlflowTracker
) -> None:
    from mlflow import MlflowClient

    store = Store(settings.store)
    first, second = ({name: record_of(store, run, name) for name in BY_NAME} for run in ("cli-robust", "cli-none"))
    assert {name for name, record in second.items() if record and record.reused_from} == set(SHARED)
    for name in SHARED:
        here, there = second[name], first[name]
        assert here is not None
        assert there is not None
        assert (here.output, here.key, here.reused_from) == (there.output, there.key, "cli-robust")
    ledger = Ledger(settings.ledger)
    entered = {e.subjects["stage"]: e.subjects for e in ledger.entries_under("cli-none:stage:") if e.act == "stage"}
    assert {name for name, subjects in entered.items() if subjects.get("reused_from") == "cli-robust"} == set(SHARED)
    # A training is the act of the run that did it.
    assert [e.reason for e in ledger.entries_under("cli-none:train:")] == ["candidate of run cli-none"]
    (parent,) = _runs(MlflowClient(tracker.uri), "cli-none", "pipeline")
    tags = {name.removeprefix("augment_ops.reused."): run for name, run in parent.data.tags.items() if "reused" in name}
    assert tags == dict.fromkeys((*SHARED, "stress_test.champion"), "cli-robust")
    (control,) = _runs(MlflowClient(tracker.uri), "cli-none", "control")
    assert control.info.status == "FINISHED"
    for name in SHARED:
        assert f"] {name}: reused from run cli-robust in " in plain["said"]
    page = Path(plain["report"]).read_text(encoding="utf-8")
    assert page.count("reused from run cli-robust") == len(SHARED) + 1
    assert "<dt>stress test of the champion</dt><dd>reused from run cli-robust</dd>" in page
    assert "reused from run" not in Path(robust["report"]).read_text(encoding="utf-8")


def test_a_retry_of_a_stage_that_was_reused_is_kept(robust: dict, plain: dict, settings: Settings) -> None:
    ref = execute(settings, "cli-none", "train_control")
    assert (ref.reused, ref.reused_from, ref.said) == (True, "cli-robust", "kept")


def test_running_again_changes_nothing(robust: dict, plain: dict, settings: Settings, tracker: MlflowTracker) -> None:
    before = _state(settings, tracker)
    again = run_pipeline({"dataset": "digits", "policy": "digits-robust"}, "cli-robust", quiet=True)
    assert again == robust
    assert _state(settings, tracker) == before


@pytest.mark.parametrize(
    "stage",
    # The report first: it shows how long the others took, so that a second run of theirs makes it another page.
    ["report", "ingest", "check_augmented", "stress_test", "decide", "prepare_report", "approve", "promote"],
)
def test_a_stage_that_lost_its_record_leaves_no_second_trace(
    robust: dict, plain: dict, settings: Settings, tracker: MlflowTracker, stage: str
) -> None:
    """As after a kill between a stage's last effect and its record."""
    before = _state(settings, tracker)
    record = settings.home / "store" / "documents" / "runs" / "cli-robust" / f"{stage}.json"
    record.unlink()
    assert not execute(settings, "cli-robust", stage).reused
    assert _state(settings, tracker) == before


def test_mlflow_names_the_data_of_every_run_by_our_digests(robust: dict, tracker: MlflowTracker) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracker.uri)
    (parent,) = _runs(client, "cli-robust", "pipeline")
    snapshot, suite = parent.data.tags["augment_ops.snapshot_digest"], parent.data.tags["augment_ops.suite_digest"]
    held = {"train": snapshot, "validation": snapshot}
    assert _inputs(parent) == {**held, "test": snapshot, "stress": suite}
    for role in ("candidate", "control"):
        (run,) = _runs(client, "cli-robust", role)
        assert _inputs(run) == held


def test_mlflows_description_of_a_run_is_its_decision(robust: dict, tracker: MlflowTracker) -> None:
    from mlflow import MlflowClient

    (parent,) = _runs(MlflowClient(tracker.uri), "cli-robust", "pipeline")
    assert parent.info.status == "FINISHED"
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("**PASS**\n")  # without a server there are no links beside it
    assert f"\n\n{markdown(robust['summary'], PARAGRAPH)}\n\n" in note  # what others wrote is text in it
    assert "is champion of digits in dev\\." in note


def test_mlflows_list_says_at_first_sight_what_came_of_a_run(robust: dict, plain: dict, tracker: MlflowTracker) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracker.uri)
    (good,), (bad,) = (_runs(client, run, "pipeline") for run in ("cli-robust", "cli-none"))
    assert re.fullmatch(r"PASS · digits-robust \d+\.\d+\.\d+ · digits", good.info.run_name)
    assert re.fullmatch(r"FAIL · digits-none \d+\.\d+\.\d+ · digits", bad.info.run_name)
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")  # by which the list marks it green or red
    told = [{name: run.data.tags.get(name) for name in ("verdict", "outcome", "environment")} for run in (good, bad)]
    assert told == [
        {"verdict": "PASS", "outcome": "champion", "environment": "dev"},
        {"verdict": "FAIL", "outcome": "refused", "environment": "dev"},
    ]
    for run, outcome in ((good, robust), (bad, plain)):
        gaps = [reason["measured"] for reason in outcome["reasons"] if reason["rule"] == "invariance"]
        assert run.data.metrics["worst_gap"] == pytest.approx(max(gaps), abs=5e-5)
        assert run.data.metrics["accuracy"] == round(run.data.metrics["stress.candidate.clean.accuracy"], 4)
        assert 0 <= run.data.metrics["tail_recall"] < run.data.metrics["accuracy"]
    assert f"largest loss {100 * bad.data.metrics['worst_gap']:.1f} points" in bad.data.tags["mlflow.note.content"]


def test_a_run_that_an_alert_started_says_so_from_its_first_stage_on(
    robust: dict, settings: Settings, tracker: MlflowTracker
) -> None:
    from mlflow import MlflowClient

    about = {"window_start": "2026-03-05T00:00:00+00:00", "window_end": "2026-03-06T00:00:00+00:00", "moved": "mean"}
    alert = Alert("drift", "digits", "drift:digits:1", about, "Drift in mean.", 24.0)
    ledger = open_ledger(settings)
    entry, _ = enter(ledger, alert, "schedule")
    enter_start(ledger, entry, Retraining(alert.run_id, {}, "why"), actor="schedule", origin="")
    params = parse_params({"dataset": "digits", "policy": "digits-robust"})
    enter_run(settings, alert.run_id, params, "schedule")
    execute(settings, alert.run_id, "ingest")

    def told() -> Any:
        (run,) = _runs(MlflowClient(tracker.uri), alert.run_id, "pipeline")
        return run

    run, said = told(), f"Started by an alert of drift (ledger entry {entry.seq}): Drift in mean"
    assert run.info.run_name == "digits-robust · after drift · digits"
    assert run.data.tags["cause"] == "drift: mean (2026-03-05)"
    assert run.data.tags["augment_ops.alert"] == "drift:digits:1"
    assert run.data.tags["mlflow.note.content"].startswith(said)
    with pytest.raises(InputError):  # nothing was trained
        execute(settings, alert.run_id, "stress_test")
    failed = told()
    assert failed.info.status == "FAILED"
    assert failed.data.tags["mlflow.note.content"].startswith("**stress_test failed**")
    assert said in failed.data.tags["mlflow.note.content"]  # who is called at night reads why it ran at all


def test_the_page_of_a_version_says_what_it_rests_on(robust: dict, tracker: MlflowTracker) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracker.uri)
    version = client.get_model_version("digits-classifier", robust["model_version"])
    (parent,) = _runs(client, "cli-robust", "pipeline")
    assert version.description == parent.data.tags["mlflow.note.content"]


def test_the_report_is_one_self_contained_page(robust: dict) -> None:
    page = Path(robust["report"])
    text = page.read_text(encoding="utf-8")
    assert "PASS" in text
    assert "digits-robust" in text
    assert "<script src" not in text
    assert json.loads(page.with_suffix(".json").read_text())["run_id"] == "cli-robust"


@pytest.mark.parametrize("run", ["robust", "plain"])  # one that is registered, and one that the gate refused
def test_the_code_of_the_model_card_loads_that_model_and_asks_it(run: str, request: pytest.FixtureRequest) -> None:
    page = Path(request.getfixturevalue(run)["report"]).read_text(encoding="utf-8")
    code = html.unescape(page.split('id="code">')[1].split("</pre>")[0])
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "model card", "exec"), {})
    assert re.fullmatch(r"\[[0-9]\]\n", said.getvalue())


def test_a_darkened_production_window_is_drift(
    robust: dict, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained for it: the gate is given the drift with the rest of the evidence of a run that is there."""
    digits = load_digits()
    pixels = (digits.images[:400] * (255 / 16) / 2).astype(np.uint8)
    np.savez(tmp_path / "window.npz", images=pixels, labels=digits.target[:400])
    values = {"dataset": "digits", "production_window": str(tmp_path / "window.npz")}
    enter_run(settings, "cli-drift", parse_params(values), "ann")
    for stage in ("ingest", "check_data", "check_drift"):
        made = execute(settings, "cli-drift", stage).output
    store, output = Store(settings.store), Context.output
    report = from_json(DriftReport, store.get(made))
    assert report.status == "drift"
    assert {feature.name for feature in report.features if feature.status == "drift"} >= {"mean", "contrast"}
    assert len(list(settings.home.glob("mlflow/artifacts/**/drift/evidently.html"))) == 1
    monkeypatch.setattr(Context, "output", lambda ctx, s, cls: report if s == "check_drift" else output(ctx, s, cls))
    evidence = _evidence(Context.of(settings, "cli-robust"), None)
    decision = decide(load(ROOT / "policies" / "gates" / "default.yaml"), evidence, outcomes_of(store, evidence))
    assert {reason.outcome for reason in decision.reasons if reason.rule == "drift"} == {"warn"}


def test_people_find_runs_again_and_compare_them(
    robust: dict, plain: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = caller(monkeypatch, capsys)
    listed = {one["id"]: one for one in json.loads(call("runs", "list", "--json")[1])}
    assert (listed["cli-robust"]["state"], listed["cli-none"]["state"]) == ("PASS", "FAIL")
    assert (listed["cli-robust"]["outcome"], listed["cli-robust"]["version"]) == (robust["promotion"], "1")
    refused = [one["id"] for one in json.loads(call("runs", "list", "--verdict", "FAIL", "--json")[1])]
    assert "cli-none" in refused
    assert "cli-robust" not in refused
    code, shown, _ = call("runs", "show", "cli-none")
    assert code == 0
    assert plain["summary"] in " ".join(shown.split())
    assert plain["report"] in shown
    compared = {one["name"]: one for one in json.loads(call("runs", "compare", "cli-robu", "cli-none", "--json")[1])}
    assert (compared["verdict"]["before"], compared["verdict"]["after"]) == ("PASS", "FAIL")
    assert compared["data set"]["before"] == compared["data set"]["after"]
    loss = compared["candidate, largest loss under stress, points"]
    assert float(loss["after"]) > float(loss["before"])
    assert float(loss["change"]) == pytest.approx(float(loss["after"]) - float(loss["before"]), abs=0.11)
    assert "parameter policy" in compared
    assert call("report", "open", "cli-robust") == (0, f"{Path(robust['report']).as_uri()}\n", "")


def test_every_act_can_be_asked_for(robust: dict, settings: Settings) -> None:
    assert {entry.act for entry in Ledger(settings.ledger).entries()} <= set(ACTS)


def test_every_governed_act_is_in_the_ledger(robust: dict, plain: dict, settings: Settings) -> None:
    ledger = Ledger(settings.ledger)
    acts = [(entry.act, entry.key.split(":")[0]) for entry in ledger.entries()]
    assert acts.count(("promote", "cli-robust")) == 1
    assert acts.count(("train", "cli-robust")) == 2
    assert ("decide", "cli-none") in acts
    assert ("promote", "cli-none") not in acts
    published = [entry.subjects["policy_version"] for entry in ledger.entries() if entry.act == "publish"]
    assert published.count("digits-robust/1.0.0") == 1  # once, however many runs there were
    about = [entry.act for entry in choose(ledger.entries(), Wanted(about=f"digits/{robust['model_version']}"))]
    assert about == ["train", "decide", "promote", "alias"]
    assert ledger.verify() == []


def test_heads_that_runs_and_reports_noted_are_in_the_ledger(
    robust: dict, plain: dict, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["faults"], answer["not_asked"]) == ([], [])
    assert answer["anchors"] >= 2


@pytest.mark.parametrize("run", ["cli-robust", "cli-none"])
def test_a_decision_is_made_again_byte_for_byte_from_the_store(
    robust: dict, plain: dict, settings: Settings, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the run's id, by the decision's digest as the ledger names it, and from the document that MLflow keeps."""
    entry = next(e for e in Ledger(settings.ledger).entries() if e.act == "decide" and e.key.startswith(f"{run}:"))
    documents = list(settings.home.glob("mlflow/artifacts/**/gate/decision.json"))
    digests = {sha256_hex(path.read_bytes()): str(path) for path in documents}
    for reference in (run, entry.subjects["decision"], digests[entry.subjects["decision"]]):
        gate(reference, as_json=True)
        answer = json.loads(capsys.readouterr().out)
        assert (answer["same"], answer["differences"]) == (True, [])
        assert answer["decision_digest"] == entry.subjects["decision"]
        assert answer["evidence_digest"] == entry.subjects["evidence"]


def test_a_decision_that_was_edited_is_found_out(
    plain: dict, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(settings.store)
    kind = from_json(Decided, store.get(execute(settings, "cli-none", "decide").output)).decision
    edited = tmp_path / "decision.json"
    edited.write_bytes(canonical_json(replace(kind, verdict="PASS", reasons=kind.reasons[3:])))
    with pytest.raises(SystemExit) as caught:
        gate(str(edited), as_json=True)
    assert caught.value.code == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["differences"][0] == "the verdict was PASS, and is FAIL"
    assert sum(text.startswith("found now: ") for text in answer["differences"]) == 3


def test_the_same_evidence_can_be_judged_by_another_gate(
    robust: dict,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    strict = tmp_path / "policies" / "gates" / "strict.yaml"
    strict.parent.mkdir(parents=True)
    text = (ROOT / "policies" / "gates" / "default.yaml").read_text().replace("name: default", "name: strict")
    strict.write_text(text.replace("block_gap: 0.15", "block_gap: 0.05").replace("warn_gap: 0.10", "warn_gap: 0.05"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(tmp_path / "policies"))
    with pytest.raises(SystemExit):
        gate("cli-robust", by="strict", as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["gate"]) == ("FAIL", "strict 2.1.0")


def test_a_decision_that_nobody_made_is_bad_input(settings: Settings) -> None:
    for reference in ("no-such-run", "9" * 64):
        with pytest.raises(InputError, match="no run that has decided"):
            gate(reference)


def test_the_registered_model_is_asked_and_another_is_refused(robust: dict, plain: dict, settings: Settings) -> None:
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-robust")
    said: list[str] = []
    check_registered(replace(ctx, say=said.append), robust["model_version"], None)
    assert "asked in an isolated process: 128 stored images, the same answers" in said[0]
    other = from_json(TrainingResult, store.get(execute(settings, "cli-robust", "train_control").output))

    class Swapped:
        """A registry in which somebody has put another model in the place of the one that was judged."""

        def download_model(self, dataset: str, version: str, artifact: str) -> Artifact:
            return read_artifact(store.local(other.artifact), other.artifact)

    swapped = replace(ctx, workspace=replace(ctx.workspace))
    swapped.workspace.__dict__["tracker"] = Swapped()
    with pytest.raises(GovernanceError, match="further from those evaluated than rounding explains"):
        check_registered(swapped, robust["model_version"], None)


def rewritten(store: Store, stress: StressTest, role: str, *, better: bool) -> StressTest:
    """As if a model had missed half as many as it did, or twice as many."""
    true = from_bytes(store.get(stress.report.outcomes), stress.report.outcomes)
    m = list(true.models).index(role)
    predicted, p_predicted = true.predicted.copy(), true.p_predicted.copy()
    missed = np.argwhere(predicted[m] != true.labels)
    of = missed if better else np.argwhere(predicted[m] == true.labels)
    cells, rows = of[:: 2 if better else max(1, len(of) // len(missed))].T
    predicted[m, cells, rows] = (true.labels[rows] + (not better)) % len(true.classes)
    p_predicted[m, cells, rows] = 0.99
    forged = store.put(replace(true, predicted=predicted, p_predicted=p_predicted).to_bytes())
    return replace(stress, report=replace(stress.report, outcomes=forged))


def telling(monkeypatch: pytest.MonkeyPatch, told: StressTest) -> None:
    """Have every stage read a stress test that was not made."""
    output = Context.output
    monkeypatch.setattr(
        Context, "output", lambda self, stage, cls: told if stage == "stress_test" else output(self, stage, cls)
    )


def test_outcomes_that_were_rewritten_with_their_report_are_not_what_the_models_say(
    robust: dict, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both fit each other, and the gate computes the report from the outcomes: only the models know better."""
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-robust")
    stress = ctx.output("stress_test", StressTest)
    for role, better, model in (("candidate", True, "digits-classifier version"), ("control", False, "control")):
        with monkeypatch.context() as patch:
            telling(patch, rewritten(store, stress, role, better=better))
            with pytest.raises(GovernanceError, match=rf"{model} .*\n?.*other answers than are stored on"):
                check_registered(ctx, robust["model_version"], None)


def test_labels_and_groups_that_were_rewritten_to_what_a_model_says_are_not_those_of_the_suite(
    robust: dict, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All models answer as is told: it is the question that was changed."""
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-robust")
    stress = ctx.output("stress_test", StressTest)
    true = from_bytes(store.get(stress.report.outcomes), stress.report.outcomes)
    for found, change in (
        ("other samples or labels", {"labels": true.predicted[0, 0]}),
        ("other groups", {"columns": {"site": ("a",)}, "groups": np.zeros((1, len(true.labels)), np.int16)}),
    ):
        forged = store.put(replace(true, **change).to_bytes())
        with monkeypatch.context() as patch:
            telling(patch, replace(stress, report=replace(stress.report, outcomes=forged)))
            with pytest.raises(GovernanceError, match=found):
                check_registered(ctx, robust["model_version"], None)


def test_a_champion_that_was_made_worse_does_not_say_so(
    robust: dict, plain: dict, settings: Settings, tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate looks good beside it. The gate refused this one, so its file is still in the store alone."""
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-none")
    refused, champion = ctx.output("train_candidate", TrainingResult).artifact, robust["model_version"]
    stress, said = ctx.output("stress_test", StressTest), list[str]()

    class Registered:
        """The registry with the refused candidate in it as well."""

        def download_model(self, dataset: str, version: str, artifact: str | None = None) -> Artifact:
            if version == "refused":
                return read_artifact(store.local(refused), refused)
            return tracker.download_model(dataset, version, artifact)

    ctx = replace(ctx, say=said.append, workspace=replace(ctx.workspace))
    ctx.workspace.__dict__["tracker"] = Registered()
    check_registered(ctx, "refused", champion)
    assert "of 3 models" in said[0]
    telling(monkeypatch, rewritten(store, stress, "champion", better=False))
    with pytest.raises(GovernanceError, match=rf"version {champion}, .*\n?.*other answers than are stored"):
        check_registered(ctx, "refused", champion)


def test_records_that_somebody_edited_stop_the_run_and_are_entered(
    robust: dict, plain: dict, settings: Settings
) -> None:
    """A record that points at another run's output, and a run for production that calls itself one for dev."""
    runs = settings.home / "store" / "documents" / "runs"
    decided = json.loads((runs / "cli-none" / "decide.json").read_text())
    better = json.loads((runs / "cli-robust" / "decide.json").read_text())
    began = json.loads((runs / "cli-none" / "run.json").read_text())
    attacks = {
        "decide": (decided | {"output": better["output"]}, "promote", "record of decide: found output"),
        "run": (began | {"actor": "eve"}, "report", "run.json: found"),
    }
    for document, (content, stage, message) in attacks.items():
        path = runs / "cli-none" / f"{document}.json"
        sound = path.read_bytes()
        before = len(Ledger(settings.ledger).entries())
        try:
            path.write_text(json.dumps(content))
            with pytest.raises(GovernanceError, match=message):
                execute(settings, "cli-none", stage)
        finally:
            path.write_bytes(sound)
        entered = Ledger(settings.ledger).entries()[before:]
        assert [(entry.act, entry.subjects["run"]) for entry in entered] == [("refuse", "cli-none")]
    assert execute(settings, "cli-none", "promote").reused


def test_a_run_that_was_never_entered_runs_no_stage(settings: Settings, robust: dict) -> None:
    store = Store(settings.store)
    begin(store, "made-up", find(store, "cli-robust").typed, "eve")
    with pytest.raises(GovernanceError, match="a record that no entry of the ledger stands behind"):
        execute(settings, "made-up", "ingest")


def test_a_record_of_an_earlier_execution_is_not_gone_back_to(robust: dict, plain: dict, settings: Settings) -> None:
    """The ledger's newest entry counts: whoever puts an older record back has the stage run again."""
    path = settings.home / "store" / "documents" / "runs" / "cli-none" / "approve.json"
    sound = path.read_bytes()
    ctx = Context.of(settings, "cli-none")
    older = from_json(StageRecord, sound)
    ctx.enter(replace(older, key="0" * 64))
    assert not ctx.provenance.holds(older)
    assert not execute(settings, "cli-none", "approve").reused
    assert execute(settings, "cli-none", "approve").reused


def test_one_altered_byte_of_the_stored_stress_images_is_an_error_of_the_next_decision(
    robust: dict, settings: Settings
) -> None:
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-robust")
    suite = from_json(StressTest, store.get(execute(settings, "cli-robust", "stress_test").output)).suite
    victim = store.local(suite.cells[7].objects[0])
    sound = victim.read_bytes()
    try:
        victim.chmod(0o644)
        victim.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        evidence = _evidence(ctx, None)
    finally:
        victim.write_bytes(sound)
    assert evidence.suite_fault.startswith("brightness_up at severity 2: content whose sha256 is not its name")
    assert _evidence(ctx, None).suite_fault == ""


def test_samples_that_somebody_left_out_are_an_error_of_the_next_decision(
    robust: dict, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(settings.store)
    ctx = Context.of(settings, "cli-robust")
    assert _evidence(ctx, None).remains_fault == ""
    stress = ctx.output("stress_test", StressTest)
    true = from_bytes(store.get(stress.report.outcomes), stress.report.outcomes)
    assert true.destroyed is not None
    destroyed = true.destroyed.copy()
    destroyed[3, :5] = 1  # as if nothing were left of what the candidate misses
    forged = store.put(replace(true, destroyed=destroyed).to_bytes())
    told = replace(stress, report=replace(stress.report, outcomes=forged))
    output = Context.output
    monkeypatch.setattr(Context, "output", lambda ctx, s, cls: told if s == "stress_test" else output(ctx, s, cls))
    assert _evidence(ctx, None).remains_fault.startswith("5 samples under rotation at severity 3, such as ")


def test_all_stages_were_run(robust: dict, settings: Settings) -> None:
    records = settings.home / "store" / "documents" / "runs" / "cli-robust"
    assert {path.stem for path in records.iterdir()} == {"run", *(stage.name for stage in STAGES)}


def _runs(client: Any, pipeline_run: str, role: str) -> list[Any]:
    experiment = client.get_experiment_by_name("augment-ops/digits")
    tags = f"tags.`augment_ops.pipeline_run` = '{pipeline_run}' and tags.`augment_ops.role` = '{role}'"
    return list(client.search_runs([experiment.experiment_id], tags))


def _inputs(run: Any) -> dict[str, str]:
    """Context to whole digest of the data sets of an MLflow run."""
    tags = [{tag.key: tag.value for tag in entry.tags} for entry in run.inputs.dataset_inputs]
    return {entry["mlflow.data.context"]: entry["augment_ops.digest"] for entry in tags}


def _state(settings: Settings, tracker: MlflowTracker) -> dict:
    """Everything that a second execution could have doubled."""
    from mlflow import MlflowClient

    client = MlflowClient(tracker.uri)
    experiment = client.get_experiment_by_name("augment-ops/digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {
        "runs": sorted(run.info.run_id for run in runs),
        "said": {run.info.run_id: (run.info.run_name, run.data.tags.get("mlflow.note.content")) for run in runs},
        "metrics": {run.info.run_id: run.data.metrics for run in runs},
        "points": {
            run.info.run_id: sum(len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics)
            for run in runs
        },
        "versions": sorted(
            (version.name, version.version)
            for version in client.search_model_versions()
            if version.name == "digits-classifier"
        ),
        "aliases": client.get_registered_model("digits-classifier").aliases,
        "models": len(client.search_logged_models([experiment.experiment_id])),
        "ledger": [entry.hash for entry in Ledger(settings.ledger).entries()],
    }
