"""The real stack: Airflow and MLflow started by the command line on free ports in a home with a space in its name."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from rich.console import Console

from augment_ops.data.store import Store
from augment_ops.errors import ServiceError
from augment_ops.services import processes, stack
from augment_ops.services.airflow_api import AirflowApi, HumanTask
from augment_ops.services.demo import DAG_ID, demonstrate, login, wait_for_dag
from augment_ops.services.follow import follow
from augment_ops.services.layout import STACK_MARK, layout_of
from augment_ops.services.ports import is_free
from augment_ops.settings import Settings
from augment_ops.tracking.connection import SERVICE_ACCOUNT, login_file
from support.ports import free_ports

pytestmark = pytest.mark.timeout(900)

DAGS = """
import os

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task


params = {"dataset": Param("digits", enum=["digits"]), "policy": "digits-robust", "fail": False}


@dag(dag_id="train_and_promote", schedule=None, params=params)
def decides():
    @task
    def work(params):
        if params["fail"]:
            raise ValueError("the images are gone")
        names = ("AUGMENT_OPS_HOME", "MLFLOW_TRACKING_URI", "NO_ALBUMENTATIONS_UPDATE")
        return {name: os.environ[name] for name in names}

    @task
    def report(environment):
        from augment_ops.content import canonical_json
        from augment_ops.data.store import Store

        decision = {
            "verdict": "FAIL", "summary": "Two sentences. Here they are.",
            "reasons": [{"rule": "invariance", "outcome": "fail", "message": "rotation", "measured": 0.5}],
            "mlflow_run_url": environment["MLFLOW_TRACKING_URI"], "url": "", "model_version": None,
            "path": environment["AUGMENT_OPS_HOME"], "promotion": "not promoted",
        }
        return {"output": Store(os.environ["AUGMENT_OPS_STORE"]).put(canonical_json(decision))}

    report(work())


@dag(schedule=None)
def asks():
    people = [{"id": "lead", "name": "ML Lead"}]
    HITLOperator(task_id="approve", subject="Promote?", options=["Approve", "Reject"], assigned_users=people)


