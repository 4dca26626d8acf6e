"""A run that ends in an admission, and its rollout to the end: real gate, ledger, store, log and MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from augment_ops.cli.runs import run_pipeline
from augment_ops.errors import ActRefused, GovernanceError, InputError, StoreError, TrackingError
from augment_ops.governance.audit import champions
from augment_ops.governance.rollouts import ADMIT
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.champion import acts_of, champion, quarantine, subjects_of
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import starting
from augment_ops.rollout.acts import abort, pause_rollout, resume
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.drive import Driver, promote
from augment_ops.rollout.evidence import rules_of
from augment_ops.rollout.showing import show_quarantines
from augment_ops.rollout.starting import start
from augment_ops.rollout.state import Rollout, admissions, entries_of, rollouts
from augment_ops.serving import follow_rollout
from augment_ops.serving.follow_rollout import FollowedRollout
from augment_ops.serving.headers import ROLLOUT_HEADER, VERSION_HEADER
from augment_ops.serving.meters import folder_of
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, log_uri
from support import rollouts as written
from support.mlflow_server import MlflowServer, mlflow_server
from support.places import POLICIES
from support.ports import free_port
from support.replicas import Replica, replicas
from support.service import until
from support.state_folder import settings_in
from support.tables import gate_of_equals, rules_of_few_frauds, transactions

pytestmark = pytest.mark.slow  # two whole runs, of trees on few rows
RULES = dict.fromkeys(("gate", "suite", "quality", "drift"), "transactions")
DATASET, REASON = "payments", "as agreed"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(POLICIES, home / "policies")
    rules = home / "policies/drift/transactions.yaml"
    rules.write_text(rules.read_text().replace("evidently: not-ok", "evidently: never"))
    for folder in ("stress", "gates"):
        rules_of_few_frauds(home / f"policies/{folder}/transactions.yaml")
    gate_of_equals(home / "policies" / "gates" / "transactions.yaml")
    (home / "policies" / "rollout" / "quick.yaml").write_text(written.RULES)
    environments = home / "policies" / "environments.yaml"
    dev = "policy: {state: draft, discovery: warn}"
    environments.write_text(environments.read_text().replace(dev, f"{dev}\n    rollout: quick", 1))
    with settings_in(home, home / "policies") as found:
        yield found


@pytest.fixture(scope="module")
def runs(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The first run of a data set, and one with another seed."""
    folder = tmp_path_factory.mktemp("data")
    transactions(4_800).to_csv(folder / "payments.csv", index=False)
    asked = {
        "dataset": str(folder / "payments.csv"),
        "modality": "tabular",
        "columns": "label=fraud,subject=customer,time=moment,id=transaction",
        "policy": "transactions-robust",
        "epochs": 1,
        **RULES,
    }
    first = run_pipeline(asked, "first", quiet=True)
    return [first, run_pipeline({**asked, "seed": 5}, "second", quiet=True)]


@pytest.fixture
def workspace(settings: Settings, runs: list[dict[str, Any]], tmp_path: Path) -> Workspace:
    """As it is after both runs, for a test to change; the artifacts in MLflow stay where they are."""
    assert len(runs) == 2
    shutil.copytree(settings.home, tmp_path / "home", ignore=shutil.ignore_patterns("artifacts", "cache"))
    home = tmp_path / "home"
    environment = {"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(home / "policies")}
    return Workspace(Settings.from_environment(environment), "ada")


def _champion(workspace: Workspace) -> str:
    found = champion(book_of(workspace), workspace.tracker, DATASET, "dev")
    assert found is not None
    return found.version


def _last(workspace: Workspace) -> Rollout:
    return rollouts(entries_of(book_of(workspace), DATASET), DATASET)[-1]


def _drive(workspace: Workspace, ticks: int = 1) -> Rollout | None:
    driver = Driver(workspace, DATASET, "dev", print)
    return [driver.tick() for _ in range(ticks)][-1]


def test_the_first_is_champion_at_once_and_the_next_waits_for_its_rollout(
    runs: list[dict[str, Any]], settings: Settings
) -> None:
    first, second = runs
    assert (first["verdict"], first["promoted"], first["rollout"]) == ("PASS", True, ""), first["reasons"]
    assert (second["verdict"], second["promoted"], second["rollout"]) == ("PASS", False, "quick"), second["reasons"]
    assert "waits for its rollout: augment-ops rollout start payments --environment dev" in second["promotion"]
    workspace = Workspace(settings, "ada")
    assert _champion(workspace) == first["model_version"]
    (admission,) = admissions(entries_of(book_of(workspace), DATASET), DATASET, "dev")
    assert (admission.version, admission.previous) == (second["model_version"], first["model_version"])
    client = MlflowClient(workspace.tracker.uri)
    challenger = client.get_model_version_by_alias(f"{DATASET}-classifier", "challenger")
    assert str(challenger.version) == second["model_version"]
    (run,) = client.search_runs(
        [client.get_experiment_by_name(f"augment-ops/{DATASET}").experiment_id],
        "tags.`augment_ops.pipeline_run` = 'second' and tags.`augment_ops.role` = 'pipeline'",
    )
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "waits for its rollout")
    page = (settings.home / "reports" / "second" / "report.html").read_text()
    assert "waits for its rollout" in page
    assert "Champion version 1 stays." in page


