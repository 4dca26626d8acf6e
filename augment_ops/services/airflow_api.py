"""A small client of Airflow's REST interface (v2, Airflow 3.3): trigger, follow, answer, clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from augment_ops.errors import ServiceError

_ANSWER_S = 30.0  # a write waits for SQLite's lock as long as the server does
_PAGE = 100  # the server's upper limit
_SHOWN = 500  # characters of an answer in an error message

FINISHED = frozenset({"success", "failed"})  # states that a run does not leave by itself


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG.

    Attributes:
        state: queued, running, success or failed.
        triggered_by: login name of the one who triggered it, None for a schedule.
        conf: as it was triggered with.
    """

    dag_id: str
    run_id: str
    state: str
    triggered_by: str | None
    conf: Mapping[str, Any]


@dataclass(frozen=True)
class TaskState:
    """One task of a run.

    Attributes:
        state: Airflow's word (queued, running, success, failed, skipped, upstream_failed, awaiting_input …);
            `waiting` where Airflow has none yet.
        seconds: of the current or last try, None before it started.
        started: when that try started, in seconds since 1970; None before it did.
        tries: 0 before the first.
        map_index: -1 where the task is not mapped.
    """

    task_id: str
    state: str
    seconds: float | None
    tries: int
    map_index: int = -1
    started: float | None = None


@dataclass(frozen=True)
class HumanTask:
    """A human-in-the-loop task that was asked.

    Attributes:
        assigned: ids of those who may answer; empty where anybody may.
        answered_by: id of the one who did.
    """

    task_id: str
    subject: str
    options: tuple[str, ...]
    assigned: tuple[str, ...]
    chosen: tuple[str, ...]
    answered_by: str | None


