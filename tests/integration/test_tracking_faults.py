"""The tracker when processes and servers die: real processes, real SIGKILL, a real MLflow server."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.errors import StoreError, TrackingError
from augment_ops.tracking import MlflowTracker, artifacts, connect
from support.ports import free_port

# The suite asks MLflow itself what was recorded.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::mlflow")]
ROOT = Path(__file__).parents[2]
IMAGES = np.zeros((2, 4, 4, 1), np.uint8)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Any zip will do where nothing is loaded."""
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "weights").write_bytes(os.urandom(2000))
    return Path(shutil.make_archive(str(tmp_path / "net"), "zip", tmp_path / "content"))


@pytest.fixture(scope="module")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store that three processes made at the same moment, with warnings as errors."""
    path = tmp_path_factory.mktemp("fresh") / "mlflow.db"
    code = (
        "import sys, time; start = time.monotonic()\n"
        "from augment_ops.tracking import connect\n"
        "assert 'mlflow' not in sys.modules and 'torch' not in sys.modules\n"
        "tracker = connect(sys.argv[1]); run = tracker.open_run('digits', 'run-1', 'candidate')\n"
        "tracker.log_metrics(run, {'accuracy': 0.5})\n"
        "assert 'torch' not in sys.modules and 'mlflow.pyfunc' not in sys.modules\n"
        "print(run.run_id)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, f"sqlite:///{path}"]
    processes = [_spawn(command) for _ in range(3)]
    found = {process.communicate(timeout=300)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(found) == 1, "three processes opened different runs for one role"
    return path


@pytest.fixture
def tracker(fresh_database: Path, tmp_path: Path) -> MlflowTracker:
    """On a copy of the fresh store, so that each test has one of its own without migrating again."""
    (tmp_path / "state").mkdir()
    shutil.copy(fresh_database, tmp_path / "state" / "mlflow.db")
    return connect(f"sqlite:///{tmp_path / 'state' / 'mlflow.db'}")


def _spawn(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _client(tracker: MlflowTracker) -> Any:
    return tracker._connection.client


def test_three_processes_on_a_fresh_store_make_one_run(fresh_database: Path) -> None:
    tracker = connect(f"sqlite:///{fresh_database}")
    run = tracker.open_run("digits", "run-1", "candidate")
    assert len(_client(tracker).search_runs([run.experiment_id])) == 2
    assert len(_client(tracker).get_metric_history(run.run_id, "accuracy")) == 1


def test_kill_while_the_model_is_written_leaves_nothing_half(tracker: MlflowTracker, archive: Path) -> None:
    """The process is killed with the model's folder half written; the retry makes one whole model."""
    run = tracker.open_run("shapes", "run-1", "candidate")
    code = (
        "import os, signal, sys, numpy as np; from pathlib import Path\n"
        "from augment_ops.tracking import connect, models\n"
        "models._write_environment = lambda folder, needs: os.kill(os.getpid(), signal.SIGKILL)\n"
        "tracker = connect(sys.argv[1]); run = tracker.open_run('shapes', 'run-1', 'candidate')\n"
        "tracker.log_model(run, Path(sys.argv[2]), 'd' * 64, np.zeros((2, 4, 4, 1), np.uint8), ['a', 'b'])\n"
    )
    process = _spawn([sys.executable, "-c", code, tracker.uri, str(archive)])
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    (pending,) = _client(tracker).search_logged_models([run.experiment_id])
    folder = Path(pending.artifact_location)
    assert str(pending.status) == "PENDING" and not folder.exists()
    assert len(list(folder.parent.glob(".partial-*"))) == 1

    uri = tracker.log_model(run, archive, "d" * 64, IMAGES, ["a", "b"])
    assert uri.endswith(pending.model_id)
    assert (folder / "data" / "model.pt2").read_bytes() == archive.read_bytes()
    assert {"MLmodel", "requirements.txt"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.parent.glob(".partial-*"))
    assert tracker.register_challenger("shapes", "run-1", run, uri, {}, "") == "1"