decides()
asks()
"""
APPROVERS = "version: 1\nroles: {ml-lead: [{id: lead, name: ML Lead}, {id: deputy, name: Deputy}]}\n"


def cli(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from augment_ops.cli import main; main()", *arguments]
    # As most shells have it: files that everybody reads.
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False, umask=0o022)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("my project")
    (root / "dags").mkdir()
    (root / "dags" / "tiny.py").write_text(DAGS)
    (root / "policies").mkdir()
    (root / "policies" / "approvers.yaml").write_text(APPROVERS)
    airflow, mlflow = free_ports(2)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AUGMENT_OPS_", "AIRFLOW", "MLFLOW"))}
    return {
        **inherited,
        "AUGMENT_OPS_HOME": str(root / "var"),
        "AUGMENT_OPS_DAGS": str(root / "dags"),
        "AUGMENT_OPS_POLICIES": str(root / "policies"),
        "AUGMENT_OPS_AIRFLOW_PORT": str(airflow),
        "AUGMENT_OPS_MLFLOW_PORT": str(mlflow),
    }


@pytest.fixture(scope="module")
def running(environ: dict[str, str]) -> Iterator[Settings]:
    settings = Settings.from_environment(environ)
    try:
        started = cli("up", "--json", environ=environ)
        assert started.returncode == 0, started.stderr
        assert len(json.loads(started.stdout)["started"]) == 5
        yield settings
    finally:
        stack.down(settings)


@pytest.fixture(scope="module")
def admin(running: Settings) -> Iterator[AirflowApi]:
    with login(running) as api:
        wait_for_dag(api, DAG_ID)
        wait_for_dag(api, "asks")
        yield api


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_it_stays_after_the_command_and_a_second_up_starts_nothing(running: Settings, environ: dict[str, str]) -> None:
    before = {state.name: (state.status, state.pid) for state in stack.status(running)}
    assert {status for status, _ in before.values()} == {"healthy"}

    # Without the ports in its environment, the second command finds those in use.
    plain = {k: v for k, v in environ.items() if not k.endswith("_PORT")}
    again = json.loads(cli("up", "--json", environ=plain).stdout)

    assert again["started"] == []
    assert {s["name"]: (s["status"], s["pid"]) for s in again["services"]} == before
    assert again["mlflow_tracking_uri"] == f"http://127.0.0.1:{running.mlflow_port}"
    passwords = layout_of(running).passwords
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert passwords.read_text() not in json.dumps(again)


def test_every_process_carries_the_mark_and_listens_on_loopback_only(running: Settings) -> None:
    family = processes.members(layout_of(running))

    assert len(family) >= 5
    assert {process.environ().get(STACK_MARK) for process in family} == {layout_of(running).stack_id}
    listening = {
        connection.laddr
        for process in family
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {running.airflow_port, running.mlflow_port}


def test_a_decision_comes_back_with_its_addresses(running: Settings, admin: AirflowApi) -> None:
    shown = demonstrate(admin, Store(running.store), quiet())

    assert (shown.verdict, shown.model_version) == ("FAIL", None)
    assert shown.reasons[0]["measured"] == 0.5
    assert shown.mlflow_run_url == f"http://127.0.0.1:{running.mlflow_port}"  # as the task's environment has it
    assert shown.report_path == str(running.home)
    assert shown.airflow_run_url == admin.run_url(DAG_ID, shown.run_id)
    assert httpx.get(shown.airflow_run_url, trust_env=False, follow_redirects=True).is_success


def test_a_run_without_a_decision_names_the_task_and_its_exception(running: Settings, admin: AirflowApi) -> None:
    with pytest.raises(ServiceError) as caught:
        demonstrate(admin, Store(running.store), quiet(), conf={"fail": True})

    (fault,) = caught.value.faults
    assert fault.where == "task work"
    assert "ValueError: the images are gone" in fault.found

    newest = admin.dag_runs(DAG_ID, limit=1)[0]
    assert (newest.state, newest.triggered_by, newest.conf) == ("failed", "admin", {"fail": True})
    assert admin.clear(DAG_ID, newest.run_id, ["work"]) == ["report", "work"]
    assert follow(admin, newest, quiet(), timeout_s=90).state == "failed"  # it ran again, and failed again
    assert {task.tries for task in admin.task_instances(DAG_ID, newest.run_id) if task.task_id == "work"} == {2}


def test_a_conf_of_the_wrong_type_and_an_unknown_dag_are_refused(admin: AirflowApi) -> None:
    with pytest.raises(ServiceError, match="dataset"):
        admin.trigger(DAG_ID, {"dataset": 5})
    with pytest.raises(ServiceError, match="404"):
        admin.trigger("nothing-of-that-name", {})


def test_only_the_named_person_answers_and_a_viewer_starts_nothing(running: Settings, admin: AirflowApi) -> None:
    with login(running, "viewer") as viewer, pytest.raises(ServiceError, match="403"):
        viewer.trigger("asks", {})
    run = admin.trigger("asks", {})
    refused: list[str] = []
    parked_since: float | None = None

    def answer_when_asked(seconds: float) -> None:
        nonlocal parked_since
        asked = [q for q in admin.questions("asks", run.run_id) if q.answered_by is None]
        if {task.state for task in admin.task_instances("asks", run.run_id)} != {"awaiting_input"}:
            parked_since = None
        elif parked_since is None:
            parked_since = time.monotonic()
        # An answer in the first seconds races with the scheduler's end of the waiting task: Airflow 3.3 fails it then.
        if asked and parked_since is not None and time.monotonic() - parked_since > 6:
            for user in ("admin", "deputy", "lead"):
                with login(running, user) as person:
                    try:
                        person.answer("asks", run.run_id, "approve", "Approve")
                    except ServiceError as error:
                        refused.append(f"{user} {'403' in str(error)}")
        time.sleep(seconds / 4)

    outcome = follow(admin, run, quiet(), timeout_s=300, sleep=answer_when_asked)

    assert outcome.state == "success"
    assert refused == ["admin True", "deputy True"]
    assert admin.questions("asks", run.run_id) == [
        HumanTask("approve", "Promote?", ("Approve", "Reject"), ("lead",), ("Approve",), "lead")
    ]


def test_mlflow_keeps_artifacts_below_the_home_through_its_server(running: Settings) -> None:
    address = f"{stack.addresses(running)['mlflow']}/api/2.0"
    password = json.loads(login_file(running.home / "mlflow" / "artifacts").read_text())[SERVICE_ACCOUNT]
    assert httpx.get(f"{address}/mlflow/experiments/get", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    with httpx.Client(trust_env=False, auth=(SERVICE_ACCOUNT, password)) as http:
        created = http.post(f"{address}/mlflow/experiments/create", json={"name": "stack"})
        experiment = http.get(
            f"{address}/mlflow/experiments/get", params={"experiment_id": created.json()["experiment_id"]}
        ).json()["experiment"]
        stored = http.put(f"{address}/mlflow-artifacts/artifacts/1/note.txt", content=b"kept")

    assert experiment["artifact_location"].startswith("mlflow-artifacts:/")
    assert stored.is_success
    assert (running.home / "mlflow" / "artifacts" / "1" / "note.txt").read_bytes() == b"kept"


def test_taken_ports_are_refused_and_nothing_is_started(running: Settings, environ: dict[str, str]) -> None:
    other = {**environ, "AUGMENT_OPS_HOME": str(running.home.with_name("other"))}

    refused = cli("up", environ=other)

    assert refused.returncode == 3
    for name in ("AUGMENT_OPS_AIRFLOW_PORT", "AUGMENT_OPS_MLFLOW_PORT"):
        assert f"{name}=" in refused.stderr
    assert f"port {running.airflow_port} taken by pid" in refused.stderr
    assert processes.members(layout_of(Settings.from_environment(other))) == []


def test_nobody_else_reads_the_state_and_no_process_shows_a_secret(running: Settings, environ: dict[str, str]) -> None:
    found = [running.home, *running.home.rglob("*")]
    assert len(found) > 20
    assert [str(path) for path in found if not path.is_symlink() and path.stat().st_mode & 0o077] == []

    passwords = json.loads(layout_of(running).passwords.read_text())
    shown = []
    for process in processes.members(layout_of(running)):
        with contextlib.suppress(psutil.Error):  # a task that has ended since
            shown.append(" ".join(process.cmdline()))
    assert len(shown) >= 5
    assert [line for line in shown if "sqlite:" in line or any(word in line for word in passwords.values())] == []


def test_passwords_are_shown_where_they_are_asked_for(running: Settings, environ: dict[str, str]) -> None:
    passwords = json.loads(layout_of(running).passwords.read_text())
    plain, asked = cli("status", environ=environ).stdout, cli("status", "--show-passwords", environ=environ).stdout
    again, machine = cli("up", environ=environ), cli("status", "--json", environ=environ).stdout

    assert "status --show-passwords" in plain
    assert f"MLflow   http://127.0.0.1:{running.mlflow_port}/#/experiments\n" in plain  # what a person opens first
    assert [word for word in passwords.values() if word in plain + again.stdout + again.stderr + machine] == []
    assert [word for word in passwords.values() if word not in asked] == []
    assert {"admin", "viewer", "lead", "deputy"} <= set(passwords)


def test_demo_shows_the_decision_and_ctrl_c_leaves_no_process_and_no_port(
    running: Settings, environ: dict[str, str]
) -> None:
    command = [sys.executable, "-c", "from augment_ops.cli import main; main()", "demo", "--json"]
    demo = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        decision = json.loads(demo.stdout.readline())  # printed once, and then it stays
        assert (decision["verdict"], decision["report_path"]) == ("FAIL", str(running.home))
        assert len(processes.members(layout_of(running))) >= 5
        demo.send_signal(signal.SIGINT)
        _, remarks = demo.communicate(timeout=300)
    finally:
        demo.kill()
        demo.communicate()

    assert demo.returncode == 1, remarks  # the gate said no
    assert "ended" in remarks
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(STACK_MARK) == layout_of(running).stack_id:
                left.append(process)
    assert left == []
    assert is_free(running.airflow_port)
    assert is_free(running.mlflow_port)
    assert (running.home / "airflow" / "airflow.db").is_file()
    assert (running.home / "mlflow" / "mlflow.db").is_file()
    assert json.loads(cli("down", "--json", environ=environ).stdout)["ended"] == 0
    assert cli("status", environ=environ).returncode == 1
