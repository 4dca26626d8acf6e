"""Who may do what in this Airflow, asked of the server itself; and trainings that nobody asked for."""

from __future__ import annotations

from typing import Any

import pytest

from augment_ops.content import canonical_json
from augment_ops.governance.ledger import Ledger
from augment_ops.identity import SERVICE
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.retraining import Retraining
from augment_ops.services.people import ADMIN, VIEWER
from augment_ops.workspace import open_ledger, open_store

pytestmark = pytest.mark.timeout(900)

MONITOR, TRAIN = "drift_monitor", "train_and_promote"
USER = "rita"  # holds no role that approves a model; may trigger, as everybody who is no viewer
RUN_S = 600.0
XCOM = {"key": "return_value", "value": [{"trigger_run_id": "retrain__digits__drift__0123456789abcdef", "conf": {}}]}


@pytest.fixture(scope="module")
def monitor(running: Any) -> Any:
    stack = running.of(MONITOR)
    running.eventually(lambda: stack.admin.has_dag(MONITOR) or None, f"the DAG {MONITOR}", RUN_S)
    return stack


@pytest.fixture(scope="module")
def watched(monitor: Any) -> str:
    """A run of the monitor, triggered by somebody, that found nothing to start."""
    with monitor.login(USER) as user:
        run = user.trigger(MONITOR, {}).run_id
    assert monitor.wait_for_end(run, RUN_S) == "success", monitor.complaints(run)
    return run


def allowed(monitor: Any, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, bool]:
    people = (VIEWER, SERVICE, USER, ADMIN)
    return {person: monitor.ask(person, method, path, body) != 403 for person in people}


def test_the_matrix_of_roles(monitor: Any, watched: str) -> None:
    dag, run = f"dags/{MONITOR}", f"dags/{MONITOR}/dagRuns/{watched}"
    task = f"{run}/taskInstances/faults"
    nobody = {VIEWER: False, SERVICE: False, USER: False, ADMIN: False}
    admin, user = nobody | {ADMIN: True}, nobody | {USER: True, ADMIN: True}
    everybody = user | {VIEWER: True, SERVICE: True}

    clear = {"dry_run": True, "dag_run_id": watched, "only_failed": False}
    wrong = {"logical_date": None, "conf": {"until": 5}}  # a conf that is refused, after the role was looked at
    assert allowed(monitor, "POST", f"{dag}/dagRuns", wrong) == user
    assert allowed(monitor, "POST", f"{dag}/clearTaskInstances", clear) == user
    assert allowed(monitor, "POST", f"{run}/clear", {"dry_run": True}) == user
    assert allowed(monitor, "PATCH", task, {"new_state": "success"}) == admin
    assert allowed(monitor, "PATCH", f"{run}/taskGroupInstances/none", {"new_state": "success"}) == admin
    assert allowed(monitor, "PATCH", run, {"note": "seen"}) == admin
    assert allowed(monitor, "POST", f"{task}/xcomEntries", {"key": "k", "value": 1}) == admin
    assert allowed(monitor, "PATCH", f"{task}/xcomEntries/k", {"value": 2}) == admin
    assert allowed(monitor, "DELETE", f"{task}/xcomEntries/k") == admin
    assert allowed(monitor, "GET", f"eventLogs?dag_id={MONITOR}") == everybody
    for secrets in ("connections", "variables"):
        assert allowed(monitor, "GET", secrets) == admin
    assert allowed(monitor, "GET", "config") == nobody  # [api] expose_config is off

    tried = [reason for by, reason in monitor.refusals(watched) if by == USER]
    assert sum("may not edit an XCom of it" in reason for reason in tried) == 3
    assert sum("may not change it" in reason for reason in tried) == 3


def test_nobody_changes_a_run_where_the_audit_log_would_not_show_it(monitor: Any, watched: str) -> None:
    task = f"dags/{MONITOR}/dagRuns/{watched}/taskInstances/faults"
    entity = {"task_id": "faults", "dag_id": MONITOR, "dag_run_id": watched, "new_state": "success"}
    bulk = {"actions": [{"action": "update", "entities": [entity]}]}
    assert monitor.ask(ADMIN, "PATCH", "dags/~/dagRuns/~/taskInstances", bulk) == 403
    assert monitor.ask(ADMIN, "PATCH", f"{task}?run_id=another", {"new_state": "success"}) == 403
    assert monitor.ask(ADMIN, "PATCH", task, {"note": "seen"}) == 200
    listed = {"dag_ids": [MONITOR], "page_limit": 1}
    assert monitor.ask(VIEWER, "POST", "dags/~/dagRuns/list", listed) == 200


def test_an_xcom_that_was_made_up_starts_no_training(monitor: Any, watched: str) -> None:
    path = f"dags/{MONITOR}/dagRuns/{watched}/taskInstances/watch/xcomEntries/return_value"
    assert monitor.ask(ADMIN, "PATCH", path, {"value": XCOM["value"]}) == 200
    tries = monitor.tasks(watched)["retrain"].tries
    monitor.clear(watched, ["retrain"])
    assert monitor.wait_for_end(watched, RUN_S) == "success"
    task = monitor.tasks(watched)["retrain"]
    assert (task.state, task.tries) == ("skipped", tries + 1)
    assert [run.run_id for run in monitor.admin.dag_runs(TRAIN, 100) if run.run_id.startswith("retrain__")] == []


def test_a_run_that_says_an_alert_started_it_is_refused_where_none_did(monitor: Any) -> None:
    train, run = monitor.of(TRAIN), "retrain__digits__drift__0123456789abcdef"
    with train.login(USER) as user:
        user.trigger(TRAIN, {"epochs": 1}, run)
    assert train.wait_for_end(run, RUN_S) == "failed"
    assert train.tasks(run)["ingest"].state == "failed"
    ((_, reason),) = [found for found in train.refusals(run) if found[0] == USER]
    assert "no alert that started it" in reason
    assert [e for e in Ledger(train.settings.ledger).entries() if e.act == "train" and run in e.key] == []


def test_the_training_of_an_alert_is_started_once_and_is_that_of_who_asked_for_it(monitor: Any) -> None:
    settings, alert = monitor.settings, Alert("drift", "elsewhere", "drift:elsewhere:1", {}, "drifted", 24.0)
    ledger, store = open_ledger(settings), open_store(settings)
    enter(ledger, alert, "schedule", f"{MONITOR}/scheduled")
    plan = Retraining(alert.run_id, {"dataset": "/nowhere/at/all", "epochs": 1}, "why")
    subjects = {"dataset": "elsewhere", "run": alert.run_id, "plan": store.put(canonical_json(plan))}
    ledger.append("plan", "schedule", subjects, "", f"plan:{alert.run_id}")
    with monitor.login(USER) as user:
        run = user.trigger(MONITOR, {}).run_id
    assert monitor.wait_for_end(run, RUN_S) == "success", monitor.complaints(run)
    monitor.clear(run, ["retrain"])
    assert monitor.wait_for_end(run, RUN_S) == "success", monitor.complaints(run)

    train = monitor.of(TRAIN)
    (started,) = [found for found in train.admin.dag_runs(TRAIN, 100) if found.run_id == alert.run_id]
    assert (started.conf, started.triggered_by) == (plan.params, USER)
    assert train.wait_for_end(alert.run_id, RUN_S) == "failed"
    assert "/nowhere/at/all" in train.complaints(alert.run_id)["ingest"][0]  # past the question who asked for it
    (entry,) = [entry for entry in ledger.entries() if entry.act == "retrain"]
    assert (entry.actor, entry.subjects["origin"]) == (USER, f"{MONITOR}/{run}")
