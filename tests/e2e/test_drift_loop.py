"""The whole loop on the real scheduler: quiet traffic, then darkened and turned pictures, one alert, one training."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import begin
from augment_ops.production.traffic import Traffic, replay
from augment_ops.services import processes, stack
from augment_ops.services.airflow_api import FINISHED
from augment_ops.services.components import SCHEDULER
from augment_ops.services.demo import DAG_ID, wait_for_dag
from augment_ops.services.layout import layout_of
from augment_ops.workspace import open_store
from support.champions import crown_linear

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

_DATA = Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or Path(__file__).parents[3] / "shared" / "datasets")
_ARCHIVE = _DATA / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"
MONITOR, DATASET = "drift_monitor", "fashion-loop"
WINDOWS, PER_WINDOW, DAY = 30, 250, timedelta(days=1)
# In the past, because nothing is judged of the future; by rules that are named. The monitor's own hourly runs take
# those of the data set (`_policies` in conftest), by which nothing is due, whenever they come by.
QUIET_UNTIL = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 5 * DAY
RULES = "default"
RUN_S = 900.0
_SHARPNESS = 6.0  # makes probabilities of what least squares gives, between 0 and 1


def fashion(folder: Path) -> tuple[Path, Path]:
    """Two .npz files of Fashion-MNIST's test part: 3,000 pictures to learn from, the rest for traffic."""
    images, labels = [], []
    with tarfile.open(_ARCHIVE) as archive:
        for member in archive:
            if member.isfile() and "/test/" in member.name and member.name.endswith(".png"):
                file = archive.extractfile(member)
                assert file is not None
                images.append(np.asarray(Image.open(io.BytesIO(file.read()))))
                labels.append(int(Path(member.name).parent.name))
    order = np.random.default_rng(0).permutation(len(images))
    paths = folder / "learn.npz", folder / "traffic.npz"
    for path, rows in zip(paths, (order[:3000], order[3000:]), strict=True):
        np.savez(path, images=np.stack([images[i] for i in rows]), labels=np.array([labels[i] for i in rows]))
    return paths