@pytest.mark.parametrize("what", ["artifact", "model"])
def test_full_disk_is_said_and_leaves_nothing(
    tracker: MlflowTracker, archive: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run = tracker.open_run("shapes", "run-1", "candidate")
    tracker.log_bytes(run, b"first", "report.html")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artifacts.os, "fsync", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    acts: dict[str, Callable[[], object]] = {
        "artifact": lambda: tracker.log_bytes(run, b"second", "report.html"),
        "model": lambda: tracker.log_model(run, archive, "d" * 64, IMAGES, ["a", "b"]),
    }
    with pytest.raises(StoreError, match="disk full"):
        acts[what]()
    monkeypatch.undo()
    root = Path(tracker.uri.removeprefix("sqlite:///")).parent / "artifacts"
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["report.html"]
    assert next(root.rglob("report.html")).read_bytes() == b"first"
    assert not list(root.rglob(".partial-*"))


def test_experiment_of_a_server_is_refused_without_it(tracker: MlflowTracker) -> None:
    _client(tracker).create_experiment("augment-ops/elsewhere", artifact_location="mlflow-artifacts:/7")
    run = tracker.open_run("elsewhere", "run-1")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        tracker.log_bytes(run, b"", "report.html")


def test_damaged_store_is_a_tracking_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TrackingError, match="not a database"):
        connect(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_refused_connection_is_said_without_the_clients_minutes_of_retries() -> None:
    port = free_port()
    tracker = connect(f"http://127.0.0.1:{port}")
    start = time.monotonic()
    with pytest.raises(TrackingError, match="augment-ops up"):
        tracker.check()
    # 6 s measured; the client's own seven retries take more than two minutes.
    assert time.monotonic() - start < 60


@pytest.fixture
def server(tracker: MlflowTracker, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real server in a process group of its own, on the store that `tracker` uses directly."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", tracker.uri, "--artifacts-destination", str(tmp_path / "destination")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **quiet}, cwd=tmp_path, start_new_session=True
        )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                threading.Event().wait(0.2)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_server_costs_an_error_and_no_duplicate(
    tracker: MlflowTracker,
    server: tuple[str, subprocess.Popen[bytes]],
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The server dies between logging the model and registering it; the work goes on without it, on the same state."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri, process = server
    root = tmp_path / "state" / "artifacts"
    remote = connect(uri, artifact_root=root)
    run = remote.open_run("shapes", "run-1", "candidate")
    page, choice = f"{uri}/#/experiments/{run.experiment_id}/runs/{run.run_id}", "?workflowType=machine_learning"
    assert run.url == f"{page}{choice}"
    assert run.artifact_url("report/report.html") == f"{page}/artifacts/report/report.html{choice}"
    remote.log_bytes(run, b"<html>", "report/report.html")
    with urllib.request.urlopen(f"{uri}/get-artifact?path=report/report.html&run_id={run.run_id}", timeout=10) as page:
        assert page.read() == b"<html>", "the server's UI must show what was written to the local folder"
    model = remote.log_model(run, archive, "d" * 64, IMAGES, ["a", "b"])
    remote.register_challenger("shapes", "run-1", run, model, {}, "")
    assert Path(remote.download_model("shapes", "1").source).is_relative_to(root)

    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for act in (remote.check, lambda: remote.promote("shapes", "1", None)):
        with pytest.raises(TrackingError, match="augment-ops up"):
            act()

    again = tracker.open_run("shapes", "run-1", "candidate")
    assert again.run_id == run.run_id
    assert tracker.log_model(again, archive, "d" * 64, IMAGES, ["a", "b"]) == model
    assert tracker.register_challenger("shapes", "run-1", again, model, {}, "") == "1"
    tracker.promote("shapes", "1", None)
    champion = tracker.champion("shapes")
    assert champion is not None and champion.version == "1"
    assert len(_client(tracker).search_model_versions("name = 'shapes-classifier'")) == 1
    tags = _client(tracker).get_logged_model(model.rpartition("/")[2]).tags
    assert json.loads(tags["mlflow.modelVersions"]) == [{"name": "shapes-classifier", "version": 1}]
