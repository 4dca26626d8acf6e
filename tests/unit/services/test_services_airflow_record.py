"""What counts as an answer and as a hand on a run, against a server that answers as Airflow 3.3.2 was seen to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from augment_ops.errors import ServiceError
from augment_ops.services.airflow_api import AirflowApi
from augment_ops.services.airflow_record import answer_in, hands_on

RUN = "manual__2026-06-01T00:00:00+00:00_" + "x" * 180
TASK = f"/api/v2/dags/train/dagRuns/{RUN}/taskInstances/ask"
SAID = {
    "chosen_options": ["Approve"], "responded_at": "2026-06-01T10:00:00Z", "body": "Promote?",
    "responded_by_user": {"id": "lead", "name": "Lead"}, "params_input": {"reason": "seen"},
}  # fmt: skip


def server(paths: Mapping[str, Any], rows: list[dict[str, Any]] | None = None, refuse_log: int = 0) -> AirflowApi:
    """Documents by path, and an audit log that filters as Airflow's does."""

    def handle(request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        if path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        if path != "/api/v2/eventLogs":
            return httpx.Response(200, json=paths[path]) if path in paths else httpx.Response(404, json={})
        if refuse_log:
            return httpx.Response(refuse_log, json={"detail": "no"})
        kept = [
            row
            for row in rows or []
            if all(row[name] == query[name] for name in ("dag_id", "run_id") if name in query)
            and row["event"] not in query.get_list("excluded_events")
            and row["event"] in (query.get_list("included_events") or [row["event"]])
        ]
        start, size = int(query["offset"]), int(query["limit"])
        return httpx.Response(200, json={"event_logs": kept[start : start + size], "total_entries": len(kept)})

    return AirflowApi("http://airflow", "augment-ops", "secret", transport=httpx.MockTransport(handle))


def row(number: int, event: str, owner: str, run: str | None = RUN, dag: str = "train", **extra: Any) -> dict[str, Any]:
    return {
        "event_log_id": number,
        "event": event,
        "owner": owner,
        "run_id": run,
        "dag_id": dag,
        "task_id": None,
        "when": f"2026-06-01T0{number % 10}:00:00Z",
        "extra": json.dumps(extra) if extra else None,
    }


def tries(*numbers: int) -> dict[str, Any]:
    return {"task_instances": [{"try_number": number} for number in numbers], "total_entries": len(numbers)}


def test_an_answer_is_what_the_record_says_whatever_the_run_id() -> None:
    with server({f"{TASK}/-1/hitlDetails": SAID, f"{TASK}/tries": tries(1)}) as api:
        found = answer_in(api, "train", RUN, "ask")
    assert found is not None
    assert (found.chosen, found.by, found.name, found.reason, found.at, found.asked) == (
        ("Approve",),
        "lead",
        "Lead",
        "seen",
        "2026-06-01T10:00:00Z",
        "Promote?",
    )


@pytest.mark.parametrize("without", ["responded_at", "responded_by_user"])  # a timeout answers, and is nobody
def test_where_nobody_responded_there_is_no_answer(without: str) -> None:
    with server({f"{TASK}/-1/hitlDetails": SAID | {without: None}, f"{TASK}/tries": tries(1)}) as api:
        assert answer_in(api, "train", RUN, "ask") is None
        assert answer_in(api, "train", RUN, "never asked") is None


@pytest.mark.parametrize("numbers", [(1, 1), (1, 2)])  # cleared and marked; cleared, started again and marked
def test_the_answer_to_a_try_before_is_none(numbers: tuple[int, int]) -> None:
    known = {f"{TASK}/-1/hitlDetails": SAID, f"{TASK}/tries": tries(*numbers), f"{TASK}/-1/hitlDetails/tries/1": SAID}
    with server(known) as api:
        assert answer_in(api, "train", RUN, "ask") is None
    known[f"{TASK}/-1/hitlDetails/tries/1"] = SAID | {"responded_at": "2026-06-01T09:00:00Z"}
    with server(known) as api:
        assert answer_in(api, "train", RUN, "ask") is not None


def people(rows: list[dict[str, Any]], triggered_by: str | None = "ann") -> list[str]:
    run = {"triggering_user_name": triggered_by, "run_after": "2026-06-01T04:00:00Z"}
    with server({f"/api/v2/dags/train/dagRuns/{RUN}": run}, rows) as api:
        return [hand.by for hand in hands_on(api, "train", RUN)]


@pytest.mark.parametrize(
    "event", ["create_xcom_entry", "patch_task_instance", "post_clear_task_instances", "patch_dag_run", "clear_dag_run"]
)
def test_whoever_changed_something_of_the_run_had_a_hand_in_it(event: str) -> None:
    assert people([row(1, event, "bob", method="POST")]) == ["ann", "bob"]
    assert people([row(1, event, "bob", run="another", method="POST")]) == ["ann"]


def test_tasks_that_run_looks_and_answers_are_no_hands() -> None:
    rows = [
        row(1, "running", "augment-ops"),
        row(2, "state mismatch", "augment-ops"),
        row(3, "get_dag_run", "bob", method="GET"),
        row(4, "update_hitl_detail", "lead", method="PATCH"),
    ]
    assert people(rows) == ["ann"]
    assert people([], triggered_by=None) == []


def test_a_request_about_several_runs_counts_where_it_names_this_one() -> None:
    actions = [{"action": "update", "entities": [{"task_id": "ask", "dag_run_id": RUN, "new_state": "success"}]}]
    rows = [
        row(1, "bulk_task_instances", "bob", run="~", dag="another", actions=actions, method="PATCH"),
        row(2, "clear_dag_runs", "eve", run=None, dag_runs=[{"dag_run_id": "another"}], method="POST"),
    ]
    assert people(rows) == ["ann", "bob"]


@pytest.mark.parametrize("event", ["post_clear_task_instances", "create_backfill"])
def test_what_chooses_runs_by_date_counts_from_the_start_of_the_run(event: str) -> None:
    rows = [row(n, event, f"p{n}", run=None, method="POST") for n in (3, 5)]
    rows.append(row(6, event, "eve", run=None, dag="another", method="POST"))
    assert people(rows) == ["ann", "p5"]


def test_all_pages_of_the_log_are_read() -> None:
    many = [row(1, "create_xcom_entry", f"p{n}", method="POST") for n in range(230)]
    assert len(people(many)) == 231


@pytest.mark.parametrize("status", [403, 404])
def test_a_log_that_cannot_be_read_is_an_error_and_no_empty_log(status: int) -> None:
    with server({}, refuse_log=status) as api, pytest.raises(ServiceError):
        hands_on(api, "train", RUN)
