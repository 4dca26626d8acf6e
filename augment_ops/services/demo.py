"""Trigger a run, follow it, and read the decision that its last task left in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, Fault, ServiceError
from augment_ops.services.airflow_api import AirflowApi, TaskState
from augment_ops.services.environment import airflow_address
from augment_ops.services.follow import Outcome, follow
from augment_ops.services.layout import layout_of
from augment_ops.services.people import ADMIN, read_passwords
from augment_ops.services.stack import running_settings
from augment_ops.settings import Settings

DAG_ID = "train_and_promote"
DEMO_CONF: Mapping[str, Any] = {"dataset": "digits", "policy": "digits-robust"}
REPORT_TASK = "report"  # alone, or last in a task group

_DAG_S = 90.0  # the processor reads a new file within 10 s of its start; a busy machine takes longer
_POLL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """A decision with the places where it can be looked at.

    Attributes:
        reasons: as the gate gave them, worst first: dicts with rule, outcome, message and measurements.
        airflow_run_url: of the run in Airflow's UI.
        mlflow_run_url: of the parent run.
        report_url: of the report; report_path the file, empty where it is kept elsewhere.
        promotion: what became of the candidate, in a sentence.
        model_version: registered version of the candidate, None where the gate refused it.
        seconds: from trigger to end.
        work_seconds: of these, those in which at least one stage was at work; the rest is orchestration: waiting for
            the scheduler, and starting a process for each task.
    """

    verdict: str
    summary: str
    reasons: tuple[Mapping[str, Any], ...]
    airflow_run_url: str
    mlflow_run_url: str
    report_url: str
    report_path: str
    promotion: str
    model_version: str | None
    run_id: str
    seconds: float
    work_seconds: float


def login(settings: Settings, user: str = ADMIN) -> AirflowApi:
    """A client of the running Airflow as `user`; close it.

    Raises:
        ServiceError: no such login here.
    """
    current = running_settings(settings)
    path = layout_of(current).passwords
    password = read_passwords(path).get(user)
    if password is None:
        raise ServiceError(
            str(path), f"no password of {user!r}", "a login", "run `augment-ops up`; `augment-ops status` lists logins"
        )
    return AirflowApi(airflow_address(current), user, password)


def demonstrate(
    api: AirflowApi, store: Store, console: Console, *, dag_id: str = DAG_ID, conf: Mapping[str, Any] = DEMO_CONF
) -> Demonstrated:
    """Run `dag_id` with `conf` to its end and read the decision from the store, where the last task says it is.

    Raises:
        ServiceError: the DAG cannot be read, its conf was refused, or the run ended without a decision; with the
            messages of the tasks that failed.
    """
    wait_for_dag(api, dag_id)
    run = api.trigger(dag_id, conf)
    console.print(f"run {run.run_id}: {api.run_url(dag_id, run.run_id)}", soft_wrap=True, markup=False)
    outcome = follow(api, run, console)
    task_id = next((t.task_id for t in outcome.tasks if t.task_id.split(".")[-1] == REPORT_TASK), None)
    reference = api.xcom(dag_id, run.run_id, task_id) if task_id is not None else None
    if not isinstance(reference, dict) or "output" not in reference:
        raise _no_decision(api, dag_id, run.run_id, outcome)
    decision = json.loads(store.get(reference["output"]))
    version = decision.get("model_version")
    return Demonstrated(
        verdict=str(decision["verdict"]),
        summary=str(decision.get("summary", "")),
        reasons=tuple(decision.get("reasons") or ()),
        airflow_run_url=api.run_url(dag_id, run.run_id),
        mlflow_run_url=str(decision.get("mlflow_run_url") or ""),
        report_url=str(decision.get("url") or ""),
        report_path=str(decision.get("path") or ""),
        promotion=str(decision.get("promotion") or ""),
        model_version=None if version is None else str(version),
        run_id=run.run_id,
        seconds=round(outcome.seconds, 1),
        work_seconds=round(_at_work(_spans(api, dag_id, run.run_id, outcome.tasks)), 1),
    )


def _spans(api: AirflowApi, dag_id: str, run_id: str, tasks: Sequence[TaskState]) -> list[tuple[float, float]]:
    """When each task was at work: the seconds of its stage, as its reference says, before its end."""
    spans = []
    for task in tasks:
        if task.state == "success" and task.started is not None and task.seconds is not None:
            reference = api.xcom(dag_id, run_id, task.task_id)
            wall_s = reference.get("wall_s") if isinstance(reference, dict) else None
            end = task.started + task.seconds
            # A stage that kept its output did not work as long as the one that made it.
            spans.append((end - min(task.seconds, task.seconds if wall_s is None else float(wall_s)), end))
    return spans


def _at_work(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that lie in at least one span."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def wait_for_dag(api: AirflowApi, dag_id: str, timeout_s: float = _DAG_S) -> None:
    """Wait until Airflow has read the DAG.

    Raises:
        ServiceError: a DAG file has an error, or the DAG is in none of them.
    """
    deadline = time.monotonic() + timeout_s
    while not api.has_dag(dag_id):
        if errors := api.import_errors():
            raise ServiceError.of(
                "DAG files",
                [Fault(file, error, "a file that can be imported", "mend the file") for file, error in errors.items()],
            )
        if time.monotonic() > deadline:
            raise ServiceError(
                f"DAG {dag_id}",
                "not in Airflow's list",
                "a DAG of that name in the DAG folder",
                "check AUGMENT_OPS_DAGS, and the log of airflow-dag-processor (`augment-ops status` names it)",
            )
        time.sleep(_POLL_S)


def _no_decision(api: AirflowApi, dag_id: str, run_id: str, outcome: Outcome) -> AugmentOpsError:
    faults = [
        Fault(
            f"task {task.task_id}",
            "; ".join(api.errors(dag_id, run_id, task.task_id, task.tries)[-1:])
            or "a failure without a message in its log",
            "a task that succeeds",
            f"mend the cause, then clear the task: {api.run_url(dag_id, run_id)}",
        )
        for task in outcome.tasks
        if task.state == "failed"
    ]
    if faults:
        return ServiceError.of(f"run {run_id} of {dag_id} ({outcome.state})", faults)
    return ServiceError(
        f"run {run_id} of {dag_id}",
        f"{outcome.state}, and no decision from a task {REPORT_TASK!r}",
        "a task that returns the decision",
        f"look at the run: {api.run_url(dag_id, run_id)}",
    )
