"""The look at a run before Airflow makes it: what is refused in the form, for whom, and what passes untouched."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.apart import airflow_environment, run_apart

ROOT = Path(__file__).parents[2]

# Airflow's own auth manager and tokens; what stands for Airflow behind the look says what came through to it.
_ASK = """
import asyncio, json, sys
import asked_runs
import http_messages
from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.revoked_token import RevokedToken

create_auth_manager()
RevokedToken.is_revoked = staticmethod(lambda *_, **__: False)  # a table of Airflow's database, which is not here
tokens = {role: get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
          for role, name in (("user", "ada"), ("viewer", "vic"))}

async def airflow(scope, receive, send):
    body = b"" if scope["method"] == "GET" else await http_messages.read(receive, 1_000_000)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps({"came": body.decode("latin-1")}).encode()})

async def ask(token, body, path, method):
    sent = []
    async def send(message):
        sent.append(message)
    parts = [body[:7].encode(), body[7:].encode()]
    async def receive():
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await asked_runs.AskedRuns(airflow)(scope, receive, send)
    return [sent[0]["status"], json.loads(sent[1]["body"])]

TRIGGER = "/api/v2/dags/train_and_promote/dagRuns"
found = {}
for name, who, body, path, method in json.load(sys.stdin):
    body = body if isinstance(body, str) else json.dumps(body)
    found[name] = asyncio.run(ask(tokens.get(who, who), body, path or TRIGGER, method or "POST"))
asyncio.run(ask(tokens["user"], json.dumps({"conf": {"environment": "staging"}}), TRIGGER, "POST"))  # once more
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
entries = Workspace(Settings.from_environment(), "reader").ledger.read()
print("RESULT" + json.dumps({
    "found": found,
    "heavy": sorted({"torch", "albumentations", "mlflow"} & set(sys.modules)),
    "entered": [[e.act, e.actor, e.subjects, e.reason] for e in entries],
}))
"""

APPROVE = "/api/v2/dags/approve_policy/dagRuns"
APPROVAL = {"policy": "digits-robust", "environment": "production", "days": 9}
_BAD = {"environment": "staging", "gate": "driving"}
_ASKED: dict[str, tuple[str, Any, str, str]] = {
    "empty fields": ("user", {"conf": {"dataset": None, "image_size": None}, "logical_date": None}, "", ""),
    "no conf": ("user", {"logical_date": None}, "", ""),
    "unknown key": ("user", {"conf": {"polcy": "digits-none"}}, "", ""),
    "gate of another suite": ("user", {"conf": {"gate": "driving"}}, "", ""),
    "draft in staging": ("user", {"conf": {"environment": "staging"}}, "", ""),
    "policy of another modality": ("user", {"conf": {"policy": "transactions-robust"}}, "", ""),
    "production by the gate alone": ("user", {"conf": {"environment": "production"}}, "", ""),
    "approval where none is asked for": ("user", {"conf": APPROVAL | {"environment": "dev"}}, APPROVE, ""),
    "approval for too long": ("user", {"conf": APPROVAL | {"days": 9999}}, APPROVE, ""),
    "approval that nobody's word counts for": ("user", {"conf": APPROVAL}, APPROVE, ""),
    "approval of a type": ("user", {"conf": APPROVAL | {"days": "many"}}, APPROVE, ""),
    "approval, defaults": ("user", {"conf": {"environment": "dev"}}, APPROVE, ""),
    "viewer": ("viewer", {"conf": _BAD}, "", ""),
    "nobody": ("", {"conf": _BAD}, "", ""),
    "forged": ("abc.def.ghi", {"conf": _BAD}, "", ""),
    "another DAG": ("user", {"conf": _BAD}, "/api/v2/dags/drift_monitor/dagRuns", ""),
    "a list": ("user", {}, "", "GET"),
    "no JSON": ("user", "{conf", "", ""),
    "no object": ("user", [1, 2, 3, 4, 5], "", ""),
    "conf is no object": ("user", {"conf": "x"}, "", ""),
    "too much": ("user", {"conf": {"dataset": "x" * 300_000}}, "", ""),
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("asked")
    environment = airflow_environment(
        home / "airflow",
        AUGMENT_OPS_HOME=str(home),
        AIRFLOW__API_AUTH__JWT_SECRET="a secret for this test that is long enough to sign with, and then some more",
        PYTHONPATH=str(ROOT / "dags" / "plugins"),
    )
    found: dict[str, Any] = run_apart(_ASK, environment, home, asked=[[name, *one] for name, one in _ASKED.items()])[0]
    return found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("unknown key", "polcy: found unknown key; .*Did you mean policy"),
        ("gate of another suite", "Fix: choose --suite driving, or the gate that belongs to invariances"),
        (
            "draft in staging",
            "digits-robust 1.0.0 in staging: found a draft; .*augment-ops policy propose digits-robust",
        ),
        ("policy of another modality", "for samples of the modality tabular"),
        ("production by the gate alone", "found 'auto'; expected one of ml-lead"),
        ("approval where none is asked for", "environment dev, which asks for none; expected one of production"),
        ("approval for too long", "9999 days; expected at most"),
        ("approval that nobody's word counts for", "approvers.yaml"),
    ],
)
def test_what_cannot_end_well_is_refused_before_there_is_a_run(answered: dict[str, Any], asked: str, told: str) -> None:
    status, said = answered["found"][asked]
    assert status == 400
    assert re.search(told, said["detail"], re.DOTALL)


@pytest.mark.parametrize(
    "asked",
    [
        "empty fields",
        "no conf",
        "viewer",
        "nobody",
        "forged",
        "another DAG",
        "no JSON",
        "conf is no object",
        "approval of a type",
        "approval, defaults",
    ],
)
def test_what_is_well_or_for_airflow_to_refuse_comes_to_it_as_it_was(answered: dict[str, Any], asked: str) -> None:
    body = _ASKED[asked][1]
    assert answered["found"][asked] == [200, {"came": body if isinstance(body, str) else json.dumps(body)}]


def test_a_list_is_none_of_its_business_and_a_body_without_end_is_not_read(answered: dict[str, Any]) -> None:
    assert answered["found"]["a list"] == [200, {"came": ""}]
    assert answered["found"]["no object"][0] == 200
    assert answered["found"]["too much"][0] == 413


def test_the_look_reads_no_transforms_and_starts_no_framework(answered: dict[str, Any]) -> None:
    assert answered["heavy"] == []


def test_what_governance_refuses_is_entered_once_under_who_asked(answered: dict[str, Any]) -> None:
    assert [(act, who, told["environment"], told["policy_version"]) for act, who, told, _ in answered["entered"]] == [
        ("refuse", "ada", "staging", "digits-robust/1.0.0"),
        ("refuse", "ada", "production", "digits-robust/1.0.0"),
        ("refuse", "ada", "production", "digits-robust/1.0.0"),
    ]
    assert "'auto'" in answered["entered"][1][3]
