"""The operator of the monitor, in a process of its own: what it hands on, and what it does not stop."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.apart import run_apart

ROOT = Path(__file__).parents[2]

_RUN = """
import json, sys
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowFailException
from stage_tasks import WatchOperator
import augment_ops.production.monitor as monitors
from augment_ops.errors import InputError
from augment_ops.production.retraining import Retraining

asked = []
def monitor(settings, dataset, rules, *, now, actor, origin, say):
    asked.append([dataset, rules, actor, origin])
    if dataset == "bad":
        raise InputError("bad", "no champion", "one", "train one")
    training = Retraining("retrain__" + dataset, {"dataset": dataset}, "why")
    return monitors.Monitored(dataset, (), (), ("log",), (training,))

monitors.monitor = monitor
monitors.monitored_datasets = lambda settings: ["bad", "good", "transactions"]
ti = SimpleNamespace(xcom_push=lambda key, value: None)
context = {"dag_run": SimpleNamespace(dag_id="drift_monitor", run_id="r1", triggering_user_name=None), "ti": ti}
try:
    WatchOperator(task_id="watch").execute(context)
    failed = ""
except AirflowFailException as error:
    failed = str(error)
watched = list(asked)
monitors.monitored_datasets = lambda settings: ["good", "transactions"]
found = WatchOperator(task_id="again").execute(context)

# What starts trainings: each is entered before it is started, one that is there already is passed over.
import airflow.sdk.execution_time.task_runner as runner
import augment_ops.production.retraining as retraining
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from augment_ops.workspace import open_ledger
from augment_ops.production.alerts import Alert, enter
from augment_ops.settings import Settings
from retrain_tasks import StartTrainings

ledger, sent, answers = open_ledger(Settings.from_environment()), [], {}
def send(message):
    entered = [entry.subjects["run"] for entry in ledger.read() if entry.act == "retrain"]
    said = [message.dag_id, message.run_id, message.conf, message.logical_date, message.note]
    sent.append([*said, message.run_id in entered])
    return answers.get(message.run_id)

runner.SUPERVISOR_COMMS = SimpleNamespace(send=send)
start = StartTrainings(task_id="retrain", trigger_dag_id="train_and_promote")
retraining.planned = lambda entries, store: []
try:
    start.execute(context)
    skipped = False
except AirflowSkipException:
    skipped = True
plans = []
for name in ("one", "two"):
    alert = Alert("drift", name, "drift:" + name, {}, "drifted", 24.0)
    plans.append((enter(ledger, alert, "schedule")[0], Retraining(alert.run_id, {"seed": 1}, "why")))
retraining.planned = lambda entries, store: plans
answers[plans[0][1].run_id] = ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)
start.execute(context)
answers[plans[0][1].run_id] = ErrorResponse(error=ErrorType.API_SERVER_ERROR)
try:
    start.execute(context)
    broken = False
except AirflowRuntimeError:
    broken = True
print("RESULT" + json.dumps({"asked": watched, "found": found, "failed": failed, "sent": sent, "skipped": skipped,
    "broken": broken, "runs": [plan.run_id for _, plan in plans]}))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AUGMENT_OPS_HOME": str(home),
        "AUGMENT_OPS_POLICIES": str(ROOT / "policies"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "dags")]),
    }
    found, log = run_apart(_RUN, environment, home)
    return found | {"log": log}


def test_a_data_set_that_cannot_be_watched_stops_no_other(watched: dict) -> None:
    assert [training["trigger_run_id"] for training in watched["found"]] == ["retrain__good", "retrain__transactions"]
    assert watched["found"][0] == {"trigger_run_id": "retrain__good", "conf": {"dataset": "good"}, "note": "why"}


def test_it_fails_the_task_once_all_were_watched(watched: dict) -> None:
    assert "no champion" in watched["failed"]


def test_rules_named_like_the_data_set_are_its_rules(watched: dict) -> None:
    assert watched["asked"] == [
        [name, rules, "schedule", "drift_monitor/r1"]
        for name, rules in (("bad", "default"), ("good", "default"), ("transactions", "transactions"))
    ]


def test_trainings_are_started_by_their_own_ids_after_they_are_entered(watched: dict) -> None:
    one, two = watched["runs"]
    assert watched["skipped"]
    assert watched["broken"]  # and so tried again
    assert watched["sent"] == [
        ["train_and_promote", run, {"seed": 1}, None, f"{_note(entry)}\n\nwhy", True]
        for entry, run in ((1, one), (2, two), (1, one))
    ]  # the second time the server could not be reached


def _note(entry: int) -> str:
    return f"Started by an alert of drift (ledger entry {entry}): drifted"


def test_the_log_of_the_task_says_what_it_started_and_why(watched: dict) -> None:
    one, two = watched["runs"]
    assert f"run {one} of train_and_promote was started before" in watched["log"]
    assert re.search(rf"run {two} of train_and_promote was started(?! before)", watched["log"])
    assert "drift:two calls for a training: why" in watched["log"]