def test_what_passes_every_step_is_champion(workspace: Workspace) -> None:
    rollout = start(workspace, DATASET, reason=REASON)
    assert (rollout.challenger, rollout.champion, rollout.environment, rollout.by) == ("2", "1", "dev", "ada")
    assert rules_of(workspace.store, rollout).name == "quick"
    written.compare(workspace, rollout.id, 0, dataset=DATASET)
    driver = Driver(workspace, DATASET, "dev", print)
    driver.tick()
    assert _last(workspace).step == 1
    written.halves(workspace, rollout.id, dataset=DATASET)
    assert driver.tick() is None
    found = _last(workspace)
    assert (found.outcome, found.closed) == ("promoted", True)
    assert _champion(workspace) == "2"
    reign = champions(acts_of(book_of(workspace), DATASET), DATASET, "dev")[-1]
    assert (reign.version, reign.by, reign.succeeded) == ("2", "ada", "1")
    with pytest.raises(ActRefused, match="beside champion version 2: there is none"):
        start(workspace, DATASET, reason=REASON)


def test_a_promotion_that_was_cut_off_is_completed_by_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = start(workspace, DATASET, reason=REASON)
    written.compare(workspace, rollout.id, 0, dataset=DATASET)
    written.halves(workspace, rollout.id, dataset=DATASET)
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.rollout.drive.complete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _drive(workspace, 2)
    assert _last(workspace).state == "promoting"
    assert _champion(workspace) == "1"
    assert _drive(workspace) is None
    assert (_last(workspace).outcome, _champion(workspace)) == ("promoted", "2")


def test_a_rollback_needs_no_mlflow_and_is_shown_there_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = start(workspace, DATASET, reason=REASON)
    written.compare(workspace, rollout.id, 0, same=0.1, dataset=DATASET)
    away = Workspace(replace(workspace.settings, mlflow_uri="http://127.0.0.1:1"), "ada")
    monkeypatch.setattr("augment_ops.workspace._witnesses", lambda _: [])  # they would wait two seconds for it
    assert _drive(away) is None
    assert _last(workspace).outcome == "rolled_back"
    with pytest.raises(TrackingError):
        show_quarantines(away, DATASET, "dev")
    assert workspace.tracker.in_quarantine(DATASET) == []
    show_quarantines(workspace, DATASET, "dev")
    assert [one.version for one in workspace.tracker.in_quarantine(DATASET)] == ["2"]
    assert _champion(workspace) == "1"
    with pytest.raises(ActRefused, match="in quarantine since version 2"):
        start(workspace, DATASET, reason=REASON)


