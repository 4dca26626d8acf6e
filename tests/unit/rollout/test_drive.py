"""A driver on a real ledger, store and log: what it enters, what it asks, and that each of it is entered once.

What needs a registered model, a promotion, tests/integration/test_rollout.py has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from augment_ops.errors import ActRefused, InputError, TrackingError
from augment_ops.governance.audit import quarantined
from augment_ops.lifecycle.book import book_of
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import drive as driving
from augment_ops.rollout.acts import abort, resume
from augment_ops.rollout.drive import Driver, drive
from augment_ops.rollout.ending import end
from augment_ops.rollout.evidence import evidence_in, progress
from augment_ops.rollout.state import Rollout, entries_of, rollouts
from augment_ops.workspace import Workspace, log_uri
from support.rollouts import MODELS, RULES, Told, begin, compare, crown, halves, last, workspace_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path)


def _alerts(workspace: Workspace) -> list[str]:
    return [entry.reason for entry in workspace.ledger.read(("alert",))]


def test_nothing_is_driven_where_nothing_runs(workspace: Workspace) -> None:
    crown(workspace, "1", "none")
    assert Told(workspace).tick() is None


def test_a_step_that_has_its_answers_is_followed_by_the_next(workspace: Workspace) -> None:
    rollout = begin(workspace)
    told = Told(workspace)
    compare(workspace, rollout, 0, 150)
    told.tick()
    assert last(workspace).step == 0
    compare(workspace, rollout, 0, 100, first=150)
    told.tick()
    found = last(workspace)
    assert (found.step, found.state, found.acts[-1].actor) == (1, "running", "rollout")
    evidence = evidence_in(workspace.store, found.acts[-1].subjects["evidence"])
    assert (evidence.answers, evidence.judgement.action, evidence.rollout, evidence.step) == (
        250,
        "advance",
        rollout,
        0,
    )
    assert [point.answers for point in evidence.series] == [150, 250]
    assert {one.condition: one.state for one in evidence.measured}["agreement"] == "holds"
    told.tick()
    assert last(workspace).step == 1  # whose answers have not come


def test_what_is_shown_to_be_broken_goes_back_and_into_quarantine(workspace: Workspace) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, 300, same=0.3)
    told = Told(workspace)
    assert told.tick() is None
    found = last(workspace)
    assert (found.outcome, found.closed, found.step) == ("rolled_back", True, 0)
    assert "Agreement" in found.why
    assert MODELS["2"] in quarantined(entries_of(book_of(workspace), "digits"))
    assert evidence_in(workspace.store, found.acts[-1].subjects["evidence"]).judgement.action == "roll back"
    (alert,) = _alerts(workspace)
    assert "version 2 was rolled back" in alert
    assert "rolled back" in told.says[0]
    assert Told(workspace).tick() is None
    assert len(list(workspace.ledger.read())) == 5  # crown, start, end, quarantine, alert


def test_a_rollback_that_was_cut_off_is_completed_by_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, 300, same=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(driving, "complete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Told(workspace).tick()
    assert last(workspace).outcome == "rolled_back"
    assert not quarantined(entries_of(book_of(workspace), "digits"))
    assert Told(workspace).tick() is None
    assert MODELS["2"] in quarantined(entries_of(book_of(workspace), "digits"))


def test_two_drivers_enter_the_same_things_once(workspace: Workspace) -> None:
    rollout = begin(workspace)
    one, other = Told(workspace), Told(workspace)
    compare(workspace, rollout, 0, 250)
    entries = entries_of(book_of(workspace), "digits")
    one.tick()
    with pytest.MonkeyPatch.context() as patch:  # the other has read the ledger before the first wrote
        patch.setattr(driving, "unfinished", lambda *_: rollouts(entries, "digits")[-1])
        compare(workspace, rollout, 0, 10, first=250)  # so that its evidence is another
        other.tick()
    assert [entry.act for entry in last(workspace).acts] == ["rollout-start", "rollout-step"]
    halves(workspace, rollout, failed=1.0)
    entries = entries_of(book_of(workspace), "digits")
    one.tick()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving, "unfinished", lambda *_: rollouts(entries, "digits")[-1])
        compare(workspace, rollout, 1, 10, arm="challenger", first=900)
        other.tick()
    assert [entry.act for entry in last(workspace).acts] == ["rollout-start", "rollout-step", "rollout-end"]
    assert last(workspace).outcome == "rolled_back"


def test_a_decision_that_came_first_counts(workspace: Workspace) -> None:
    begin(workspace)
    found = last(workspace)
    book = book_of(workspace)
    assert end(book, found, "promoted", actor="rollout", reason="it held").decided
    other = end(book, found, "rolled_back", actor="rollout", reason="slow")
    assert (other.decided, other.outcome) == (True, "")
    with pytest.raises(ActRefused, match="its promotion, which is decided"):
        abort(workspace, "digits", reason="late")


def test_a_comparison_ends_without_a_winner(workspace: Workspace) -> None:
    rollout = begin(workspace, RULES.replace("ends: promote", "ends: compare"))
    compare(workspace, rollout, 0)
    told = Told(workspace)
    told.tick()
    halves(workspace, rollout)
    assert told.tick() is None
    assert last(workspace).outcome == "compared"
    assert not quarantined(entries_of(book_of(workspace), "digits"))


def test_a_challenger_that_fails_is_not_champion_because_the_champion_was_asked_less(workspace: Workspace) -> None:
    """Workers write what they compared each in its time, and a batch of one request is many answers."""
    rollout = begin(workspace)
    compare(workspace, rollout, 0)
    told = Told(workspace)
    told.tick()
    compare(workspace, rollout, 1, 4, arm="champion")
    compare(workspace, rollout, 1, 800, arm="challenger", failed=1.0)
    told.tick()
    assert (last(workspace).state, last(workspace).step) == ("running", 1)
    compare(workspace, rollout, 1, 16, arm="champion", first=4)
    told.tick()
    assert last(workspace).outcome == "rolled_back"


def test_a_step_that_takes_too_long_pauses_and_goes_on_when_somebody_says_so(workspace: Workspace) -> None:
    begin(workspace, RULES.replace("longest_hours: 1,", "longest_hours: 0.000000001,"))
    told = Told(workspace)
    for _ in range(2):  # at the first look no time has been counted
        told.tick()
    found = last(workspace)
    assert (found.state, found.step) == ("paused", 0)
    assert "longest" in found.paused
    told.tick()
    assert len(last(workspace).acts) == 2  # nothing is judged meanwhile
    assert "gets no requests" in _alerts(workspace)[0]
    assert resume(workspace, "digits", reason="night").state == "running"
    for _ in range(2):
        told.tick()
    assert last(workspace).state == "paused"
    assert len(_alerts(workspace)) == 2
    with pytest.raises(InputError, match="no reason"):
        resume(workspace, "digits", reason=" ")


def test_an_overtaken_rollout_is_ended(workspace: Workspace) -> None:
    begin(workspace)
    crown(workspace, "3", "1")
    assert Told(workspace).tick() is None
    found = last(workspace)
    assert (found.outcome, found.closed, found.acts[-1].subjects["outcome"]) == ("overtaken", True, "overtaken")
    assert not quarantined(entries_of(book_of(workspace), "digits"))


def test_a_step_that_the_rules_do_not_have_ends_it(workspace: Workspace) -> None:
    rollout = begin(workspace)
    about = {"version": "digits/2", "environment": "dev", "rollout": rollout}
    for step in ("1", "2"):
        workspace.ledger.append("rollout-step", "mallory", {**about, "step": step}, "hurry", f"forged:{step}")
    assert Told(workspace).tick() is None
    assert last(workspace).outcome == "aborted"


def test_labels_that_come_later_are_held_against_it(workspace: Workspace) -> None:
    rollout = begin(
        workspace, RULES.replace("answers: 200", "answers: 2000").replace("loss_at_most: 0.1", "loss_at_most: 0.02")
    )
    compare(workspace, rollout, 0, 400, same=0.85)
    told = Told(workspace)
    told.tick()
    assert last(workspace).state == "running"
    log = PredictionLog(log_uri(workspace.settings), "digits")
    log.label({f"0-shadow-{number}": "7" for number in range(300)})
    log.label({"somebody's": "7"})
    assert told.tick() is None
    assert last(workspace).outcome == "rolled_back"
    assert "Accuracy" in last(workspace).why


@pytest.mark.parametrize(("shift", "outcome"), [(0.0, ""), (3.0, "rolled_back")])
def test_arms_that_are_asked_different_things_end_it(workspace: Workspace, shift: float, outcome: str) -> None:
    rules = RULES.replace("agreement: {at_least: 0.8}", "inputs: {psi_at_most: 0.25}")
    rollout = begin(workspace, rules.replace("share: 0.5, answers: 200", "share: 0.5, answers: 900"))
    compare(workspace, rollout, 0)
    told = Told(workspace, whole=True)
    told.tick()
    assert last(workspace).step == 1
    log, draw = PredictionLog(log_uri(workspace.settings), "digits", modality="tabular"), np.random.default_rng(7)
    for version, moved in (("1", 0.0), ("2", shift)):
        ids, times = [f"{version}-{n}" for n in range(400)], [datetime.now(UTC)] * 400
        log.write(ids, times, model_version=version, features={"amount": draw.normal(moved, 1, 400)})
    halves(workspace, rollout)
    told.tick()
    found = last(workspace)
    assert found.outcome == outcome
    assert "The input amount" in found.why or not outcome


@pytest.mark.parametrize(("wrong", "outcome"), [(False, ""), (True, "rolled_back")])
def test_samples_of_one_kind_that_go_wrong_end_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, wrong: bool, outcome: str
) -> None:
    """Four images in a hundred are dark, and all of them are answered otherwise."""
    monkeypatch.setattr("augment_ops.rollout.paired_inputs._WRITTEN_S", 0.0)
    rules = RULES.replace("agreement: {at_least: 0.8}", "slice_agreement: {at_least: 0.5}")
    rollout = begin(workspace, rules.replace("answers: 200, hours: 0", "answers: 2000, hours: 0"))
    log = PredictionLog(log_uri(workspace.settings), "digits", workspace.store, modality="image")
    images = np.random.default_rng(7).integers(100, 256, (1700, 4, 4, 1), dtype=np.uint8)
    images[np.arange(1700) % 100 >= 96] //= 20
    ids, times = [f"0-shadow-{number}" for number in range(1700)], [datetime.now(UTC)] * 1700
    log.write(ids, times, model_version="1", samples=images)
    compare(workspace, rollout, 0, 1700, same=0.96 if wrong else 1.0)
    Told(workspace, whole=True).tick()
    found = last(workspace)
    assert found.outcome == outcome
    assert not outcome or "Agreement with the champion where mean is" in found.why


def test_a_reading_keeps_no_rollback_waiting(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = RULES.replace("agreement: {at_least: 0.8}", "slice_agreement: {at_least: 0.5}")
    rollout = begin(workspace, rules)
    reading, go_on = threading.Event(), threading.Event()

    def held(*args: object, **more: object) -> None:
        reading.set()
        go_on.wait(60)
        raise ValueError

    monkeypatch.setattr("augment_ops.rollout.paired_inputs.read_window", held)
    monkeypatch.setattr("augment_ops.rollout.paired_inputs._WRITTEN_S", 0.0)
    compare(workspace, rollout, 0, 300, failed=0.6)
    compare(workspace, rollout, 0, 300, first=300)
    try:
        assert Told(workspace).tick() is None
        assert reading.wait(30)
        assert last(workspace).outcome == "rolled_back"
    finally:
        go_on.set()


def test_a_file_that_cannot_be_read_is_counted_and_passed_over(workspace: Workspace) -> None:
    rollout = begin(workspace)
    folder = Path(workspace.settings.store) / "predictions" / "digits" / "rollouts" / rollout
    folder.mkdir(parents=True)
    (folder / "20260101T000000-bad.parquet").write_bytes(b"not parquet")
    compare(workspace, rollout, 0)
    Told(workspace).tick()
    found = last(workspace)
    assert found.step == 1
    assert evidence_in(workspace.store, found.acts[-1].subjects["evidence"]).tally["unreadable"] == 1


def test_the_loop_says_what_fails_once_and_ends_with_the_rollout(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, 300, same=0.3)
    fails, says = iter([True, True, False]), []
    really = Driver.tick

    def tick(driver: Driver) -> Rollout | None:
        if next(fails):
            raise TrackingError("MLflow", "no answer", "one", "start it")
        return really(driver)

    monkeypatch.setattr(Driver, "tick", tick)
    monkeypatch.setattr(driving, "show_until_shown", lambda *_, **__: None)
    drive(workspace, "digits", "dev", say=says.append, stop=threading.Event(), interval_s=0.001)
    assert [("no answer" in line, "rolled back" in line) for line in says] == [(True, False), (False, True)]


def test_the_loop_ends_when_it_is_stopped(workspace: Workspace) -> None:
    begin(workspace)
    stop = threading.Event()
    thread = threading.Thread(target=drive, args=(workspace, "digits", "dev"), kwargs={"say": print, "stop": stop})
    thread.start()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert last(workspace).state == "running"


@contextmanager
def _of_a_service(workspace: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS", "MLFLOW"))}
    homes = {
        "AUGMENT_OPS_HOME": str(workspace.settings.home),
        "AUGMENT_OPS_POLICIES": str(workspace.settings.policies),
    }
    command = [sys.executable, "-P", "-m", "augment_ops.rollout.drive", "digits", "dev"]
    with subprocess.Popen(command, env={**kept, **homes}, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process


def test_a_driver_of_a_service_ends_with_it(workspace: Workspace) -> None:
    begin(workspace)
    with _of_a_service(workspace) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        assert process.communicate(timeout=120) == (None, b"")
    assert process.returncode == 0
    assert last(workspace).state == "running"


def test_a_driver_of_a_service_ends_with_the_rollout(workspace: Workspace) -> None:
    """The service is there and goes on: what waits for its end does not hold the driver, nor bring it down."""
    begin(workspace)
    crown(workspace, "3", "1")
    with _of_a_service(workspace) as process:
        assert process.wait(120) == 0
        assert process.stderr is not None
        assert b"overtaken" in (said := process.stderr.read())
        assert said.count(b"\n") == 1
    assert last(workspace).closed


def test_what_is_known_is_kept_for_people_who_look(workspace: Workspace) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, 100)
    assert progress(workspace.store, last(workspace)) is None
    Told(workspace).tick()
    kept = progress(workspace.store, last(workspace))
    assert kept is not None
    assert (kept.answers, kept.step, kept.judgement.action) == (100, 0, "go on")
