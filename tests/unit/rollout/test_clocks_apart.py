"""Machines whose clocks differ by hours: nothing ends early, nothing is counted twice, no label is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from augment_ops.data.store import Store
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import step_clock
from augment_ops.rollout.evidence import progress
from augment_ops.rollout.state import Rollout
from augment_ops.rollout.step_clock import StepClock
from augment_ops.rollout.watch import Watch
from augment_ops.serving.labels import AnswerLabels
from augment_ops.serving.retention import forget
from augment_ops.workspace import Workspace, log_uri
from support.rollouts import RULES, begin, compare, last, workspace_of
from support.service import until
from support.shifted_clock import clock_ahead

APART_H = 5
AN_HOUR = RULES.replace(
    "answers: 200, hours: 0, longest_hours: 1, otherwise: pause}\n  - {name: half",
    "answers: 200, hours: 1, longest_hours: 2, otherwise: roll_back}\n  - {name: half",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path)


@contextmanager
def driver(workspace: Workspace, hours: int) -> Iterator[None]:
    """One in a process whose clock is so far ahead."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS", "MLFLOW"))}
    homes = {
        "AUGMENT_OPS_HOME": str(workspace.settings.home),
        "AUGMENT_OPS_POLICIES": str(workspace.settings.policies),
        **clock_ahead(workspace.settings.home.parent, hours),
    }
    command = (sys.executable, "-P", "-m", "augment_ops.rollout.drive", "digits", "dev")
    process = subprocess.Popen(command, env={**kept, **homes}, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_drivers_whose_clocks_differ_end_no_step_early_and_count_alike(workspace: Workspace) -> None:
    rollout = begin(workspace, AN_HOUR)
    compare(workspace, rollout, 0, 400)
    seen: dict[int, int] = {}  # hours that a driver's clock was ahead → answers that it knew of

    def both_have_judged() -> bool:
        kept = progress(workspace.store, last(workspace))
        if kept is not None:
            seen[round((datetime.fromisoformat(kept.at) - datetime.now(UTC)) / timedelta(hours=1))] = kept.answers
        return set(seen) == {-APART_H, APART_H}

    with ExitStack() as stack:
        for hours in (-APART_H, APART_H):
            stack.enter_context(driver(workspace, hours))
        until(both_have_judged)
        assert set(seen.values()) == {400}
        assert (last(workspace).state, last(workspace).step) == ("running", 0)
        compare(workspace, rollout, 0, 400, same=0.1, first=400)
        until(lambda: last(workspace).closed)
    assert last(workspace).outcome == "rolled_back"


class Clock:
    """A machine's, which a test sets."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.ahead = 0.0  # of the clock that people set
        patch.setattr(step_clock, "monotonic", lambda: self.now)
        patch.setattr(step_clock, "time", lambda: 1e9 + self.now + self.ahead)

    def passes(self, hours: float) -> None:
        self.now += 3600 * hours


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def rollout(workspace: Workspace) -> Rollout:
    begin(workspace)
    return last(workspace)


def test_hours_are_handed_on_from_driver_to_driver(tmp_path: Path, clock: Clock, rollout: Rollout) -> None:
    store = Store(str(tmp_path / "store"))
    first = StepClock(store, "machine")
    assert first.hours(rollout) == 0  # whatever the ledger's clock says
    clock.passes(2)
    first.keep(rollout)
    clock.passes(1)  # in which no driver ran
    assert StepClock(store, "machine").hours(rollout) == pytest.approx(3)
    elsewhere = StepClock(store, "another machine, or this one started anew")
    minute = 1 / 60  # at most, of what two machines say has passed
    assert elsewhere.hours(rollout) == pytest.approx(2 + minute)
    clock.passes(4)
    assert elsewhere.hours(rollout) == pytest.approx(6 + minute)
    assert StepClock(store, "").hours(rollout) == pytest.approx(2 + minute)


def test_machines_that_take_turns_count_what_passes_between_them(
    tmp_path: Path, clock: Clock, rollout: Rollout
) -> None:
    """Tasks of a DAG look once a minute, each on whichever machine is free; one clock is five hours ahead."""
    store = Store(str(tmp_path / "store"))
    for look in range(121):
        clock.ahead = 5 * 3600 * (look % 2)
        turn = StepClock(store, f"machine {look % 2}")
        hours = turn.hours(rollout)
        turn.keep(rollout)
        clock.passes(1 / 60)
    assert 0.9 <= hours <= 2.0


def test_a_step_that_begins_or_is_resumed_has_lasted_no_time(tmp_path: Path, clock: Clock, rollout: Rollout) -> None:
    store = Store(str(tmp_path / "store"))
    watching = StepClock(store, "machine")
    watching.hours(rollout)
    clock.passes(2)
    watching.keep(rollout)
    for later in (replace(rollout, step=1), replace(rollout, since="2026-01-01T00:00:00+00:00")):
        assert watching.hours(later) == 0
        clock.passes(1)
        assert watching.hours(later) == pytest.approx(1)
        assert StepClock(store, "machine").hours(later) == 0


def test_labels_of_the_day_before_count_for_a_rollout_that_a_clock_ahead_began(workspace: Workspace) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, 100)
    began = datetime.fromisoformat(last(workspace).began)
    log = PredictionLog(log_uri(workspace.settings), "digits")
    log.label({f"0-shadow-{n}": "7" for n in range(100)}, logged_at=began - timedelta(hours=23))
    looked = Watch(workspace, last(workspace)).look(last(workspace), whole=True)
    assert sum(int(one.sum()) for one in looked.tally.right_pairs.values()) == 100


def _answered(log: PredictionLog, at: datetime, one: str = "a") -> None:
    log.write([one], [at], model_version="1", predictions=["7"], features={"x": np.array([1.0])}, logged_at=at)


def test_a_label_that_corrects_another_counts_though_its_clock_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, now = PredictionLog(str(tmp_path), "digits"), datetime.now(UTC)
    _answered(log, now)
    log.label({"a": "1"}, logged_at=now + timedelta(hours=APART_H))  # by a replica that is ahead
    assert AnswerLabels(log).take({"a": "7"}, replace=True) == 1
    assert AnswerLabels(log).take({"a": "7"}) == 0  # known as that now
    window = read_window(log, now - timedelta(hours=1), now + timedelta(hours=1), samples=False)
    assert window.rows["label"].tolist() == ["7"]


def test_a_label_that_a_clock_behind_wrote_on_the_day_before_is_found(tmp_path: Path) -> None:
    log, midnight = PredictionLog(str(tmp_path), "digits"), datetime(2026, 3, 2, tzinfo=UTC)
    _answered(log, midnight + timedelta(hours=1))
    log.label({"a": "7"}, logged_at=midnight - timedelta(hours=APART_H - 2))
    window = read_window(log, midnight, midnight + timedelta(days=1), samples=False)
    assert window.rows["label"].tolist() == ["7"]


def test_a_clock_that_is_ahead_deletes_no_day_that_is_wanted_for_longer_than_it_is_ahead(tmp_path: Path) -> None:
    log, now = PredictionLog(str(tmp_path), "digits"), datetime(2026, 3, 12, 22, tzinfo=UTC)
    for days in range(10):
        _answered(log, now - timedelta(days=days), f"a{days}")
    forget(str(tmp_path), "digits", now + timedelta(hours=APART_H) - timedelta(days=3))
    kept = read_window(log, now - timedelta(days=30), now + timedelta(days=1), samples=False)
    assert set(kept.rows["sample_id"]) == {"a0", "a1", "a2"}  # of three days
