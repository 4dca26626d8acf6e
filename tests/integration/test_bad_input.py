"""Every kind of bad input: one clear error, the right exit code, and nothing promoted or half-written."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.governance.ledger import Ledger
from augment_ops.tracking import connect
from support.command_line import caller

ROOT = Path(__file__).parents[2]

NAN_NET = """
import torch

class Nan(torch.nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.layer = torch.nn.Linear(shape[0] * shape[1] * shape[2], classes)

    def forward(self, x):
        return torch.log(-self.layer(x.flatten(1)).abs() - 1.0)

def factory(input_shape, classes):
    return Nan(input_shape, classes)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(ROOT / "policies"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


@pytest.fixture
def run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Call the command line; exit code and stderr."""

    called = caller(monkeypatch, capsys)

    def call(*arguments: str) -> tuple[int, str]:
        code, _, error = called(*arguments)
        return code, error

    return call


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of twelve images a split, each image unlike the others."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("left", "right"):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for i in range(12):
                Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "images"


def untouched(home: Path) -> bool:
    """Neither a run nor a model: at most an empty store."""
    return not list(home.glob("store/documents/runs/*")) and not (home / "ledger.db").exists()


def in_mlflow(home: Path, run: str) -> tuple[str, str]:
    """Status and description of the parent run of a pipeline run."""
    from mlflow import MlflowClient

    tracker = connect(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}", home / "mlflow" / "artifacts")
    client = MlflowClient(tracker.uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    (found,) = client.search_runs(
        ids, f"tags.`augment_ops.pipeline_run` = '{run}' and tags.`augment_ops.role` = 'pipeline'"
    )
    return found.info.status, found.data.tags.get("mlflow.note.content", "")


def test_missing_data_set(run: Callable[..., tuple[int, str]], home: Path) -> None:
    code, error = run("run", "--dataset", "/no/such/folder")
    assert code == 2
    assert "/no/such/folder" in error
    assert "Fix:" in error


def test_empty_data_set(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, error = run("run", "--dataset", str(tmp_path / "empty"))
    assert code == 2
    assert "empty" in error


def test_a_folder_with_one_class(run: Callable[..., tuple[int, str]], images: Path) -> None:
    for split in ("train", "test"):
        for file in (images / split / "right").iterdir():
            file.unlink()
        (images / split / "right").rmdir()
    code, error = run("run", "--dataset", str(images))
    assert code == 2
    assert "one class" in error or "left" in error


def test_a_corrupt_image_stops_the_run_with_its_report(
    run: Callable[..., tuple[int, str]], images: Path, home: Path
) -> None:
    damaged = images / "train" / "left" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    code, error = run("run", "--dataset", str(images), "--run-id", "corrupt")
    assert code == 1
    assert "train/left/3.png" in error
    records = {path.stem for path in (home / "store" / "documents" / "runs" / "corrupt").iterdir()}
    assert records == {"run", "ingest", "check_data"}  # the report is kept, and nothing later ran
    reports = list(home.glob("mlflow/artifacts/**/quality/check_data.json"))
    assert len(reports) == 1
    assert any(check["status"] == "fail" for check in json.loads(reports[0].read_text())["checks"])
    status, note = in_mlflow(home, "corrupt")
    assert status == "FAILED"  # and not running for ever
    assert "check_data failed" in note
    assert "train/left/3.png" in note


def test_labels_that_are_not_integers(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.linspace(0, 1, 20))
    code, error = run("run", "--dataset", str(tmp_path / "data.npz"))
    assert code == 2
    assert "labels" in error
    assert "integer" in error


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("- GausNoise: {p: 0.5}", "Did you mean GaussNoise?"),
        ("- GaussNoise: {std: [0.1, 0.2]}", "Did you mean std_range?"),
    ],
)
def test_a_policy_that_cannot_be_read(
    run: Callable[..., tuple[int, str]], tmp_path: Path, home: Path, written: str, says: str
) -> None:
    _refused(run, tmp_path, written, says)
    assert untouched(home)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("- Affine: {rotate: [-80, 80]}", "max_rotation_deg"),
        ("- Normalize: {}", "the model's own program scales its input"),
    ],
)
def test_a_policy_that_may_not_be_used(
    run: Callable[..., tuple[int, str]], tmp_path: Path, home: Path, written: str, says: str
) -> None:
    _refused(run, tmp_path, written, says)
    assert not list(home.glob("store/documents/runs/*"))
    (entry,) = Ledger(f"sqlite:///{home}/ledger.db").entries()  # nothing ran, and that it was tried is on record
    assert (entry.act, entry.subjects["policy_version"]) == ("refuse", "bad/1.0.0")


def _refused(run: Callable[..., tuple[int, str]], tmp_path: Path, written: str, says: str) -> None:
    text = (ROOT / "policies" / "augment" / "digits-none.yaml").read_text()
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace("digits-none", "bad").replace("transforms: []", f"transforms:\n  {written}"))
    code, error = run("run", "--policy", str(path))
    assert code == 2
    assert says in error
    assert "bad.yaml" in error


def test_everything_that_a_run_names_is_looked_at_before_it_begins(
    run: Callable[..., tuple[int, str]], home: Path
) -> None:
    code, error = run("run", "--policy", "digits-robst", "--gate", "strict", "--model", "no.such:net")
    assert code == 2
    assert "Did you mean digits-robust?" in error
    assert "strict.yaml" in error
    assert "no.such:net" in error
    assert untouched(home)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--device", "cuda:77"), "--device: found cuda:77; expected a device of this machine"),
        (("--device", "gpu"), "device: found 'gpu'"),
        (("--trainer", "sklearn", "--device", "cuda"), "the trainer sklearn computes on the processor"),
        (("--trainer", "sklearn", "--model", "a.b:c"), "the trainer sklearn has a model of its own"),
    ],
)
def test_a_trainer_that_cannot_be_asked_this_is_known_before_the_run_begins(
    asked: tuple[str, ...], said: str, run: Callable[..., tuple[int, str]], home: Path
) -> None:
    code, error = run("run", *asked)
    assert (code, said in " ".join(error.split())) == (2, True), error
    assert untouched(home)


def test_a_trainer_that_does_not_take_the_samples_leaves_no_model(
    run: Callable[..., tuple[int, str]], home: Path
) -> None:
    code, error = run("run", "--trainer", "sklearn", "--run-id", "trees", "--epochs", "1")
    assert code == 2
    assert "samples of uint8 (8, 8, 1); expected rows of numbers" in error
    assert not list((home / "store" / "documents" / "runs" / "trees").glob("train_*.json"))


def test_production_demands_a_person(run: Callable[..., tuple[int, str]], home: Path) -> None:
    code, error = run("run", "--environment", "production")
    assert code == 1
    assert "ml-lead" in error
    assert not list(home.glob("store/documents/runs/*"))
    (entry,) = Ledger(f"sqlite:///{home}/ledger.db").entries()
    assert (entry.act, entry.subjects["policy_version"]) == ("refuse", "digits-robust/1.0.0")
    assert "auto" in entry.reason


def test_a_person_cannot_be_asked_on_the_command_line(run: Callable[..., tuple[int, str]], home: Path) -> None:
    code, error = run("run", "--approval", "ml-lead")
    assert code == 2
    assert "Airflow" in error
    assert untouched(home)


def test_a_loss_that_is_not_a_number(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (tmp_path / "nan_net.py").write_text(NAN_NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("augment_ops.pipeline.at_once.have_room", lambda *of_it: True)  # whatever this machine has
    code, error = run("run", "--model", "nan_net:factory", "--run-id", "nan", "--epochs", "1")
    assert code == 3
    assert "loss of nan" in error
    assert "epoch 0, batch 0" in error
    assert "augment-ops run --run-id nan" in error  # said before it failed, so that one can go on
    assert not (home / "store" / "documents" / "runs" / "nan" / "train_candidate.json").exists()
    assert in_mlflow(home, "nan")[0] == "FAILED"
    # It goes on with the network that the run was started with.
    again, error = run("run", "--run-id", "nan", "--one-by-one")
    assert (again, "loss of nan" in error) == (3, True)
    other, error = run("run", "--run-id", "nan", "--epochs", "2")
    assert (other, "other parameters than it was started with (epochs)" in error) == (2, True)


def test_mlflow_down(run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound and not listening: refused at once
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        code, error = run("run", "--run-id", "down")
    assert code == 3
    assert address in error
    assert not (home / "store" / "documents" / "runs" / "down" / "ingest.json").exists()


def test_a_full_disk(
    run: Callable[..., tuple[int, str]], home: Path, files_up_to: Callable[[int], AbstractContextManager[None]]
) -> None:
    with files_up_to(20_000):
        code, error = run("run", "--run-id", "full")
    assert code == 3
    assert "expected" in error
    assert {path.name for path in (home / "store").rglob("*") if path.is_file()} == {"run.json"}
    assert not (home / "store" / "documents" / "runs" / "full" / "ingest.json").exists()


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        (("--delivery", "nearby"), "delivery"),
        (("--batch-size", "1"), "batch_size"),
        (("--image-size", "64"), "image_size"),
        (("--dataset-name", "My Data"), "dataset_name"),
    ],
)
def test_parameters_out_of_range(
    run: Callable[..., tuple[int, str]], home: Path, argument: tuple[str, str], says: str
) -> None:
    code, error = run("run", *argument)
    assert code == 2
    assert says in error
    assert untouched(home)


def test_a_fault_of_the_program_is_not_taken_for_a_check_that_said_no(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augment_ops.cli.runs.written", lambda context: 1 / 0)
    code, error = run("run")
    assert code == 3
    assert "ZeroDivisionError" in error


def test_errors_as_json(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = caller(monkeypatch, capsys)("run", "--batch-size", "1", "--json")
    answer = json.loads(out)
    assert answer["error"] == "InputError"
    assert answer["faults"][0]["where"] == "batch_size"


def test_a_gate_for_another_suite_is_known_before_anything_runs(
    run: Callable[..., tuple[int, str]], home: Path
) -> None:
    code, error = run("run", "--suite", "general")
    assert code == 2
    assert "whose limits are for the suite invariances" in error
    assert untouched(home)