def test_a_promotion_waits_for_mlflow(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = start(workspace, DATASET, reason=REASON)
    written.compare(workspace, rollout.id, 0, dataset=DATASET)
    _drive(workspace)
    written.halves(workspace, rollout.id, dataset=DATASET)
    away = Workspace(replace(workspace.settings, mlflow_uri="http://127.0.0.1:1"), "ada")
    monkeypatch.setattr("augment_ops.workspace._witnesses", lambda _: [])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    driver = Driver(away, DATASET, "dev", print)
    with pytest.raises(TrackingError):
        driver.tick()
    left = driver.tick()  # and does not ask again at once
    assert left is not None
    assert left.state == "running"
    assert _drive(workspace) is None
    assert _last(workspace).outcome == "promoted"


def test_a_person_promotes_early_where_nothing_is_broken(workspace: Workspace) -> None:
    rollout = start(workspace, DATASET, reason=REASON)
    lead = Workspace(workspace.settings, "ml-lead")
    written.compare(workspace, rollout.id, 0, 100, dataset=DATASET)
    with pytest.raises(ActRefused, match="expected one of"):
        promote(workspace, DATASET, reason="hurry")
    pause_rollout(workspace, DATASET, reason="wait")
    with pytest.raises(ActRefused, match="paused: wait"):
        promote(lead, DATASET, reason="hurry")
    resume(workspace, DATASET, reason="go on")
    done = promote(lead, DATASET, reason="the old one is wrong on new forms")
    assert (done.outcome, done.step, _champion(workspace)) == ("promoted", 0, "2")
    assert champions(acts_of(book_of(workspace), DATASET), DATASET, "dev")[-1].by == "ml-lead"


def test_what_may_not_be_champion_any_more_waits_for_a_person(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise ActRefused("policy transactions-robust", "revoked by bob", "one that is admitted", "train anew")

    rollout = start(workspace, DATASET, reason=REASON)
    written.compare(workspace, rollout.id, 0, dataset=DATASET)
    written.halves(workspace, rollout.id, dataset=DATASET)
    monkeypatch.setattr(starting, "check_still_admitted", refuse)
    _drive(workspace, 2)
    found = _last(workspace)
    assert (found.state, "revoked by bob" in found.paused) == ("paused", True)
    assert _champion(workspace) == "1"


def test_one_rollout_at_a_time_and_again_after_an_end(workspace: Workspace) -> None:
    first = start(workspace, DATASET, reason=REASON)
    with pytest.raises(ActRefused, match=f"rollout {first.id} of version 2"):
        start(workspace, DATASET, reason=REASON)
    abort(workspace, DATASET, reason="not today")
    second = start(workspace, DATASET, reason=REASON)
    assert (second.id != first.id, second.state) == (True, "running")
    refused = list(workspace.ledger.read(("refuse",)))
    assert len(refused) == 1


def test_what_cannot_begin_begins_nothing(workspace: Workspace) -> None:
    size = len(list(workspace.ledger.read(("rollout-start",))))
    with pytest.raises(ActRefused, match="found default; expected quick, which environments"):
        start(workspace, DATASET, reason=REASON, rules="default")
    with pytest.raises(ActRefused, match="expected one that a run let in beside champion version 1: 2"):
        start(workspace, DATASET, reason=REASON, version="7")
    with pytest.raises(InputError, match="no reason"):
        start(workspace, DATASET, reason="")
    with pytest.raises(InputError, match="no champion"):
        start(workspace, DATASET, reason=REASON, environment="staging")
    with pytest.raises(InputError, match="Did you mean staging"):
        start(workspace, DATASET, reason=REASON, environment="stagin")
    book, tracker = book_of(workspace), workspace.tracker
    MlflowClient(tracker.uri).set_model_version_tag(f"{DATASET}-classifier", "2", "augment_ops.policy", "another")
    with pytest.raises(GovernanceError, match="not what was judged"):
        start(workspace, DATASET, reason=REASON)
    quarantine(book, tracker, DATASET, "2", tracker.version(DATASET, "2").model_digest, "bob", "wrong on refunds")
    with pytest.raises(ActRefused, match="wrong on refunds"):
        start(workspace, DATASET, reason=REASON)
    MlflowClient(tracker.uri).set_registered_model_alias(f"{DATASET}-classifier", "champion-dev", "2")
    with pytest.raises(GovernanceError, match="MLflow against the ledger"):
        start(workspace, DATASET, reason=REASON)
    assert len(list(workspace.ledger.read(("rollout-start",)))) == size


def test_a_challenger_that_takes_something_else_is_refused(workspace: Workspace) -> None:
    from augment_ops.data.snapshot import Snapshot

    version = workspace.tracker.version(DATASET, "2")
    opened = Snapshot.open(workspace.store, version.tags["augment_ops.snapshot_digest"])
    other = replace(opened.manifest, classes=("fraud", "refund", "valid"))
    with pytest.MonkeyPatch.context() as patch:
        manifests = iter([opened.manifest, other])
        patch.setattr(starting.Snapshot, "open", lambda *_: Snapshot(workspace.store, next(manifests)))
        with pytest.raises(ActRefused, match="other classes than champion version 1"):
            start(workspace, DATASET, reason=REASON)


class Following:
    """A service that follows the rollouts, with what it says."""

    def __init__(self, workspace: Workspace) -> None:
        self.says: list[str] = []
        folder_of(workspace.settings.home, DATASET).mkdir(parents=True)
        self.rollout = FollowedRollout(workspace, DATASET, "dev", self.says.append)

    def step(self) -> int | None:
        found = self.rollout.now()
        return None if found is None else found.step


def test_a_service_exposes_as_far_as_the_ledger_says(workspace: Workspace) -> None:
    of = Following(workspace)
    assert (of.step(), of.rollout.driver) == (None, None)
    rollout = start(workspace, DATASET, reason=REASON)
    exposure = of.rollout.now()
    assert exposure is not None
    assert (exposure.rollout, exposure.challenger.version, exposure.step) == (rollout.id, "2", 0)
    assert exposure.challenger.artifact == workspace.tracker.version(DATASET, "2").artifact
    assert of.rollout.driver is not None
    pause_rollout(workspace, DATASET, reason="wait")
    assert of.step() is None
    assert of.rollout.driver is not None  # for what follows when somebody resumes
    resume(workspace, DATASET, reason="go on")
    written.compare(workspace, rollout.id, 0, dataset=DATASET)
    _drive(workspace)
    assert of.step() == 1
    written.halves(workspace, rollout.id, dataset=DATASET)
    _drive(workspace)
    assert of.step() is None
    assert (of.rollout.has_won(exposure), of.rollout.driver) == (True, None)
    assert of.says == []


def test_a_worker_that_gives_up_ends_the_rollout_for_all_services(workspace: Workspace) -> None:
    start(workspace, DATASET, reason=REASON)
    of, other = Following(workspace), FollowedRollout(workspace, DATASET, "dev", print)
    exposure = of.rollout.now()
    assert exposure is not None
    assert other.now() is not None
    of.rollout.fails(exposure, "5 answers in a row failed")
    assert of.step() is None
    assert other.now() is None
    found = _last(workspace)
    assert (found.outcome, found.why, found.closed) == ("rolled_back", "5 answers in a row failed", True)
    assert not of.rollout.has_won(exposure)
    until(lambda: [one.version for one in workspace.tracker.in_quarantine(DATASET)] == ["2"])
    with pytest.raises(ActRefused, match="in quarantine"):
        start(workspace, DATASET, reason=REASON)


def test_without_a_ledger_nobody_is_exposed_for_long_and_a_failure_is_entered_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise GovernanceError("ledger", "away", "a ledger", "wait")

    start(workspace, DATASET, reason=REASON)
    of = Following(workspace)
    exposure = of.rollout.now()
    assert exposure is not None
    now = [follow_rollout.monotonic()]
    monkeypatch.setattr(follow_rollout, "monotonic", lambda: now[0])
    with monkeypatch.context() as patch:
        patch.setattr(follow_rollout, "entries_of", away)
        assert of.step() == 0  # a moment is nothing
        now[0] += 2.5
        assert of.step() is None
        assert "without a ledger" in of.says[0]
        patch.setattr(follow_rollout, "end", away)
        of.rollout.fails(exposure, "it hangs")
    assert _last(workspace).state == "running"
    assert of.step() is None
    assert (_last(workspace).outcome, _last(workspace).why) == ("rolled_back", "it hangs")


def test_a_challenger_that_cannot_be_had_is_said_once_and_nobody_is_exposed(workspace: Workspace) -> None:
    start(workspace, DATASET, reason=REASON)
    client = MlflowClient(workspace.tracker.uri)
    client.set_model_version_tag(f"{DATASET}-classifier", "2", "augment_ops.policy", "another")
    of = Following(workspace)
    assert [of.step(), of.step()] == [None, None]
    assert len(of.says) == 1
    assert "is not asked yet" in of.says[0]


@pytest.mark.parametrize(
    ("what", "error"),
    [("laid_out", OSError(28, "No space left on device")), ("rules_of", StoreError("rules", "none", "rules", "abort"))],
)
def test_neither_a_full_disk_nor_rules_that_are_none_end_a_service(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    start(workspace, DATASET, reason=REASON)
    of = Following(workspace)
    monkeypatch.setattr(follow_rollout, what, fails)
    assert of.step() is None
    assert "is not asked yet" in of.says[0]


@pytest.fixture
def server(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    """MLflow as `augment-ops up` serves it, of the workspace's home."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):  # connect() sets them; they go again
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with mlflow_server(replace(workspace.settings, mlflow_port=free_port())) as found:
        yield found


@pytest.mark.timeout(600)
def test_mlflow_killed_in_a_step_keeps_neither_answers_nor_steps_nor_a_rollback(
    workspace: Workspace, server: MlflowServer
) -> None:
    """Only a promotion waits for it; what became of the challenger is shown there when it is back."""
    with replicas(workspace, DATASET, server.settings.mlflow_uri) as (service,):
        rollout = start(Workspace(server.settings, "ada"), DATASET, reason=REASON)
        until(lambda: ROLLOUT_HEADER in service.ask().headers)
        server.kill()
        until(lambda: service.ask() and _last(workspace).step == 1)
        written.halves(workspace, rollout.id, dataset=DATASET)
        until(lambda: service.ask() and "MLflow" in service.said.partition(f"rollout of {DATASET} in dev: ")[2])
        assert (_last(workspace).state, _last(workspace).step) == ("running", 1)
        assert service.versions == {"1", "2"}
        written.compare(workspace, rollout.id, 1, 800, arm="challenger", failed=1.0, first=1000, dataset=DATASET)
        until(lambda: service.ask() and _last(workspace).closed)
        assert _last(workspace).outcome == "rolled_back"
        until(lambda: ROLLOUT_HEADER not in service.ask().headers)
        assert {service.ask().headers[VERSION_HEADER] for _ in range(8)} == {"1"}
        assert workspace.tracker.in_quarantine(DATASET) == []
        server.start()
        until(lambda: [one.version for one in workspace.tracker.in_quarantine(DATASET)] == ["2"])
    assert _champion(workspace) == "1"


IDS = [f"r{number}" for number in range(12)]


def _answered(replicas: list[Replica]) -> set[tuple[str, str]]:
    """Versions and arms of some requests; nothing where one has another answer in another replica."""
    seen = [[one.ask(name).headers for name in IDS] for one in replicas]
    told = [[(one[VERSION_HEADER], one.get(ROLLOUT_HEADER, "")) for one in of] for of in seen]
    return set(told[0]) if all(one == told[0] for one in told) else set()


def _arms(rollout: Rollout) -> set[tuple[str, str]]:
    own = {"champion": rollout.champion, "challenger": rollout.challenger}
    return {(version, f"{rollout.id}; arm={arm}") for arm, version in own.items()}


def _let_in_again(workspace: Workspace, version: str) -> None:
    """As a run would let it in, beside the champion of now."""
    subjects = {**subjects_of(workspace.tracker.version(DATASET, version)), "previous": _champion(workspace)}
    about = {"version": f"{DATASET}/{version}", "environment": "dev", "decision": "d" * 64}
    workspace.ledger.append(ADMIT, "ada", {**subjects, **about}, "for a test", "test:admit")


def _compared(workspace: Workspace, rollout: Rollout) -> set[str]:
    """Ids of the samples that were compared."""
    log = ComparisonLog(log_uri(workspace.settings), DATASET, rollout.id)
    return {one for name in log.files() for one in log.read(name).column("sample_id").to_pylist()}


def _log_has(workspace: Workspace, ids: set[str]) -> bool:
    log, now, apart = PredictionLog(log_uri(workspace.settings), DATASET), datetime.now(UTC), timedelta(hours=6)
    return ids <= set(read_window(log, now - apart, now + apart, samples=False).rows["sample_id"])


def test_replicas_whose_clocks_are_hours_apart_answer_and_follow_as_one(workspace: Workspace) -> None:
    """A challenger that becomes champion, then one that goes back, judged by drivers with those clocks as well."""
    with replicas(workspace, DATASET, ahead_h=(-5, 5)) as both:
        first = start(workspace, DATASET, reason=REASON)
        until(lambda: _answered(both) == {("1", f"{first.id}; arm=champion")})
        asked = [f"{place}-{number}" for place in range(2) for number in range(2)]
        for name in asked:
            both[int(name[0])].ask(name, 100)
        until(lambda: _last(workspace).step == 1)
        samples = {f"{name}/{number}" for name in asked for number in range(100)}
        until(lambda: samples <= _compared(workspace, first) and _log_has(workspace, samples))
        labels = {"0-0/0": "valid", "1-0/0": "valid"}  # of both, brought to each
        assert [one.label(labels).status_code for one in both] == [200, 200]
        assert [one.label(dict.fromkeys(labels, "fraud")).status_code for one in both] == [409, 409]
        until(lambda: _answered(both) == _arms(first))
        written.halves(workspace, first.id, dataset=DATASET)
        until(lambda: _last(workspace).outcome == "promoted")
        until(lambda: _champion(workspace) == "2")  # by MLflow as well
        until(lambda: _answered(both) == {("2", "")})

        _let_in_again(workspace, "1")
        second = start(workspace, DATASET, reason=REASON)
        written.compare(workspace, second.id, 0, dataset=DATASET)
        until(lambda: _answered(both) == _arms(second))
        written.halves(workspace, second.id, failed=1.0, dataset=DATASET)
        until(lambda: _last(workspace).outcome == "rolled_back")
        until(lambda: _answered(both) == {("2", "")})
    assert _champion(workspace) == "2"
