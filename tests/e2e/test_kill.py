"""kill -9 in the middle of a run, with real processes: the run ends, and what it leaves is there once and whole.

Each kill lands in the training of the candidate, which is held there: it is stopped as soon as its log has the second
epoch, and the last epoch is seen to be ahead of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.graph import STAGES
from augment_ops.services import processes, stack
from augment_ops.services.airflow_api import FINISHED
from augment_ops.services.components import MLFLOW, SCHEDULER
from augment_ops.services.demo import DAG_ID
from augment_ops.services.layout import STACK_MARK, layout_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRAINING = "train_candidate"
EPOCHS = 40  # a second and more between the second and the last, against a look every 20 ms
LOOK_S = 0.02
CONF = {"seed": 8, "epochs": EPOCHS}
RUN_S = 900.0  # a lost task is noticed after a minute and tried again after 10 s; the rest is a run on a busy machine
UNFINISHED = re.compile(r"\.part$|^\.partial-|\.tmp$|^tmp|^export-|^augment-ops-")


def start(running: Any, dataset: str) -> tuple[str, psutil.Process]:
    """A run under a name of its own, and the process that trains its candidate, stopped in mid-training."""
    run = running.trigger(dataset_name=dataset, **CONF)
    running.wait_for_task(run, TRAINING, {"running"}, RUN_S)
    training = trainer(running, run)
    running.eventually(lambda: epochs(running, run) >= 2, "the second epoch", RUN_S, LOOK_S)
    training.suspend()
    running.eventually(lambda: training.status() == psutil.STATUS_STOPPED, "a stopped process", 60, LOOK_S)
    check_in_training(running, run)
    return run, training


def epochs(running: Any, run: str) -> int:
    """How many epochs of the candidate are done by the log of the first try, where Airflow writes it."""
    logs = layout_of(running.settings).airflow / "logs"
    log = logs / f"dag_id={DAG_ID}" / f"run_id={run}" / f"task_id={TRAINING}" / "attempt=1.log"
    said = re.findall(rf"candidate epoch (\d+)/{EPOCHS}", log.read_text()) if log.exists() else []
    return max(map(int, said), default=0)


def check_in_training(running: Any, run: str) -> None:
    """The first try has not come to its last epoch, nor to any of what is told of a training."""
    assert 2 <= epochs(running, run) < EPOCHS
    entries = [entry for entry in Ledger(running.settings.ledger).entries() if entry.key.startswith(run)]
    assert [entry for entry in entries if TRAINING in entry.key or "candidate" in entry.key] == []


def trainer(running: Any, run: str) -> psutil.Process:
    """The process that trains: Airflow knows its number; the stack's mark and its ancestors say that it is ours."""
    process = psutil.Process(running.task_pid(run, TRAINING))
    scheduler = processes.records(layout_of(running.settings))[SCHEDULER].pid
    assert process.environ()[STACK_MARK] == layout_of(running.settings).stack_id
    assert scheduler in {parent.pid for parent in process.parents()}
    return process


def kill(process: psutil.Process) -> list[psutil.Process]:
    """SIGKILL, and nothing else; what it had started."""
    children = process.children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    return children


def leader(running: Any, component: str) -> psutil.Process:
    layout = layout_of(running.settings)
    process = processes.leader(layout, processes.records(layout)[component])
    assert process is not None
    return process


def mend(running: Any, component: str) -> None:
    """What a person does: `augment-ops up`."""
    assert stack.up(running.settings, dags=running.dags) == [component]
    stack.wait_until_healthy(running.settings)


def end(running: Any, run: str) -> None:
    """To the end of the run; where Airflow gave a task up, it is cleared once, as its message says."""
    if running.wait_for_end(run, RUN_S) == "failed":
        assert running.admin.clear(DAG_ID, run)
        running.eventually(
            lambda: running.admin.dag_run(DAG_ID, run).state not in FINISHED, "the cleared run to go on", 60
        )
        assert running.wait_for_end(run, RUN_S) == "success", running.complaints(run)


