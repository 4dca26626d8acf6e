"""Alerts through Airflow's own hooks to a real mail server and a real web server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.alerts import RUNBOOKS, message_of
from augment_ops.monitoring.telemetry.textfile import path_below, read

ROOT = Path(__file__).parents[2]
FOUND = 'class "{{ 7 * 7 }}" <b>7</b> moved'

_TELL = """
import sys
from augment_ops.monitoring.telemetry.alerts import message_of
from alert_channels import tell
print("FAILED", tell(message_of("drift", "digits", sys.argv[1], "http://mlflow/1", "https://docs/"), sys.argv[2:]))
"""
_FAILED_TASK = """
from types import SimpleNamespace
from alert_channels import RunFailed
ti = SimpleNamespace(task_id="ingest", log_url="http://airflow/log")
RunFailed()({"params": {"drift": "default", "dataset_name": "", "dataset": "digits"}, "ti": ti, "run_id": "manual__1",
    "exception": ValueError(sys.argv[1])})
"""


@pytest.fixture
def people(mail_server: Any, web_server: Any) -> SimpleNamespace:
    return SimpleNamespace(mail=mail_server, web=web_server)


def run(code: str, home: Path, people: SimpleNamespace, *arguments: str) -> subprocess.CompletedProcess[str]:
    address = people.web.address
    extra = {"disable_tls": True, "disable_ssl": True, "from_email": "ops@here", "to": "ann@here,bob@here"}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": people.mail.port, "extra": extra}
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "AIRFLOW_HOME": str(home / "airflow"),
        "AUGMENT_OPS_HOME": str(home),
        "AUGMENT_OPS_POLICIES": str(ROOT / "policies"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "dags")]),
        "AIRFLOW_CONN_AUGMENT_OPS_EMAIL": json.dumps(mail),
        "AIRFLOW_CONN_AUGMENT_OPS_SLACK": json.dumps({"conn_type": "slackwebhook", "password": f"{address}/slack"}),
        "AIRFLOW_CONN_AUGMENT_OPS_WEBHOOK": json.dumps({"conn_type": "http", "host": f"{address}/hook"}),
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=home,
    )


def working(home: Path) -> dict[str, float]:
    known = read(path_below(home))
    return {labels[0]: value for (name, labels), value in known.items() if name == metrics.ALERT_CHANNEL.name}


def test_a_message_reaches_people_by_every_channel_and_is_never_a_template(
    tmp_path: Path, people: SimpleNamespace
) -> None:
    done = run(_TELL, tmp_path, people, FOUND, "log", "email", "slack", "webhook")
    assert "FAILED []" in done.stdout, done.stderr[-3000:]
    message = message_of("drift", "digits", FOUND, "http://mlflow/1", "https://docs/")
    assert message.text in done.stdout + done.stderr
    (letter,) = people.mail.received
    assert (letter["Subject"], letter["From"], letter["To"]) == (message.subject, "ops@here", "ann@here, bob@here")
    html = letter.get_body(("html",)).get_content()
    assert "{{ 7 * 7 }}" in html
    assert "&lt;b&gt;7" in html
    assert "https://docs/docs/runbooks/drift.md" in html
    sent = {path: json.loads(body) for path, body in people.web.received}
    assert sent["/hook"] == message.data
    assert "{{ 7 * 7 }}" in sent["/slack"]["text"]
    assert "&lt;b&gt;7" in sent["/slack"]["text"]
    assert "http://mlflow/1" in sent["/slack"]["text"]
    assert working(tmp_path) == {"log": 1, "email": 1, "slack": 1, "webhook": 1}


def test_a_channel_that_fails_keeps_no_other_from_being_told_and_a_failed_task_is_told_with_its_reason(
    tmp_path: Path, people: SimpleNamespace
) -> None:
    people.web.answer = 404
    done = run(_TELL + _FAILED_TASK, tmp_path, people, "no such folder", "webhook", "slack", "email")
    assert "FAILED ['webhook', 'slack']" in done.stdout, done.stderr[-3000:]
    assert len(people.mail.received) == 1
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout + done.stderr
    assert "AugmentOps, digits: a run has failed" in said
    assert "Task ingest of run manual__1: no such folder" in said
    assert "http://airflow/log" in said
    assert working(tmp_path) == {"log": 1, "email": 1, "slack": 0, "webhook": 0}


def test_each_kind_of_alert_leads_to_a_page() -> None:
    for kind, page in RUNBOOKS.items():
        assert (ROOT / "docs" / page).is_file()
        assert message_of(kind, "d", "x").todo == f"docs/{page}"
    assert "\n" not in message_of("drift", "a\nBcc: everybody", "x").subject
