"""The tab with a run's report, asked through Airflow's own server side: who sees it, what it may do, what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import report_path
from augment_ops.settings import Settings
from support.apart import airflow_environment, run_apart

ROOT = Path(__file__).parents[2]
RUN, REFUSED, WAITING = "manual__2026-05-31T12:00:00+00:00", "stopped", "just/begun"

_ASK = """
import json, sys
from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.dag import DagModel
from airflow.models.revoked_token import RevokedToken
from fastapi import FastAPI
from fastapi.testclient import TestClient
import run_report

manager = create_auth_manager()
# Tables of Airflow's database, which is not here.
RevokedToken.is_revoked = staticmethod(lambda *_, **__: False)
DagModel.get_team_name = staticmethod(lambda *_, **__: None)
token = manager.generate_jwt(SimpleAuthManagerUser(username="vic", role="viewer"))
server = FastAPI()
for mounted in run_report.RunReportPlugin.fastapi_apps:
    server.mount(mounted["url_prefix"], mounted["app"])
client = TestClient(server, base_url="http://testserver")
found = {}
for name, path, who in json.load(sys.stdin):
    answer = client.get(path, cookies={"_token": token} if who else {})
    found[name] = [answer.status_code, answer.text, dict(answer.headers)]
print("RESULT" + json.dumps({"found": found, "tabs": run_report.RunReportPlugin.external_views}))
"""

DAG, PREFIX = "train_and_promote", "/augment-ops-report"
QUOTED = "manual__2026-05-31T12%3A00%3A00%2B00%3A00"
_ASKED = {
    "report": (f"{PREFIX}/{DAG}/{QUOTED}", True),
    "tab": (f"{PREFIX}/tab/{DAG}/{QUOTED}", True),
    "refused": (f"{PREFIX}/{DAG}/{REFUSED}", True),
    "not yet": (f"{PREFIX}/{DAG}/just%2Fbegun", True),
    "tab, not yet": (f"{PREFIX}/tab/{DAG}/just%2Fbegun", True),
    "another DAG": (f"{PREFIX}/drift_monitor/{QUOTED}", True),
    "hostile": (f"{PREFIX}/tab/%3Cscript%3Ex/{QUOTED}", True),
    "upwards": (f"{PREFIX}/{DAG}/..%2F..%2Fsecret", True),
    "nobody": (f"{PREFIX}/{DAG}/{QUOTED}", False),
    "nobody, tab": (f"{PREFIX}/tab/{DAG}/{QUOTED}", False),
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("reports")
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(home)})
    for path, text in (
        (report_path(home, RUN), "<h1>the report</h1>"),
        (page_of(settings, REFUSED), "<h1>why it stopped</h1>"),
        (page_of(settings, RUN), "<h1>of an earlier try</h1>"),
        (home / "secret" / "report.html", "secret"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = airflow_environment(
        home / "airflow",
        AUGMENT_OPS_HOME=str(home),
        AIRFLOW__API__BASE_URL="https://flows.example.org/team",
        AIRFLOW__API_AUTH__JWT_SECRET="a secret for this test that is long enough to sign with, and then some more",
        PYTHONPATH=str(ROOT / "dags" / "plugins"),
    )
    found: dict[str, Any] = run_apart(_ASK, environment, home, asked=[[name, *one] for name, one in _ASKED.items()])[0]
    return found


def test_every_run_has_a_tab_that_leads_to_the_page_of_that_run(answered: dict[str, Any]) -> None:
    (tab,) = answered["tabs"]
    assert (tab["name"], tab["destination"]) == ("Report", "dag_run")
    assert tab["href"] == f"/team{PREFIX}/tab/{{DAG_ID}}/{{RUN_ID}}"  # Airflow fills in both


def test_the_page_is_the_report_as_it_was_made_without_a_part_in_airflows_site(answered: dict[str, Any]) -> None:
    status, text, headers = answered["found"]["report"]
    assert (status, text) == (200, "<h1>the report</h1>")
    policy = headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_the_tab_frames_it_and_says_where_it_stands_by_itself(answered: dict[str, Any]) -> None:
    status, text, _ = answered["found"]["tab"]
    assert status == 200
    assert f'<iframe src="/team{PREFIX}/{DAG}/{QUOTED}"' in text
    assert f"<code>https://flows.example.org/team{PREFIX}/{DAG}/{QUOTED}</code>" in text
    assert "the report" not in text  # which is in the frame


def test_a_refused_run_says_why_it_stopped_and_one_that_still_works_that_it_does(answered: dict[str, Any]) -> None:
    assert answered["found"]["refused"][:2] == [200, "<h1>why it stopped</h1>"]
    for asked in ("not yet", "tab, not yet"):
        status, text, _ = answered["found"][asked]
        assert (status, "when the gate has decided" in text) == (200, True)
    assert "drift_monitor" in answered["found"]["another DAG"][1]


def test_nobody_sees_it_without_a_login_nor_anything_else_with_one(answered: dict[str, Any]) -> None:
    assert [answered["found"][asked][0] for asked in ("nobody", "nobody, tab")] == [401, 401]
    assert "secret" not in answered["found"]["upwards"][1]
    assert "<script>" not in answered["found"]["hostile"][1]
