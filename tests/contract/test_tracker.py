"""One suite for the tracker, on a SQLite file and a real server: what is recorded, and that repeating adds nothing."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.errors import GovernanceError, PolicyError, StoreError, TrackingError
from augment_ops.runtime import load
from augment_ops.runtime.artifact import read_artifact
from augment_ops.tracking import MlflowTracker, TrackedRun, connect
from augment_ops.tracking.lists import view
from augment_ops.tracking.models import file_sha256
from augment_ops.training.vision import import_where_installed
from support.networks import write_program
from support.ports import free_port
from support.trees import rows, trees

# The suite itself asks MLflow what was recorded; MLflow's queries use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

CLASSES = ("even", "odd", "neither")
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 6, 4, 2), dtype=np.uint8)
_datasets = (f"set-{n}" for n in itertools.count())


def start_server(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A real server on a free port, in a process group of its own; SQLite and artifacts below `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **quiet}, cwd=folder, start_new_session=True
        )
    uri, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return uri, process
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, (folder / "server.log").read_text()
            threading.Event().wait(0.2)
    raise AssertionError((folder / "server.log").read_text())


@pytest.fixture(scope="module", autouse=True)
def _torchvision() -> None:
    """`mlflow.pytorch` imports Lightning where that is installed, and Lightning torchvision."""
    import_where_installed()


@pytest.fixture(scope="module", params=["sqlite", "server"])
def tracker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowTracker]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield connect(f"sqlite:///{folder / 'state' / 'mlflow.db'}")
        return
    uri, process = start_server(folder)
    try:
        yield connect(uri)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """An exported program with a free batch dimension, and its logits on IMAGES."""
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.head = torch.nn.Linear(4, len(CLASSES))

        def forward(self, images: Any) -> Any:
            x = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
            return self.head(torch.relu(self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    net = Net().eval()
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    write_program(net, IMAGES.shape[1:], path)
    with torch.no_grad():
        return path, net(torch.from_numpy(IMAGES)).numpy()


@pytest.fixture
def dataset() -> str:
    """A name of its own for each test, as the tests share one store."""
    return next(_datasets)


@pytest.fixture
def run(tracker: MlflowTracker, dataset: str) -> TrackedRun:
    return tracker.open_run(dataset, "run-1", "candidate")


def client(tracker: MlflowTracker) -> Any:
    return tracker._connection.client


def log_model(tracker: MlflowTracker, run: TrackedRun, program: tuple[Path, np.ndarray], digest: str = "d" * 64) -> str:
    return tracker.log_model(run, program[0], digest, IMAGES[:2], CLASSES)


def register(tracker: MlflowTracker, dataset: str, run: TrackedRun, uri: str, pipeline_run: str = "run-1") -> str:
    return tracker.register_challenger(dataset, pipeline_run, run, uri, {"augment_ops.verdict": "PASS"}, "two words")


def all_runs(tracker: MlflowTracker, run: TrackedRun) -> list[Any]:
    return list(client(tracker).search_runs([run.experiment_id]))


def all_versions(tracker: MlflowTracker, name: str) -> list[Any]:
    return list(client(tracker).search_model_versions(f"name = '{name}'"))


def aliases(tracker: MlflowTracker, dataset: str) -> dict[str, str]:
    named = client(tracker).get_registered_model(f"{dataset}-classifier").aliases
    return {alias: str(version) for alias, version in named.items()}


def test_runs_are_nested_and_found_again(tracker: MlflowTracker, dataset: str) -> None:
    candidate = tracker.open_run(dataset, "run-1", "candidate", {"augment_ops.policy": "robust"})
    parent = tracker.open_run(dataset, "run-1")
    control = tracker.open_run(dataset, "run-1", "control", {"augment_ops.policy": "none"})
    assert tracker.open_run(dataset, "run-1", "candidate") == candidate
    assert len({parent.run_id, candidate.run_id, control.run_id}) == len(all_runs(tracker, parent)) == 3
    recorded = client(tracker).get_run(candidate.run_id).data.tags
    assert recorded["mlflow.parentRunId"] == parent.run_id
    assert recorded["augment_ops.policy"] == "robust"
    assert "augment_ops.policy" not in client(tracker).get_run(parent.run_id).data.tags
    assert client(tracker).get_experiment(parent.experiment_id).name == f"augment-ops/{dataset}"
    assert tracker.open_run(dataset, "run-2").run_id != parent.run_id


def test_failed_run_opened_again_runs_and_a_finished_one_stays_so(tracker: MlflowTracker, run: TrackedRun) -> None:
    dataset = client(tracker).get_experiment(run.experiment_id).name.removeprefix("augment-ops/")
    for ended, expected in (("FAILED", "RUNNING"), ("FINISHED", "FINISHED")):
        tracker.finish_run(run, ended)  # type: ignore[arg-type]
        tracker.open_run(dataset, "run-1", "candidate")
        assert client(tracker).get_run(run.run_id).info.status == expected


def test_a_run_whose_candidate_was_refused_stays_as_it_ended(tracker: MlflowTracker, dataset: str) -> None:
    run = tracker.open_run(dataset, "run-1", tags={"augment_ops.promotion": "not promoted: the gate said FAIL"})
    tracker.finish_run(run, "FAILED")
    tracker.open_run(dataset, "run-1")
    assert client(tracker).get_run(run.run_id).info.status == "FAILED"


def test_a_run_is_found_again_whatever_it_is_called(tracker: MlflowTracker, dataset: str) -> None:
    run = tracker.open_run(dataset, "run-1")
    tracker.finish_run(run, "FINISHED")
    ended = client(tracker).get_run(run.run_id).info.end_time
    for _ in range(2):
        tracker.name_run(run, "FAIL · robust 1.0.0 · digits")
    named = client(tracker).get_run(run.run_id)
    assert (named.info.run_name, named.info.status, named.info.end_time) == (
        "FAIL · robust 1.0.0 · digits",
        "FINISHED",
        ended,
    )
    assert tracker.open_run(dataset, "run-1").run_id == run.run_id


def test_the_list_of_runs_is_described_and_a_persons_words_stay(tracker: MlflowTracker, run: TrackedRun) -> None:
    def kept() -> dict[str, str]:
        return dict(client(tracker).get_experiment(run.experiment_id).tags)

    for port in ("5000", "5001"):  # the server has moved
        tracker.describe_list(run, f"Runs of it: [list](http://127.0.0.1:{port}).")
        assert kept()["mlflow.note.content"] == f"Runs of it: [list](http://127.0.0.1:{port})."
    assert kept()["mlflow.sharedViewState.augment-ops"] == view()
    client(tracker).set_experiment_tag(run.experiment_id, "mlflow.note.content", "Ask Ann before you use it.")
    tracker.describe_list(run, "Runs of it: [list](http://127.0.0.1:5001).")
    assert kept()["mlflow.note.content"] == "Ask Ann before you use it."


def test_end_time_does_not_move_when_a_run_is_finished_twice(tracker: MlflowTracker, run: TrackedRun) -> None:
    tracker.finish_run(run, "FINISHED")
    ended = client(tracker).get_run(run.run_id).info.end_time
    threading.Event().wait(0.002)  # the store keeps milliseconds
    tracker.finish_run(run, "FINISHED")
    assert client(tracker).get_run(run.run_id).info.end_time == ended


def test_parameters_may_be_repeated_but_not_changed(tracker: MlflowTracker, run: TrackedRun) -> None:
    params: dict[str, str | int | float] = {f"p{n}": n for n in range(150)}  # more than one request takes
    tracker.log_params(run, params)
    tracker.log_params(run, params)
    assert client(tracker).get_run(run.run_id).data.params == {key: str(value) for key, value in params.items()}
    with pytest.raises(TrackingError, match="p0"):
        tracker.log_params(run, {"p0": "other"})
    with pytest.raises(TrackingError, match="at most 6000"):
        tracker.log_params(run, {"long": "x" * 6001})


def test_repeated_metrics_are_not_written_twice_and_nan_is_kept(tracker: MlflowTracker, run: TrackedRun) -> None:
    for _ in range(2):
        tracker.log_metrics(run, {"accuracy": 0.5, "broken": math.nan, "endless": math.inf}, step=3)
        tracker.log_curve(run, [("loss", 1.0 / (step + 1), step) for step in range(4)])
    tracker.log_curve(run, [("loss", 0.9, 0), ("loss", 0.2, 4)])  # another value of a known step, and a new step
    history = {
        key: sorted((m.step, m.value) for m in client(tracker).get_metric_history(run.run_id, key))
        for key in ("accuracy", "broken", "endless", "loss")
    }
    assert history["accuracy"] == [(3, 0.5)]
    assert [math.isnan(value) for _, value in history["broken"]] == [True]
    assert len(history["endless"]) == 1
    assert history["loss"] == [(0, 0.9), (0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.25), (4, 0.2)]


def test_artifact_is_replaced(tracker: MlflowTracker, run: TrackedRun, tmp_path: Path) -> None:
    tracker.log_bytes(run, b"a longer first text", "report/report.html")
    tracker.log_bytes(run, b"second", "report/report.html")
    assert [entry.path for entry in client(tracker).list_artifacts(run.run_id, "report")] == ["report/report.html"]
    fetched = client(tracker).download_artifacts(run.run_id, "report/report.html", str(tmp_path))
    assert Path(fetched).read_bytes() == b"second"


@pytest.mark.parametrize("path", ["../other.txt", "/etc/passwd", ""])
def test_artifact_outside_the_run_is_refused(tracker: MlflowTracker, run: TrackedRun, path: str) -> None:
    with pytest.raises(TrackingError, match="inside the run"):
        tracker.log_bytes(run, b"", path)


def test_data_sets_keep_every_context_under_our_digest(tracker: MlflowTracker, run: TrackedRun) -> None:
    digest = "ab" * 32
    for _ in range(2):
        for context in ("train", "test"):
            tracker.log_dataset(run, "digits", digest, context, (8, 8, 1), {"0": 3, "1": 4}, "s3://bucket/digits")
    inputs = client(tracker).get_run(run.run_id).inputs.dataset_inputs
    assert {(i.dataset.name, i.dataset.digest) for i in inputs} == {
        ("digits.train", digest[:36]),
        ("digits.test", digest[:36]),
    }
    assert len(inputs) == 2
    tags = [{tag.key: tag.value for tag in i.tags} for i in inputs]
    assert {tag["mlflow.data.context"] for tag in tags} == {"train", "test"}
    assert {tag["augment_ops.digest"] for tag in tags} == {digest}


def test_registered_model_is_the_exported_program(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    import mlflow
    import torch

    path, logits = program
    uri = log_model(tracker, run, program)
    assert log_model(tracker, run, program) == uri
    version = register(tracker, dataset, run, uri)
    tracker.describe_version(dataset, version, "**PASS** and [where](http://127.0.0.1:5000/#/x)")
    assert register(tracker, dataset, run, uri) == version
    (entry,) = all_versions(tracker, f"{dataset}-classifier")
    assert entry.description.startswith("**PASS** and [where]")
    tracker.describe_version(dataset, version, "**FAIL**\n\n" + "x" * 5000)  # PostgreSQL takes no more than that
    (entry,) = all_versions(tracker, f"{dataset}-classifier")
    assert entry.description == "**FAIL**\n\n…"
    assert [o.model_id for o in client(tracker).get_run(run.run_id).outputs.model_outputs] == [uri.rpartition("/")[2]]

    assert tracker.download_model(dataset, version).content == path.read_bytes()
    with tracker.load_model(dataset, version) as model:
        np.testing.assert_allclose(model(IMAGES), logits, rtol=1e-5, atol=1e-5)  # of one thread

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(tracker.uri)
    try:
        served = mlflow.pyfunc.load_model(f"models:/{dataset}-classifier@challenger")
        native = mlflow.pytorch.load_model(uri)
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
    np.testing.assert_array_equal(served.predict(IMAGES), logits)
    np.testing.assert_array_equal(served.predict(IMAGES[:1]), logits[:1])  # any batch size, one included
    with torch.no_grad():
        np.testing.assert_array_equal(native(torch.from_numpy(IMAGES)).numpy(), logits)
    signature = served.metadata.signature.to_dict()
    assert '"dtype": "uint8", "shape": [-1, 6, 4, 2]' in signature["inputs"]
    assert '"dtype": "float32", "shape": [-1, 3]' in signature["outputs"]
    assert served.metadata.metadata["classes"] == list(CLASSES)
    assert served.input_example.shape == (2, 6, 4, 2)
    with pytest.raises(mlflow.exceptions.MlflowException, match="schema"):
        served.predict(IMAGES.astype(np.float64))


def test_trees_are_handed_out_by_their_format_and_by_no_loader_of_mlflow(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, tmp_path: Path
) -> None:
    import mlflow

    trained, example = trees(), rows(3)
    path = tmp_path / "trees.skops"
    path.write_bytes(trained.artifact)
    told = {"modality": "tabular", "format": trained.format}
    uri = tracker.log_model(run, path, trained.model_digest, example, trained.classes, **told)
    assert tracker.log_model(run, path, trained.model_digest, example, trained.classes, **told) == uri
    version = register(tracker, dataset, run, uri)
    entry = tracker.version(dataset, version)
    assert (entry.format, entry.artifact, entry.model_digest) == ("skops", trained.digest, trained.model_digest)
    assert "Tabular classifier" in client(tracker).get_registered_model(entry.model).description
    artifact = tracker.download_model(dataset, version)
    assert (artifact.content, artifact.format) == (trained.artifact, "skops")
    with tracker.load_model(dataset, version) as model:
        np.testing.assert_allclose(np.exp(model(example)).sum(axis=1), 1, rtol=1e-5)

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(tracker.uri)
    try:
        with pytest.raises(mlflow.exceptions.MlflowException):
            mlflow.pyfunc.load_model(uri)  # it would build what the file says, whatever that is
        told_there = mlflow.models.get_model_info(uri)
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
    assert list(told_there.flavors) == ["skops"]
    assert '"dtype": "float64", "shape": [-1, 4]' in told_there.signature.to_dict()["inputs"]

    tracker.set_version_tags(dataset, version, {"augment_ops.format": "onnx"})
    with pytest.raises(StoreError, match="format of an artifact: found 'onnx'"):
        tracker.download_model(dataset, version)
    tracker.set_version_tags(dataset, version, {"augment_ops.format": "pt2"})
    with pytest.raises((StoreError, TrackingError), match=r"found no file|No such artifact"):
        tracker.load_model(dataset, version)


def test_pickles_are_refused_when_logged_and_when_loaded(
    tracker: MlflowTracker, run: TrackedRun, program: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    import pickle
    import zipfile

    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    plain = tmp_path / "model.pt2"
    plain.write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(TrackingError, match=r"no \.pt2 archive"):
        log_model(tracker, run, (plain, program[1]))
    infected = tmp_path / "infected.pt2"
    with zipfile.ZipFile(program[0]) as source, zipfile.ZipFile(infected, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr(f"{source.namelist()[0].split('/')[0]}/data/constants/extra", pickle.dumps(os.getpid))
    with pytest.raises(StoreError, match="a member 'archive/data/constants/extra'"):
        load(read_artifact(infected, file_sha256(infected)))
    with load(read_artifact(program[0], file_sha256(program[0]))) as model:
        np.testing.assert_allclose(model(IMAGES), program[1], rtol=1e-5, atol=1e-5)


def test_altered_artifact_is_never_handed_out(
    tracker: MlflowTracker,
    dataset: str,
    run: TrackedRun,
    program: tuple[Path, np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    uri = log_model(tracker, run, program)
    version = register(tracker, dataset, run, uri)
    assert tracker.download_model(dataset, version).content == program[0].read_bytes()
    files = tmp_path_factory.getbasetemp().rglob("model.pt2")
    (path,) = (path for path in files if uri.rpartition("/")[2] in path.parts)  # where MLflow keeps it
    with path.open("r+b") as handle:
        handle.seek(100)
        handle.write(b"\x01\x02")
    with pytest.raises(StoreError, match="other content"):
        tracker.download_model(dataset, version)


def test_fetching_leaves_no_copy(
    tracker: MlflowTracker,
    dataset: str,
    run: TrackedRun,
    program: tuple[Path, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = register(tracker, dataset, run, log_model(tracker, run, program))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert tracker.download_model(dataset, version).content == program[0].read_bytes()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_policy_version_is_registered_once_for_ever(tracker: MlflowTracker, dataset: str, run: TrackedRun) -> None:
    name = f"robust-{dataset}"
    assert tracker.register_policy(name, "1.0.0", "a" * 64, b"name: robust", run) == "1"
    assert tracker.register_policy(name, "1.0.0", "a" * 64, b"name: robust", run) == "1"
    assert tracker.register_policy(name, "1.1.0", "b" * 64, b"name: robust # 2", run) == "2"
    with pytest.raises(PolicyError, match="a published version never changes"):
        tracker.register_policy(name, "1.0.0", "c" * 64, b"name: other", run)
    versions = all_versions(tracker, f"policy.{name}")
    assert {entry.tags["augment_ops.policy_version"] for entry in versions} == {"1.0.0", "1.1.0"}
    location = client(tracker).get_model_version_download_uri(f"policy.{name}", "1")
    assert location.endswith("/policy")
    other = tracker.open_run(dataset, "run-2")
    assert tracker.register_policy(name, "1.0.0", "a" * 64, b"name: robust", other) == "1"
    for each in (run, other):  # every run shows the policy that it used, not the first one alone
        assert f"policy/{name}-1.0.0.yaml" in {e.path for e in client(tracker).list_artifacts(each.run_id, "policy")}


def test_challenger_is_registered_once_with_tags_and_lineage(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray]
) -> None:
    uri = log_model(tracker, run, program)
    assert register(tracker, dataset, run, uri) == register(tracker, dataset, run, uri) == "1"
    (entry,) = all_versions(tracker, f"{dataset}-classifier")
    assert entry.run_id == run.run_id
    assert entry.tags["augment_ops.verdict"] == "PASS"
    found = tracker.version(dataset, "1")
    assert (found.model_digest, found.run_id, found.tags["augment_ops.pipeline_run"]) == ("d" * 64, run.run_id, "run-1")
    tracker.set_version_tags(dataset, "1", {"augment_ops.verdict": "FAIL"})
    assert tracker.version(dataset, "1").tags["augment_ops.verdict"] == "FAIL"
    logged = client(tracker).get_logged_model(uri.rpartition("/")[2])
    assert logged.tags["mlflow.modelVersions"].count(f"{dataset}-classifier") == 1
    assert str(logged.status) == "READY"


def test_other_model_under_the_same_pipeline_run_is_refused(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    register(tracker, dataset, run, log_model(tracker, run, program))
    other = tmp_path / "other.pt2"
    other.write_bytes(program[0].read_bytes() + b"\0")
    uri = log_model(tracker, run, (other, program[1]), "e" * 64)
    with pytest.raises(TrackingError, match="start a new pipeline run"):
        register(tracker, dataset, run, uri)
    assert len(all_versions(tracker, f"{dataset}-classifier")) == 1


def test_retry_of_an_older_run_does_not_unseat_a_newer_challenger(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray]
) -> None:
    uri = log_model(tracker, run, program)
    newer = tracker.open_run(dataset, "run-2", "candidate")
    register(tracker, dataset, run, uri)
    register(tracker, dataset, newer, log_model(tracker, newer, program), "run-2")
    assert register(tracker, dataset, run, uri) == "1"
    assert aliases(tracker, dataset) == {"challenger": "2"}


def test_champion_moves_only_from_where_the_decision_saw_it(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray]
) -> None:
    assert tracker.champion(dataset) is None
    register(tracker, dataset, run, log_model(tracker, run, program))
    assert tracker.champion(dataset) is None
    newer = tracker.open_run(dataset, "run-2", "candidate")
    register(tracker, dataset, newer, log_model(tracker, newer, program), "run-2")
    with pytest.raises(GovernanceError, match="no champion"):
        tracker.promote(dataset, "2", expected_champion="1")
    for _ in range(2):
        tracker.promote(dataset, "1", expected_champion=None)
    with pytest.raises(GovernanceError, match="found version 1"):
        tracker.promote(dataset, "2", expected_champion=None)
    for _ in range(2):
        tracker.promote(dataset, "2", expected_champion="1")
    champion = tracker.champion(dataset)
    assert champion is not None
    assert (champion.version, champion.tags["augment_ops.previous_champion"]) == ("2", "1")
    tracker.promote(dataset, "1", expected_champion="2")  # rollback is a promotion of the one before
    champion = tracker.champion(dataset)
    assert champion is not None and (champion.version, champion.model_digest) == ("1", "d" * 64)


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """A client that dies after its n-th call: what was sent is stored, the answer is never seen."""

    def __init__(self, inner: Any, calls: int) -> None:
        self.inner, self.left = inner, calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = getattr(self.inner, name)(*args, **kwargs)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return result

        return call


def die_everywhere(tracker: MlflowTracker, step: Callable[[MlflowTracker], Any]) -> int:
    """Repeat `step`, killed after its first, second, … call, until it comes through; returns the number of kills."""
    for calls in itertools.count(1):
        dying = MlflowTracker(replace(tracker._connection, client=Dying(client(tracker), calls)))  # type: ignore[arg-type]
        try:
            step(dying)
        except Killed:
            continue
        return calls - 1
    raise AssertionError


def test_dying_after_any_call_and_retrying_leaves_one_of_everything(
    tracker: MlflowTracker, dataset: str, program: tuple[Path, np.ndarray]
) -> None:
    kills = die_everywhere(tracker, lambda t: t.open_run(dataset, "run-1", "candidate"))
    run, parent = tracker.open_run(dataset, "run-1", "candidate"), tracker.open_run(dataset, "run-1")
    kills += die_everywhere(tracker, lambda t: t.log_metrics(run, {"accuracy": 0.5}))
    kills += die_everywhere(tracker, lambda t: t.log_bytes(run, b"text", "report/report.html"))
    kills += die_everywhere(tracker, lambda t: t.register_policy(dataset, "1.0.0", "a" * 64, b"text", parent))
    kills += die_everywhere(tracker, lambda t: log_model(t, run, program))
    uri = log_model(tracker, run, program)
    kills += die_everywhere(tracker, lambda t: register(t, dataset, run, uri))
    kills += die_everywhere(tracker, lambda t: t.promote(dataset, "1", None))
    assert kills >= 15

    assert len(all_runs(tracker, run)) == 2
    assert len(client(tracker).get_metric_history(run.run_id, "accuracy")) == 1
    assert len(all_versions(tracker, f"policy.{dataset}")) == len(all_versions(tracker, f"{dataset}-classifier")) == 1
    assert len(client(tracker).search_logged_models([run.experiment_id])) == 1
    assert len(client(tracker).get_run(run.run_id).outputs.model_outputs) == 1
    assert aliases(tracker, dataset) == {"challenger": "1", "champion": "1"}
    with tracker.load_model(dataset, "1") as model:
        np.testing.assert_allclose(model(IMAGES), program[1], rtol=1e-5, atol=1e-5)


class Repeating:
    """A client whose creating requests arrive twice, as when a server dies after storing the first one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in ("create_run", "create_logged_model", "create_model_version"):
            return method

        def twice(*args: Any, **kwargs: Any) -> Any:
            method(*args, **kwargs)
            return method(*args, **kwargs)

        return twice


