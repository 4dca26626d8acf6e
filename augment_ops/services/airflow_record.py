"""What Airflow itself has written down of a run: who answered its question, and who had a hand in it.

XComs and task states are the word of whoever may edit a run. The human-in-the-loop record is written by the server
alone, with the login of who answered, and the audit log can be read and not written. Both are read here as a login that
may only look.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from augment_ops.errors import ServiceError
from augment_ops.services.airflow_api import AirflowApi

_PAGE = 100  # the server's upper limit
_ANSWERED = "update_hitl_detail"  # whoever answers is not one who touched the run
# What the server writes of tasks that run, many rows a run and no person's act.
_OF_TASKS = (
    "running", "success", "failed", "skipped", "queued", "scheduled", "restarting", "removed", "up_for_retry",
    "up_for_reschedule", "upstream_failed", "deferred", "awaiting_input",
)  # fmt: skip
# Requests that choose runs by date: Airflow enters them under no run.
_BY_DATE = ("post_clear_task_instances", "clear_dag_run_partitions", "create_backfill")
# These, and those whose body names the runs.
_WIDE = (*_BY_DATE, "bulk_task_instances", "bulk_dag_runs", "clear_dag_runs")


@dataclass(frozen=True)
class Answer:
    """What a person answered in Airflow.

    Attributes:
        chosen: options.
        by: id of who answered.
        name: by which the audit log knows them; the id again in SimpleAuthManager, where FAB's ids are numbers.
        at: UTC, ISO 8601.
        asked: the question's text, as it was shown.
    """

    chosen: tuple[str, ...]
    by: str
    name: str
    reason: str
    at: str
    asked: str


@dataclass(frozen=True)
class Hand:
    """Something that somebody did to a run.

    Attributes:
        act: Airflow's word, such as `trigger_dag_run`.
        at: UTC, ISO 8601; empty where only the run names its starter.
        task_id: the task that it was done to, where it was one.
    """

    by: str
    act: str
    at: str
    task_id: str = ""


def answer_in(api: AirflowApi, dag_id: str, run_id: str, task_id: str) -> Answer | None:
    """The answer to a question in its present try; None where nobody gave one.

    Raises:
        ServiceError: Airflow does not answer.
    """
    task = f"dags/{_in_path(dag_id)}/dagRuns/{_in_path(run_id)}/taskInstances/{_in_path(task_id)}"
    record = api.read(f"{task}/-1/hitlDetails")
    if record is None or not record.get("responded_at") or not record.get("responded_by_user"):
        return None
    if record["responded_at"] in _answers_before(api, task):
        return None  # the question was cleared since, and not asked again
    person = record["responded_by_user"]
    return Answer(
        tuple(record.get("chosen_options") or ()),
        str(person.get("id") or person.get("name") or ""),
        str(person.get("name") or person.get("id") or ""),
        str((record.get("params_input") or {}).get("reason") or ""),
        str(record["responded_at"]),
        str(record.get("body") or ""),
    )


def _answers_before(api: AirflowApi, task: str) -> list[str]:
    """When earlier tries of a question were answered. A task that was cleared keeps its record until it asks again."""
    tries = api.read(f"{task}/tries") or {}
    # The present try is one of them; a task that was cleared and has not run since has its number twice.
    earlier = sorted(entry["try_number"] for entry in tries.get("task_instances", []))[:-1]
    records = [api.read(f"{task}/-1/hitlDetails/tries/{number}") for number in earlier]
    return [record["responded_at"] for record in records if record and record.get("responded_at")]


def hands_on(api: AirflowApi, dag_id: str, run_id: str) -> list[Hand]:
    """Everybody who triggered a run or edited, cleared or marked anything of it, oldest first.

    Answering is no such act. Attempts that were refused are: Airflow enters a request before it looks at the role.

    Raises:
        ServiceError: the audit log cannot be read. Nobody can be told apart from those who touched the run then.
    """
    run = api.read(f"dags/{_in_path(dag_id)}/dagRuns/{_in_path(run_id)}") or {}
    found = []
    if run.get("triggering_user_name"):
        found.append(Hand(str(run["triggering_user_name"]), "trigger_dag_run", ""))
    own = _events(api, dag_id=dag_id, run_id=run_id, excluded_events=_OF_TASKS)
    wide = [row for row in _events(api, included_events=_WIDE) if _reaches(row, dag_id, run_id, run.get("run_after"))]
    for row in sorted([*own, *wide], key=lambda row: int(row["event_log_id"])):
        if row["owner"] and row["event"] != _ANSWERED and _is_act(row):
            found.append(Hand(str(row["owner"]), row["event"], str(row["when"]), row["task_id"] or ""))
    return list(dict.fromkeys(found))


def _events(api: AirflowApi, **filters: str | Iterable[str]) -> Iterator[dict[str, Any]]:
    """Rows of the audit log, oldest first."""
    wanted = {name: value if isinstance(value, str) else list(value) for name, value in filters.items()}
    offset = 0
    while True:
        page = api.read("eventLogs", order_by="event_log_id", limit=_PAGE, offset=offset, **wanted)
        if page is None:
            raise ServiceError(
                f"Airflow at {api.address}", "no audit log", "the log at /api/v2/eventLogs", "ask its administrator"
            )
        yield from page["event_logs"]
        offset += len(page["event_logs"])
        if offset >= page["total_entries"] or not page["event_logs"]:
            return


def _is_act(row: Mapping[str, Any]) -> bool:
    """Whether a row is a request to change something, or a command; the server's own rows of tasks are neither."""
    return _said(row).get("method", "GET") != "GET" or str(row["event"]).startswith("cli_")


def _reaches(row: Mapping[str, Any], dag_id: str, run_id: str, since: str | None) -> bool:
    """Whether a request about several runs was about this one too."""
    if run_id in _leaves(_said(row)):
        return True
    if row["event"] not in _BY_DATE or row["run_id"] or row["dag_id"] != dag_id:
        return False
    return since is None or datetime.fromisoformat(row["when"]) >= datetime.fromisoformat(since)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        said = json.loads(row["extra"] or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _in_path(name: str) -> str:
    return quote(name, safe="")
