"""The home in Airflow's own application: who is let in, by which login, and what the plugin costs who only loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.apart import airflow_environment, run_apart

ROOT = Path(__file__).parents[2]

_ASK = """
import asyncio, json, sys
import httpx
from airflow.plugins_manager import get_plugin_info
[plugin] = [one for one in get_plugin_info() if one["name"] == "augment_ops_home"]
light = "augment_ops.home" not in sys.modules

from airflow import settings
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.base import Base
app = create_app("core")
Base.metadata.create_all(settings.engine)  # what is asked of Airflow's database: whose DAG it is, who has logged out
manager = get_auth_manager()
people = [SimpleAuthManagerUser(username="u", role=role) for role in ("VIEWER", "USER", None)]
tokens = {person.role: manager.generate_jwt(person) for person in people}

async def ask(path, cookie="", **headers):
    transport = httpx.ASGITransport(app=app)
    cookies = {"_token": cookie} if cookie else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", cookies=cookies) as client:
        answer = await client.get(path, headers=headers)
        return answer.status_code, answer.headers.get("content-security-policy", ""), answer.text

async def main():
    pages = ("/", "/runs", "/run?id=x", "/run/report?id=x", "/run/pictures.png?id=x", "/questions", "/policies",
             "/drift", "/costs", "/compare", "/compare/policies", "/style.css")
    return {
        "nobody": {page: (await ask("/augment-ops" + page))[0] for page in pages},
        "asked": (await ask("/augment-ops/runs?state=PASS"))[2],
        "made up": (await ask("/augment-ops/", "abc.def.ghi"))[0],
        "viewer": {page: (await ask("/augment-ops" + page, tokens["VIEWER"]))[0] for page in pages},
        "header": (await ask("/augment-ops/", authorization="Bearer " + tokens["USER"]))[0],
        "no role": (await ask("/augment-ops/", tokens[None]))[0],
        "other host": (await ask("/augment-ops/", tokens["VIEWER"], host="evil.example:8080"))[0],
        "page": await ask("/augment-ops/", tokens["VIEWER"]),
    }

print("RESULT" + json.dumps({"plugin": plugin, "light": light, **asyncio.run(main())}, default=str))
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    environment = airflow_environment(
        home,
        AIRFLOW__API__BASE_URL="http://127.0.0.1:8080",
        AUGMENT_OPS_HOME=str(home / "var"),
        AUGMENT_OPS_POLICIES=str(ROOT / "policies"),
        PYTHONPATH=str(ROOT),
    )
    found: dict[str, Any] = run_apart(_ASK, environment, home)[0]
    return found


def test_whoever_is_not_logged_in_sees_no_page(answered: dict[str, Any]) -> None:
    assert {page for page, status in answered["nobody"].items() if status != 401} == {"/style.css"}
    assert 'href="/api/v2/auth/login?next=%2Faugment-ops%2Fruns%3Fstate%3DPASS"' in answered["asked"]
    assert "digits-robust" not in answered["asked"]
    assert answered["made up"] in (401, 403)
    assert answered["no role"] == 403


def test_a_login_that_may_read_the_runs_sees_the_pages(answered: dict[str, Any]) -> None:
    found = {page: status for page, status in answered["viewer"].items() if "id=x" not in page}
    assert set(found.values()) == {200}
    assert {status for page, status in answered["viewer"].items() if "id=x" in page} == {404}
    assert answered["header"] == 200
    assert answered["other host"] == 403


def test_addresses_are_below_the_place_where_it_is_mounted(answered: dict[str, Any]) -> None:
    _, policy, page = answered["page"]
    assert 'href="/augment-ops/style.css"' in page
    assert 'href="/augment-ops/runs"' in page
    assert "default-src 'none'" in policy


def test_it_has_a_place_in_the_navigation_and_whoever_loads_it_imports_nothing_of_it(answered: dict[str, Any]) -> None:
    (view,) = answered["plugin"]["external_views"]
    assert (view["name"], view["href"], view["destination"]) == ("AugmentOps", "/augment-ops/", "nav")
    # What Airflow shows of any other leads nowhere, or into a frame: tests/e2e/test_home.py follows this one.
    assert view["category"] == "browse"
    assert "url_route" not in view and "nav_top_level" not in view
    assert answered["light"]
