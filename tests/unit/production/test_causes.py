"""A training that says an alert started it is held against the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment_ops.cli.drift import drift
from augment_ops.content import canonical_json
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.cause import origins_behind, people_behind
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.causes import check_start, enter_start, enter_started
from augment_ops.production.monitor import Monitored
from augment_ops.production.retraining import PLAN, Retraining, planned
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store

PARAMS: dict[str, Any] = {"dataset": "digits", "seed": 7, "cache_gib": 4.0}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def alerted(ledger: Ledger, actor: str = "schedule", origin: str = "drift_monitor/one") -> tuple[Entry, Retraining]:
    alert = Alert("drift", "digits", "drift:digits:1", {"window_end": "2026-01-01T00:00:00+00:00"}, "drifted", 24.0)
    entry, _ = enter(ledger, alert, actor, origin)
    return entry, Retraining(alert.run_id, PARAMS, "why")


def refusals(ledger: Ledger) -> list[tuple[str, str]]:
    return [(entry.actor, entry.reason) for entry in ledger.read() if entry.act == "refuse"]


def test_the_training_of_an_alert_passes_with_its_own_parameters_alone(ledger: Ledger) -> None:
    alert, training = alerted(ledger)
    enter_start(ledger, alert, training, actor="schedule", origin="drift_monitor/one")
    check_start(ledger, training.run_id, PARAMS, "schedule")
    with pytest.raises(GovernanceError, match="other parameters"):
        check_start(ledger, training.run_id, PARAMS | {"seed": 8}, "eve")
    assert [by for by, _ in refusals(ledger)] == ["eve"]


def test_an_alert_alone_starts_nothing(ledger: Ledger) -> None:
    _, training = alerted(ledger)
    for _ in range(2):  # tried again, it is the same refusal
        with pytest.raises(GovernanceError, match="no alert that started it"):
            check_start(ledger, training.run_id, PARAMS, "eve")
    assert len(refusals(ledger)) == 1


def test_runs_of_other_ids_are_not_asked(ledger: Ledger) -> None:
    check_start(ledger, "manual__1", {"seed": 1}, "ann")
    assert people_behind(ledger, "manual__1") == ()
    assert list(ledger.read()) == []


def test_whoever_found_the_alert_and_whoever_started_the_training_stand_behind_it(ledger: Ledger) -> None:
    alert, training = alerted(ledger, "ann", "drift_monitor/one")
    enter_start(ledger, alert, training, actor="bob", origin="drift_monitor/two")
    enter_start(ledger, alert, training, actor="eve", origin="drift_monitor/three")  # told again: the first one counts
    assert people_behind(ledger, training.run_id) == ("bob", "ann")
    assert origins_behind(ledger, training.run_id) == ("drift_monitor/two", "drift_monitor/one")


def test_a_clock_is_nobody(ledger: Ledger) -> None:
    alert, training = alerted(ledger)
    enter_start(ledger, alert, training, actor="schedule", origin="drift_monitor/one")
    assert people_behind(ledger, training.run_id) == ()


def test_what_is_to_be_started_follows_from_ledger_and_store(ledger: Ledger, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    alert, training = alerted(ledger)
    assert planned(ledger.read(), store) == []  # the monitor has not planned it yet
    for run_id in (training.run_id, "retrain__digits__drift__made-up"):  # a document is nobody's word
        store.put_document(f"drift/digits/retrain/{run_id}.json", canonical_json(training))
    assert planned(ledger.read(), store) == []
    subjects = {"dataset": "digits", "run": training.run_id, "plan": store.put(canonical_json(training))}
    ledger.append(PLAN, "ann", subjects, "", f"plan:{training.run_id}")
    assert planned(ledger.read(), store) == [(alert, training)]


def test_a_training_that_somebody_starts_themselves_is_entered_with_who(ledger: Ledger, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    _, training = alerted(ledger)
    subjects = {"dataset": "digits", "run": training.run_id, "plan": store.put(canonical_json(training))}
    ledger.append(PLAN, "schedule", subjects, "", f"plan:{training.run_id}")
    for who in ("ann", "bob"):  # the second finds it started
        entered = enter_started(ledger, store, training, actor=who)
    assert (entered.act, entered.actor, entered.subjects["run"]) == ("retrain", "ann", training.run_id)
    check_start(ledger, training.run_id, PARAMS, "ann")
    assert people_behind(ledger, training.run_id) == ("ann",)
    assert origins_behind(ledger, training.run_id) == ("drift_monitor/one",)


def test_drift_on_the_command_line_enters_a_training_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The monitor and the run are tried elsewhere; here it counts what stands in the ledger when the run begins."""
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ann")
    ledger = open_ledger(Settings.from_environment())
    _, training = alerted(ledger)
    plan = open_store(Settings.from_environment()).put(canonical_json(training))
    ledger.append(PLAN, "ann", {"dataset": "digits", "run": training.run_id, "plan": plan}, "", "plan")
    found = Monitored("digits", (), (), ("log",), (training,))
    monkeypatch.setattr("augment_ops.production.monitor.monitor", lambda *_, **__: found)
    seen: list[tuple[str, str]] = []

    def run(params: dict[str, Any], run_id: str, quiet: bool) -> dict[str, Any]:
        seen.extend((entry.act, entry.actor) for entry in ledger.read(("retrain",)))
        return {"verdict": "PASS", "promotion": ""}

    monkeypatch.setattr("augment_ops.cli.drift.run_pipeline", run)
    drift("digits", retrain=True)
    assert seen == [("retrain", "ann")]
