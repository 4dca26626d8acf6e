"""The client against a transport that answers as Airflow 3.3.2 does; tests/integration has the real one."""

from __future__ import annotations

import json

import httpx
import pytest

from augment_ops.errors import ServiceError
from augment_ops.services.airflow_api import AirflowApi, topological


def client(*answers: tuple[int, object], seen: list[httpx.Request] | None = None) -> AirflowApi:
    """Tokens are `t1`, `t2` …; other requests get `answers` in turn."""
    queue, tokens = list(answers), iter(range(1, 100))

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": f"t{next(tokens)}"})
        if seen is not None:
            seen.append(request)
        status, body = queue.pop(0)
        return httpx.Response(status, json=body)

    return AirflowApi("http://airflow", "admin", "secret", transport=httpx.MockTransport(handle))


def test_topological_order_holds_for_any_order_of_the_input() -> None:
    order = topological({"c": [], "a": ["b", "c"], "b": ["c"], "alone": []})

    assert order.index("a") < order.index("b") < order.index("c")
    assert sorted(order) == ["a", "alone", "b", "c"]


def test_an_expired_token_is_renewed_once() -> None:
    seen: list[httpx.Request] = []
    with client((401, {}), (200, {"is_stale": False}), seen=seen) as api:
        assert api.has_dag("d")

    assert [request.headers["Authorization"] for request in seen] == ["Bearer t1", "Bearer t2"]


def test_a_dag_whose_file_went_away_is_not_there() -> None:
    with client((200, {"is_stale": True}), (404, {"detail": "no"})) as api:
        assert not api.has_dag("d")
        assert not api.has_dag("d")


def test_all_pages_of_task_instances_are_read() -> None:
    def page(start: int, stop: int) -> dict[str, object]:
        tasks = [
            {"task_id": f"t{i}", "state": None, "duration": None, "start_date": None, "try_number": 0, "map_index": i}
            for i in range(start, stop)
        ]
        return {"task_instances": tasks, "total_entries": 130}

    seen: list[httpx.Request] = []
    with client((200, page(0, 100)), (200, page(100, 130)), seen=seen) as api:
        found = api.task_instances("d", "run 1/2")

    assert [task.task_id for task in found] == [f"t{i}" for i in range(130)]
    assert found[0].state == "waiting"
    assert [request.url.params["offset"] for request in seen] == ["0", "100"]
    assert b"run%201%2F2" in seen[0].url.raw_path


def test_a_trigger_sends_the_logical_date_that_airflow_insists_on() -> None:
    answer = {"dag_id": "d", "dag_run_id": "r", "state": "queued", "triggering_user_name": "admin", "conf": None}
    seen: list[httpx.Request] = []
    with client((200, answer), seen=seen) as api:
        assert api.trigger("d", {"dataset": "digits"}).run_id == "r"

    assert json.loads(seen[0].content) == {"logical_date": None, "conf": {"dataset": "digits"}}


@pytest.mark.parametrize(("status", "hint"), [(400, "correct what is sent"), (403, "status"), (409, "already")])
def test_a_refusal_carries_airflows_words_and_what_to_do(status: int, hint: str) -> None:
    with client((status, {"detail": "not like that"})) as api, pytest.raises(ServiceError) as caught:
        api.trigger("d", {})

    assert "not like that" in str(caught.value)
    assert hint in caught.value.faults[0].fix


def test_no_answer_is_told_as_such_and_names_no_password() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with (
        AirflowApi("http://airflow", "admin", "secret", transport=httpx.MockTransport(refuse)) as api,
        pytest.raises(ServiceError, match="augment-ops up") as caught,
    ):
        api.dag_run("d", "r")

    assert "secret" not in str(caught.value)


def test_errors_of_a_log_are_the_exceptions_alone() -> None:
    content = [
        {"event": "::group::Log message source details"},
        {"event": "Task failed", "error_detail": [{"exc_type": "PolicyError", "exc_value": "2 faults"}]},
        "plain",
    ]
    with client((200, {"content": content})) as api:
        assert api.errors("d", "r", "t", 1) == ["PolicyError: 2 faults"]