@pytest.fixture(scope="module")
def traffic(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A champion, a linear model of 3,000 pictures; and the pictures that it has not seen."""
    if not _ARCHIVE.is_file():
        pytest.skip(f"no {_ARCHIVE}: set AUGMENT_OPS_TEST_DATA")
    learn, rest = fashion(tmp_path_factory.mktemp("fashion"))
    settings, store, run_id = running.settings, open_store(running.settings), "cli-first"
    params = RunParams(dataset=str(learn), dataset_name=DATASET, policy="fashion-robust", epochs=1)
    begin(store, run_id, params, "tester")
    snapshot = Snapshot.open(store, ingest(str(learn), store, name=DATASET).digest)
    train = snapshot.split("train")
    # Least squares on one-hot labels: solved at once, and right for four pictures out of five.
    pixels = np.c_[train.take(range(len(train))).reshape(len(train), -1) / 255, np.ones(len(train.labels))]
    wanted = np.eye(10)[train.labels]
    solved = np.linalg.solve(pixels.T @ pixels + 30 * np.eye(pixels.shape[1]), pixels.T @ wanted) * _SHARPNESS
    served = replace(settings, mlflow_uri=running.mlflow)
    crown_linear(served, snapshot, run_id=run_id, policy="fashion-robust", weight=solved[:-1].T, bias=solved[-1])
    wait_for_dag(running.admin, MONITOR)
    return rest


def send(running: Any, source: Path, windows: int, until: datetime, shifts: tuple = (), seed: int = 0) -> None:
    from dataclasses import replace

    settings = replace(running.settings, mlflow_uri=running.mlflow)
    replay(
        settings,
        DATASET,
        Traffic(
            source=str(source),
            windows=windows,
            per_window=PER_WINDOW,
            window_h=24.0,
            end=until,
            shifts=shifts,
            seed=seed,
        ),
        lambda _: None,
    )


def watch(running: Any, until: datetime) -> str:
    """A run of the monitor, to its end."""
    conf = {"dataset": DATASET, "rules": RULES, "until": (until + timedelta(hours=2)).isoformat()}
    run = running.admin.trigger(MONITOR, conf).run_id
    running.eventually(lambda: running.admin.dag_run(MONITOR, run).state in FINISHED, f"the end of {run}", RUN_S)
    tasks = {task.task_id: task for task in running.admin.task_instances(MONITOR, run)}
    assert running.admin.dag_run(MONITOR, run).state == "success", running.admin.errors(
        MONITOR, run, "watch", tasks["watch"].tries
    )
    return run


def alerts(running: Any) -> Counter:
    found = Ledger(running.settings.ledger).read()
    return Counter(e.subjects["kind"] for e in found if e.act == "alert" and e.subjects["dataset"] == DATASET)


def trainings(running: Any) -> list[str]:
    return [r.run_id for r in running.admin.dag_runs(DAG_ID, 100) if r.run_id.startswith(f"retrain__{DATASET}")]


def test_the_loop(running: Any, traffic: Path) -> None:
    send(running, traffic, WINDOWS, QUIET_UNTIL)
    first = watch(running, QUIET_UNTIL)
    assert alerts(running) == {}
    assert trainings(running) == []
    judged = open_store(running.settings).documents(f"drift/{DATASET}/windows/")
    assert len(judged) == WINDOWS
    assert running.admin.xcom(MONITOR, first, "watch") == []

    # The pipeline is busy with somebody else's run while the alert is raised, and the scheduler is restarted.
    busy = running.trigger(dataset="digits", dataset_name="busy", epochs=1)
    send(running, traffic, 2, QUIET_UNTIL + 2 * DAY, (("brightness_down", 5), ("rotation", 5)), seed=1)
    found = watch(running, QUIET_UNTIL + DAY)
    assert alerts(running) == {"drift": 1}  # in the first drifted window
    (training,) = trainings(running)
    processes.end(layout_of(running.settings), [SCHEDULER])
    assert stack.up(running.settings, dags=running.dags) == [SCHEDULER]
    stack.wait_until_healthy(running.settings)
    for until in (QUIET_UNTIL + DAY, QUIET_UNTIL + 2 * DAY):  # told again, then a second drifted window
        watch(running, until)
    assert alerts(running) == {"drift": 2}
    assert trainings(running) == [training]
    assert running.wait_for_end(busy, RUN_S) == "success", running.complaints(busy)
    assert running.wait_for_end(training, RUN_S) == "success", running.complaints(training)
    check_training(running, training)
    links = running.of(MONITOR).links(found, "watch")
    assert "/drift.html" in links["Drift report"]
    assert links["MLflow run"].startswith(running.mlflow)
    assert trainings(running) == [training]


def check_training(running: Any, training: str) -> None:
    """Its data, policy and gate evidence are in MLflow; refused, it left the champion alone and said so."""
    client = running.client()
    experiment = client.get_experiment_by_name(f"augment-ops/{DATASET}")
    runs = client.search_runs([experiment.experiment_id], f"tags.`augment_ops.pipeline_run` = '{training}'")
    roles = {run.data.tags["augment_ops.role"]: run for run in runs}
    assert set(roles) == {"pipeline", "candidate", "control"}
    parent = roles["pipeline"]
    assert parent.data.params["dataset"].startswith("snapshot:")
    assert parent.data.params["policy"] == "fashion-robust"
    paths = {entry.path for entry in client.list_artifacts(parent.info.run_id, "gate")}
    assert paths >= {"gate/evidence.json", "gate/decision.json"}
    verdict = parent.data.tags["augment_ops.verdict"]
    decisions = [e for e in Ledger(running.settings.ledger).read() if e.key.startswith(f"{training}:decide")]
    assert len(decisions) == 1
    report = json.loads((running.settings.home / "reports" / training / "report.json").read_text())
    outcome = report["run"]["outcome"]
    if verdict == "PASS":
        assert running.champion(DATASET) == "2"
    else:
        assert running.champion(DATASET) == "1"
        assert f"not promoted: the gate said {verdict}" in outcome
