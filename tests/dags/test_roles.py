"""The roles of the auth manager, asked directly: all four of them against all that can be done to a DAG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.apart import airflow_environment, run_apart

ROOT = Path(__file__).parents[2]

_ASK = """
import asyncio, json
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity as Entity
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.app import get_auth_manager_cls
from airflow.configuration import conf
import refused_acts

manager = get_auth_manager_cls()()
users = [SimpleAuthManagerUser(username=role, role=role) for role in ("viewer", "user", "op", "admin")]
methods = ("GET", "POST", "PUT", "DELETE")
found = {
    f"{method} {entity.name if entity else 'DAG'}": [
        user.username for user in users if manager.is_authorized_dag(method=method, access_entity=entity, user=user)
    ]
    for method in methods for entity in (None, *Entity)
}

[(middleware, options)] = manager.get_fastapi_middlewares()
def through(method, path):
    may = []
    async def app(scope, receive, send):
        for entity in (Entity.TASK_INSTANCE, Entity.RUN, Entity.XCOM):
            may.extend(entity.name for user in users[1:2] if manager.is_authorized_dag(
                method="PUT", access_entity=entity, user=user))
    asyncio.run(middleware(app, **options)({"type": "http", "method": method, "path": path}, None, None))
    return may

asked = {path: through(method, path) for method, path in (
    ("POST", "/api/v2/dags/d/clearTaskInstances"), ("POST", "/api/v2/dags/d/dagRuns/r 1/clear"),
    ("POST", "/api/v2/dags/d/clearDagRuns"), ("PATCH", "/api/v2/dags/d/dagRuns/r/taskInstances/t"),
    ("PATCH", "/api/v2/dags/d/dagRuns/r/taskInstances/clear"), ("POST", "/api/v2/dags/d/dagRuns/clear"),
    ("PATCH", "/api/v2/dags/clearTaskInstances/dagRuns/clear"),
)}
print("RESULT" + json.dumps({"found": found, "asked": asked}))
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    environment = airflow_environment(
        home,
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="False",
    )
    found: dict[str, Any] = run_apart(_ASK, environment, home)[0]
    return found


def test_below_admin_one_may_trigger_answer_and_pause_and_change_nothing_else(answered: dict[str, Any]) -> None:
    everybody, users, admin = ["viewer", "user", "op", "admin"], ["user", "op", "admin"], ["admin"]
    for asked, may in answered["found"].items():
        if asked.startswith("GET "):
            assert may == everybody, asked
        elif asked in ("POST RUN", "PUT HITL_DETAIL", "PUT DAG"):
            assert may == users, asked
        else:
            assert may == admin, asked
    assert {"PUT TASK_INSTANCE", "POST XCOM", "PUT XCOM", "DELETE XCOM", "PUT RUN"} <= set(answered["found"])


def test_clearing_is_told_from_marking_by_its_address(answered: dict[str, Any]) -> None:
    cleared = ["TASK_INSTANCE", "RUN"]
    assert list(answered["asked"].values()) == [cleared, cleared, cleared, [], [], [], []]