def test_request_that_arrives_twice_leaves_one_of_everything(
    tracker: MlflowTracker, dataset: str, program: tuple[Path, np.ndarray]
) -> None:
    doubling = MlflowTracker(replace(tracker._connection, client=Repeating(client(tracker))))  # type: ignore[arg-type]
    run = doubling.open_run(dataset, "run-1", "candidate")
    version = register(doubling, dataset, run, log_model(doubling, run, program))
    assert tracker.open_run(dataset, "run-1", "candidate") == run
    assert len(all_runs(tracker, run)) == 2
    assert len(client(tracker).search_logged_models([run.experiment_id])) == 1
    assert [str(entry.version) for entry in all_versions(tracker, f"{dataset}-classifier")] == [version]


def test_threads_that_open_and_register_the_same_thing_make_one(
    tracker: MlflowTracker, dataset: str, run: TrackedRun, program: tuple[Path, np.ndarray]
) -> None:
    uri, results, start = log_model(tracker, run, program), [], threading.Barrier(3)

    def work() -> None:
        start.wait()
        control = tracker.open_run(dataset, "run-1", "control")
        results.append((control.run_id, register(tracker, dataset, run, uri)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and len(set(results)) == 1
    assert len(all_runs(tracker, run)) == 3


def test_root_documents_are_noted_once_and_the_newest_counts(tracker: MlflowTracker) -> None:
    one, other = "1" * 32, "2" * 32
    assert tracker.noted_roots() == {}
    for digest, number, installation in (
        ("a" * 64, 1, one),
        ("c" * 64, 10, one),
        ("b" * 64, 9, one),
        ("d" * 64, 1, other),
    ):
        for _ in range(2):
            tracker.note_root(digest, number, installation)
    assert tracker.noted_roots() == {one: (10, "c" * 64), other: (1, "d" * 64)}