class AirflowApi:
    """Speaks to one Airflow as one person; a context manager.

    Args:
        address: of the UI, such as `http://127.0.0.1:8080`.
        user, password: of SimpleAuthManager.
    """

    def __init__(self, address: str, user: str, password: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.address = address.rstrip("/")
        self._login = {"username": user, "password": password}
        self._token: str | None = None
        # Loopback, so no proxy of the environment.
        self._http = httpx.Client(base_url=self.address, timeout=_ANSWER_S, trust_env=False, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def token(self) -> str:
        """A bearer token (24 h).

        Raises:
            ServiceError: Airflow does not answer, or does not know user and password.
        """
        answer = self._send("POST", "/auth/token", json=self._login)
        if answer.status_code != httpx.codes.CREATED:
            raise self._refused("POST", "/auth/token", answer)
        return str(answer.json()["access_token"])

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has read the DAG."""
        path = f"/api/v2/dags/{quote(dag_id, safe='')}"
        answer = self._authorised("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        return not self._checked("GET", path, answer).get("is_stale", False)

    def import_errors(self) -> dict[str, str]:
        """Last line of the traceback by DAG file, for files that Airflow could not read."""
        errors = self._get("/api/v2/importErrors", limit=_PAGE)["import_errors"]
        return {error["filename"]: str(error["stack_trace"]).strip().splitlines()[-1] for error in errors}

    def task_order(self, dag_id: str) -> list[str]:
        """Task ids so that each stands after all it depends on."""
        tasks = self._get(f"/api/v2/dags/{quote(dag_id, safe='')}/tasks")["tasks"]
        return topological({task["task_id"]: task["downstream_task_ids"] or [] for task in tasks})

    def trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str | None = None) -> DagRun:
        """Start a run.

        Raises:
            ServiceError: unknown DAG, a conf that its parameters refuse, or a run id that exists.
        """
        body = {"logical_date": None, "conf": dict(conf), **({"dag_run_id": run_id} if run_id else {})}
        return _run(self._post(f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """The run as it is now."""
        return _run(self._get(_run_path(dag_id, run_id)))

    def dag_runs(self, dag_id: str, limit: int = 10) -> list[DagRun]:
        """The newest runs first."""
        path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns"
        return [_run(run) for run in self._get(path, limit=limit, order_by="-run_after")["dag_runs"]]

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All tasks of a run, in no order."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances"
        found: list[TaskState] = []
        while True:
            page = self._get(path, limit=_PAGE, offset=len(found))
            found += [_task(entry) for entry in page["task_instances"]]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task returned, as JSON values; None where it returned nothing."""
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        answer = self._authorised("GET", path, params={"stringify": "false"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._checked("GET", path, answer).get("value")

    def errors(self, dag_id: str, run_id: str, task_id: str, tries: int) -> list[str]:
        """Messages of the exceptions in a task's log, the last one last; empty where its log names none."""
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{max(tries, 1)}"
        content = self._get(path, full_content="true")["content"]
        return [
            f"{detail['exc_type']}: {detail['exc_value']}"
            for line in content
            if isinstance(line, dict)
            for detail in line.get("error_detail") or []
        ]

    def questions(self, dag_id: str, run_id: str) -> list[HumanTask]:
        """The human-in-the-loop tasks of a run that were asked, answered ones too."""
        return [_question(entry) for entry in self._get(f"{_run_path(dag_id, run_id)}/hitlDetails")["hitl_details"]]

    def answer(
        self, dag_id: str, run_id: str, task_id: str, option: str, params: Mapping[str, Any] | None = None
    ) -> None:
        """Answer a human-in-the-loop task as this client's user.

        Raises:
            ServiceError: not assigned to this user, answered already, or not one of the options.
        """
        path = f"{_task_path(dag_id, run_id, task_id)}/-1/hitlDetails"
        body = {"chosen_options": [option], "params_input": dict(params or {})}
        self._checked("PATCH", path, self._authorised("PATCH", path, json=body))

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str] | None = None) -> list[str]:
        """Let the given tasks, and all after them, run again; without tasks, the failed ones.

        Returns:
            ids of the tasks that were cleared.
        """
        body: dict[str, Any] = {"dry_run": False, "dag_run_id": run_id, "only_failed": task_ids is None}
        if task_ids is not None:
            body |= {"task_ids": list(task_ids), "include_downstream": True}
        cleared = self._post(f"/api/v2/dags/{quote(dag_id, safe='')}/clearTaskInstances", body)
        return sorted({entry["task_id"] for entry in cleared["task_instances"]})

    def read(self, path: str, **params: str | int | Sequence[str]) -> dict[str, Any] | None:
        """What stands at a path below `/api/v2/`; None where there is nothing.

        Raises:
            ServiceError: Airflow does not answer, or not to this person.
        """
        answer = self._authorised("GET", f"/api/v2/{path}", params=params)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._checked("GET", f"/api/v2/{path}", answer)

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Where a browser shows the run."""
        return f"{self.address}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"

    def _get(self, path: str, **params: str | int) -> dict[str, Any]:
        return self._checked("GET", path, self._authorised("GET", path, params=params))

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._checked("POST", path, self._authorised("POST", path, json=body))

    def _authorised(self, method: str, path: str, **content: Any) -> httpx.Response:
        if self._token is None:
            self._token = self.token()
        answer = self._send(method, path, headers={"Authorization": f"Bearer {self._token}"}, **content)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the token ran out, or the server has another secret now
            self._token = self.token()
            answer = self._send(method, path, headers={"Authorization": f"Bearer {self._token}"}, **content)
        return answer

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Airflow at {self.address}",
                f"{type(error).__name__}: {error}",
                "an answer",
                "`augment-ops status` shows whether it runs, `augment-ops up` starts it",
            ) from error

    def _checked(self, method: str, path: str, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise self._refused(method, path, answer)
        document = answer.json()
        if not isinstance(document, dict):
            raise self._refused(method, path, answer)
        return document

    def _refused(self, method: str, path: str, answer: httpx.Response) -> ServiceError:
        return ServiceError(
            f"Airflow at {self.address}",
            f"{answer.status_code} to {method} {path}: {_detail(answer)}",
            "success",
            _FIXES.get(answer.status_code, "read the log of airflow-api-server (`augment-ops status` names it)"),
        )


_FIXES: dict[int, str] = {
    httpx.codes.BAD_REQUEST: "correct what is sent as the message says",
    httpx.codes.UNAUTHORIZED: "log in as a person that `augment-ops status` lists",
    httpx.codes.FORBIDDEN: "ask a person who may do this; `augment-ops status` lists the logins and their roles",
    httpx.codes.NOT_FOUND: "check the names; the DAG is listed in the UI once its file was read without error",
    httpx.codes.CONFLICT: "look at the run in the UI: this was done already, or belongs to another state",
}


def topological(downstream: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids so that each stands after all that lead to it; ties in the order given."""
    waiting = {task: sum(task in after for after in downstream.values()) for task in downstream}
    order: list[str] = []
    while ready := [task for task, before in waiting.items() if before == 0]:
        task = ready[0]
        order.append(task)
        del waiting[task]
        for after in downstream[task]:
            waiting[after] -= 1
    return order


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"


def _run(entry: Mapping[str, Any]) -> DagRun:
    return DagRun(
        entry["dag_id"], entry["dag_run_id"], entry["state"], entry["triggering_user_name"], entry["conf"] or {}
    )


def _task(entry: Mapping[str, Any]) -> TaskState:
    seconds = entry["duration"]
    started = datetime.fromisoformat(entry["start_date"]) if entry.get("start_date") else None
    if seconds is None and started:
        seconds = (datetime.now(started.tzinfo) - started).total_seconds()
    return TaskState(
        entry["task_id"],
        entry["state"] or "waiting",
        seconds,
        entry["try_number"],
        entry.get("map_index", -1),
        started.timestamp() if started else None,
    )


def _question(entry: Mapping[str, Any]) -> HumanTask:
    return HumanTask(
        task_id=entry["task_instance"]["task_id"],
        subject=entry["subject"],
        options=tuple(entry["options"]),
        assigned=tuple(user["id"] for user in entry.get("assigned_users") or []),
        chosen=tuple(entry.get("chosen_options") or []),
        answered_by=(entry.get("responded_by_user") or {}).get("id"),
    )


def _detail(answer: httpx.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return answer.text[:_SHOWN]
    return str(document.get("detail", document) if isinstance(document, dict) else document)[:_SHOWN]
