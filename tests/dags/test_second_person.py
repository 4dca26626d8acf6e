"""Whose answer a task takes, against a server that answers as Airflow 3.3.2 does; tests/e2e has the real one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from augment_ops.errors import GovernanceError, ServiceError
from augment_ops.governance.ledger import Ledger
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.causes import enter_start
from augment_ops.production.retraining import Retraining
from augment_ops.services.airflow_api import AirflowApi
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger

ROOT = Path(__file__).parents[2]
RUN, TASK, ASKED = "manual__1", "ask_approval", "Promote?\n\nDecision `abc`"
ALERT = Alert("drift", "digits", "drift:digits:1", {}, "drifted", 24.0)


class Airflow:
    """What the server knows; a test changes it before it asks."""

    def __init__(self) -> None:
        self.record: dict[str, Any] | None = {
            "chosen_options": ["Approve"],
            "responded_at": "2026-06-01T10:00:00Z",
            "body": ASKED,
            "responded_by_user": {"id": "lead", "name": "Lead"},
            "params_input": {"reason": "seen"},
        }
        self.triggered_by = {RUN: "ann"}
        self.rows: list[dict[str, Any]] = []
        self.log_answers = True

    def did(
        self, who: str, event: str, run: str = RUN, task: str | None = None, at: str = "2026-06-01T09:00:00Z"
    ) -> None:
        self.rows.append(
            {
                "event_log_id": len(self.rows),
                "event": event,
                "owner": who,
                "run_id": run,
                "dag_id": "d",
                "task_id": task,
                "when": at,
                "extra": '{"method": "PATCH"}',
            }
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        if path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        if path.endswith("/hitlDetails") and self.record is not None:
            return httpx.Response(200, json=self.record)
        if path.endswith("/tries"):
            return httpx.Response(200, json={"task_instances": [{"try_number": 1}]})
        if path == "/api/v2/eventLogs" and self.log_answers:
            rows = [row for row in self.rows if row["run_id"] == query.get("run_id")]
            return httpx.Response(200, json={"event_logs": rows, "total_entries": len(rows)})
        run = path.rpartition("/")[2]
        if run in self.triggered_by:
            return httpx.Response(200, json={"triggering_user_name": self.triggered_by[run], "run_after": None})
        return httpx.Response(404, json={"detail": "no"})


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    known = Settings.from_environment(
        {"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(ROOT / "policies")}
    )
    return replace(known, ledger=f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def dags(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("second_person", ROOT / "dags" / "second_person.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    @contextmanager
    def record(settings: Settings) -> Iterator[AirflowApi]:
        with AirflowApi("http://airflow", "a", "b", transport=httpx.MockTransport(airflow.handle)) as api:
            yield api

    monkeypatch.setattr(module, "_record", record)
    return module


def ask(dags: ModuleType, settings: Settings, run: str = RUN) -> dict[str, str]:
    return dags.answer_to(settings, {"dag_run": SimpleNamespace(dag_id="d", run_id=run)}, TASK, ASKED)


def refused(dags: ModuleType, settings: Settings, run: str = RUN) -> list[tuple[str, str]]:
    with pytest.raises(GovernanceError):
        ask(dags, settings, run)
    found = [entry for entry in Ledger(settings.ledger).read() if entry.act == "refuse"]
    assert all(entry.subjects == {"dag": "d", "run": run, "task": TASK} for entry in found)
    return [(entry.actor, entry.reason.partition(": ")[2]) for entry in found]


def test_the_answer_of_somebody_who_has_not_touched_the_run_counts(
    dags: ModuleType, settings: Settings, airflow: Airflow
) -> None:
    airflow.did("lead", "update_hitl_detail", task=TASK)
    airflow.did("bob", "post_clear_task_instances")
    airflow.did("eve", "post_clear_task_instances", at="2026-06-01T11:00:00Z")  # after the answer, which stays the same
    assert ask(dags, settings) == {
        "chosen": "Approve",
        "by": "lead",
        "reason": "seen",
        "at": "2026-06-01T10:00:00Z",
        "not_by": "ann,bob",
    }


def test_an_answer_that_only_looks_given_is_refused_as_that_of_who_made_it_up(
    dags: ModuleType, settings: Settings, airflow: Airflow
) -> None:
    airflow.record = None
    airflow.did("eve", "create_xcom_entry", task=TASK)
    airflow.did("bob", "clear_dag_run")
    assert refused(dags, settings) == [("eve", "nobody has answered it, Airflow's record says")]


def test_an_answer_to_another_question_is_refused(dags: ModuleType, settings: Settings, airflow: Airflow) -> None:
    assert airflow.record is not None
    airflow.record["body"] = ASKED.replace("abc", "def")
    ((by, why),) = refused(dags, settings)
    assert by == "lead"
    assert "another question" in why


@pytest.mark.parametrize("who", ["lead", "Lead "])
def test_whoever_triggered_or_touched_the_run_is_refused(
    dags: ModuleType, settings: Settings, airflow: Airflow, who: str
) -> None:
    airflow.did(who, "patch_task_instance", task="decide", at="2026-06-01T11:00:00Z")
    ((by, why),) = refused(dags, settings)
    assert (by, why) == ("lead", "lead, who had a hand in it (patch_task_instance of decide)")
    airflow.rows, airflow.triggered_by = [], {RUN: who}
    assert "trigger_dag_run" in refused(dags, settings)[-1][1]


def test_who_answered_is_known_by_id_and_by_name(dags: ModuleType, settings: Settings, airflow: Airflow) -> None:
    assert airflow.record is not None
    airflow.record["responded_by_user"] = {"id": "3", "name": "ann"}  # as FAB tells of people
    assert "3, who had a hand in it" in refused(dags, settings)[0][1]


@pytest.mark.parametrize("how", ["entered the alert", "started the training", "triggered the monitor", "touched it"])
def test_whoever_stands_behind_the_cause_of_a_training_is_refused(
    dags: ModuleType, settings: Settings, airflow: Airflow, how: str
) -> None:
    training, ledger = Retraining(ALERT.run_id, {}, "why"), open_ledger(settings)
    airflow.triggered_by = {training.run_id: None, "found": None, "started": None}  # type: ignore[dict-item]
    alert, _ = enter(ledger, ALERT, "lead" if how == "entered the alert" else "schedule", "drift_monitor/found")
    actor = "lead" if how == "started the training" else "schedule"
    enter_start(ledger, alert, training, actor=actor, origin="drift_monitor/started")
    if how == "triggered the monitor":
        airflow.triggered_by["found"] = "lead"
    if how == "touched it":
        airflow.did("lead", "patch_xcom_entry", run="started", task="watch")
    assert refused(dags, settings, training.run_id)[0][0] == "lead"


def test_a_training_that_a_clock_caused_is_anybodys_to_approve(
    dags: ModuleType, settings: Settings, airflow: Airflow
) -> None:
    training, ledger = Retraining(ALERT.run_id, {}, "why"), open_ledger(settings)
    alert, _ = enter(ledger, ALERT, "schedule", "drift_monitor/found")  # whose run Airflow has forgotten since
    enter_start(ledger, alert, training, actor="schedule", origin="drift_monitor/found")
    assert ask(dags, settings, training.run_id)["not_by"] == ""


def test_without_the_audit_log_no_answer_counts(dags: ModuleType, settings: Settings, airflow: Airflow) -> None:
    airflow.log_answers = False
    with pytest.raises(ServiceError):
        ask(dags, settings)
    with pytest.raises(ServiceError):
        dags.touched_by(settings, {"dag_run": SimpleNamespace(dag_id="d", run_id=RUN)})