def check_once_and_whole(running: Any, run: str, dataset: str) -> None:
    """One of everything that the run was to make, and nothing half-made."""
    state = running.state(dataset)
    assert state["versions"] == [1]
    assert state["aliases"] == {"champion-dev": "1", "challenger": "1"}
    assert state["runs"] == [(run, "candidate"), (run, "control"), (run, "pipeline")]
    assert state["statuses"] == ["FINISHED"]
    assert state["models"] == 2  # of the candidate and of the control
    check_every_point_once(running, dataset)
    ledger = Ledger(running.settings.ledger)
    assert Counter(entry.act for entry in ledger.entries() if entry.key.startswith(run)) == {
        "begin": 1,
        "stage": len(STAGES),
        "train": 2,
        "decide": 1,
        "promote": 1,
    }
    assert ledger.verify() == []
    check_files(running.settings.home)
    check_processes(running)


def check_every_point_once(running: Any, dataset: str) -> None:
    client = running.client()
    experiment = client.get_experiment_by_name(f"augment-ops/{dataset}").experiment_id
    for run in client.search_runs([experiment]):
        for key in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, key)]
            assert len(steps) == len(set(steps)), f"{key} of {run.info.run_name}"


def check_files(home: Path) -> None:
    """Nothing unfinished is left, every object is what its name says, every document can be read."""
    found = [p for p in home.rglob("*") if UNFINISHED.search(p.name) and home / "airflow" not in p.parents]
    assert [p for p in found if p.name != "tmp" or any(p.iterdir())] == []  # stores write in such a folder
    objects = [path for path in (home / "store" / "objects").rglob("*") if path.is_file()]
    assert objects
    assert [p for p in objects if hashlib.sha256(p.read_bytes()).hexdigest() != p.name] == []
    for path in [*(home / "store" / "documents").rglob("*.json"), *(home / "mlflow" / "artifacts").rglob("*.json")]:
        json.loads(path.read_bytes())
    for page in (home / "mlflow" / "artifacts").rglob("*.html"):
        assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def check_processes(running: Any) -> None:
    """Whatever carries the stack's mark belongs to a component that runs."""
    layout = layout_of(running.settings)

    def only_families() -> bool:
        leaders = {record.pid for record in processes.records(layout).values()}
        return all(process.pid in leaders or leaders & _ancestors(process) for process in processes.members(layout))

    running.eventually(only_families, "the end of every process without a component", 60)


def _ancestors(process: psutil.Process) -> set[int]:
    """Ids of the processes above it. One that ends while it is looked at has none, and is looked for once more."""
    try:
        return {parent.pid for parent in process.parents()}
    except psutil.NoSuchProcess:
        return set()


@pytest.fixture(scope="module")
def missed(running: Any) -> str:
    """A run whose scheduler was killed and started again. Its tasks are missed after a minute: another run has time."""
    run, training = start(running, "kill-scheduler")
    workers = kill(leader(running, SCHEDULER))
    assert training in workers
    running.eventually(
        lambda: {s.name: s.status for s in stack.status(running.settings)}[SCHEDULER] == "died", "its death", 30
    )

    mend(running, SCHEDULER)

    assert not [worker for worker in workers if worker.is_running()]  # or two would train one model
    check_in_training(running, run)
    return run


def test_the_training_tasks_process(running: Any, missed: str) -> None:
    run, training = start(running, "kill-task")
    workers = kill(training)
    running.wait_for_task(run, TRAINING, {"up_for_retry", "failed"}, RUN_S)

    end(running, run)

    assert running.tasks(run)[TRAINING].tries == 2
    assert not [worker for worker in workers if worker.is_running()]
    end(running, missed)  # while a run goes on, there is something unfinished
    check_once_and_whole(running, run, "kill-task")


def test_the_scheduler(running: Any, missed: str) -> None:
    end(running, missed)

    assert running.tasks(missed)[TRAINING].tries >= 2
    check_once_and_whole(running, missed, "kill-scheduler")


def test_the_mlflow_server(running: Any) -> None:
    run, training = start(running, "kill-mlflow")
    for server in kill(leader(running, MLFLOW)):  # the command; what answers is its child
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
    training.resume()
    # It is started again when a task has felt that it is away.
    running.wait_for_task(run, TRAINING, {"up_for_retry", "failed"}, RUN_S)

    mend(running, MLFLOW)

    end(running, run)

    check_once_and_whole(running, run, "kill-mlflow")
