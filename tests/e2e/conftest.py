"""The real stack on free ports with the project's own DAGs and policies, and a real browser in front of it."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest

from augment_ops.governance.keys import ensure
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle.governing import initialise
from augment_ops.services import stack
from augment_ops.services.airflow_api import FINISHED, AirflowApi, TaskState
from augment_ops.services.components import SCHEDULER
from augment_ops.services.demo import DAG_ID, login, wait_for_dag
from augment_ops.services.layout import COMPONENT_MARK, layout_of
from augment_ops.services.people import ADMIN, read_passwords
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
from support.ports import free_ports

ROOT = Path(__file__).parents[2]
POLL_S = 0.5
ANSWERED_AFTER_S = 6  # longer than a round of the scheduler

# One sandbox fewer than Chromium wants (it cannot have its own as root in a container), and no calls home.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What tasks import only where they use it: a run of fourteen tasks would do so fourteen times. The executor forks them
# out of the scheduler, which imports this module of Airflow when it starts. That tasks need none of it is shown by the
# stacks of test_stack.py and of test_install.py's `make demo`, which are as a user has them.
WARM_UP = f"""\
import os

__all__ = []

if os.environ.get("{COMPONENT_MARK}") == "{SCHEDULER}":
    import albumentations
    import functorch.compile
    import matplotlib.figure
    import mlflow.pyfunc
    import sklearn.datasets
    import torch.export.pt2_archive

    import augment_ops.pipeline.execute
    import augment_ops.report.plots
"""

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, timeout_s: float, poll_s: float = POLL_S) -> T:
    """What `look` finds, as soon as it finds something; fails naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(poll_s)


@dataclass(frozen=True)
class Running:
    """The running stack, as its tests ask it."""

    settings: Settings
    dags: Path
    admin: AirflowApi
    dag: str = DAG_ID

    eventually = staticmethod(eventually)

    @property
    def airflow(self) -> str:
        return stack.addresses(self.settings)["airflow"]

    @property
    def mlflow(self) -> str:
        return stack.addresses(self.settings)["mlflow"]

    def password(self, user: str) -> str:
        return read_passwords(layout_of(self.settings).passwords)[user]

    def login(self, user: str = ADMIN) -> AirflowApi:
        return login(self.settings, user)

    def of(self, dag: str) -> Running:
        """The same stack, asked about another DAG."""
        return replace(self, dag=dag)

    def trigger(self, **conf: Any) -> str:
        return self.admin.trigger(self.dag, conf).run_id

    def tasks(self, run: str) -> dict[str, TaskState]:
        return {task.task_id: task for task in self.admin.task_instances(self.dag, run)}

    def wait_for_task(self, run: str, task: str, states: set[str], timeout_s: float) -> TaskState:
        """The task once it is in one of `states`; fails at once where the run ended without."""

        def look() -> TaskState | None:
            ended = self.admin.dag_run(self.dag, run).state in FINISHED  # asked first: its tasks are final then
            now = self.tasks(run)[task]
            if now.state not in states and ended:
                pytest.fail(f"{run} ended with {task} {now.state}: {self.complaints(run)}")
            return now if now.state in states else None

        return eventually(look, f"{task} of {run} in {sorted(states)}", timeout_s)

    def wait_for_question(self, run: str, task: str, timeout_s: float) -> None:
        """Wait until a person would see the question.

        An answer within the scheduler's next seconds races with its own end of the waiting task, and Airflow 3.3 then
        fails the task; no person is so fast.
        """
        self.wait_for_task(run, task, {"awaiting_input"}, timeout_s)
        asked = time.monotonic()
        eventually(lambda: time.monotonic() - asked > ANSWERED_AFTER_S or None, f"{task} is at rest", timeout_s)
        self.wait_for_task(run, task, {"awaiting_input"}, 1)

    def wait_for_end(self, run: str, timeout_s: float) -> str:
        """State of the run when it has ended."""

        def look() -> str | None:
            state = self.admin.dag_run(self.dag, run).state
            return state if state in FINISHED else None

        return eventually(look, f"the end of {run}", timeout_s)

    def complaints(self, run: str) -> dict[str, list[str]]:
        """Messages of failed tasks, by task."""
        return {
            name: self.admin.errors(self.dag, run, name, task.tries)
            for name, task in self.tasks(run).items()
            if task.state == "failed"
        }

    def log(self, run: str, task: str) -> str:
        """What the task's latest try has logged until now."""
        tries = max(self.tasks(run)[task].tries, 1)
        content = self._airflow(f"dagRuns/{run}/taskInstances/{task}/logs/{tries}?full_content=true")["content"]
        return "\n".join(str(line.get("event", "")) if isinstance(line, dict) else str(line) for line in content)

    def ask(self, user: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
        """What Airflow says to a request below /api/v2, as somebody: the status."""
        with self.login(user) as person:
            token = person.token()
        address, headers = f"{self.airflow}/api/v2/{path}", {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, address, json=body, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code < 500, answer.text
        return answer.status_code

    def make_up(self, run: str, task: str, chosen: str, by: str) -> None:
        """What an answer would have left behind: as the administrator, who may, an XCom and a task's state."""
        path = f"dags/{self.dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}"
        value = {
            "chosen_options": [chosen],
            "params_input": {"reason": "made up"},
            "responded_at": "2026-01-01T00:00:00Z",
            "responded_by_user": {"id": by, "name": by},
        }
        assert self.ask(ADMIN, "POST", f"{path}/xcomEntries", {"key": "return_value", "value": value}) == 201
        assert self.ask(ADMIN, "PATCH", path, {"new_state": "success"}) == 200

    def refusals(self, run: str) -> list[tuple[str, str]]:
        """Who was refused what of a run, as the ledger has it."""
        entries = Ledger(self.settings.ledger).entries()
        return [(e.actor, e.reason) for e in entries if e.act == "refuse" and e.subjects.get("run") == run]

    def task_pid(self, run: str, task: str) -> int:
        """Number of the process that runs the task."""
        return int(self._airflow(f"dagRuns/{run}/taskInstances/{task}")["pid"])

    def links(self, run: str, task: str) -> dict[str, str]:
        return self._airflow(f"dagRuns/{run}/taskInstances/{task}/links")["extra_links"]

    def clear(self, run: str, tasks: list[str]) -> None:
        """Let exactly these tasks run again."""
        body = {"dry_run": False, "dag_run_id": run, "only_failed": False, "task_ids": tasks}
        self._airflow("clearTaskInstances", body)

    def _airflow(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = httpx.request(
            "GET" if body is None else "POST",
            f"{self.airflow}/api/v2/dags/{self.dag}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.admin.token()}"},
            timeout=30,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def client(self) -> Any:
        from mlflow import MlflowClient

        from augment_ops.tracking import connect

        return MlflowClient(connect(self.mlflow, self.settings.home / "mlflow" / "artifacts").uri)  # with the login

    def champion(self, dataset: str, environment: str = "dev") -> str | None:
        """Version behind the alias of an environment below production."""
        return self.state(dataset)["aliases"].get(f"champion-{environment}")

    def state(self, dataset: str) -> dict[str, Any]:
        """Everything of a data set that a second execution could have doubled."""
        client = self.client()
        experiment = client.get_experiment_by_name(f"augment-ops/{dataset}")
        runs = client.search_runs([experiment.experiment_id]) if experiment else []
        versions = client.search_model_versions(f"name = '{dataset}-classifier'")
        return {
            "runs": sorted(
                (run.data.tags["augment_ops.pipeline_run"], run.data.tags["augment_ops.role"]) for run in runs
            ),
            "statuses": sorted({run.info.status for run in runs}),
            "metrics": {run.info.run_id: run.data.metrics for run in runs},
            "points": {
                run.info.run_id: sum(len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics)
                for run in runs
            },
            "artifacts": {run.info.run_id: _artifacts(client, run.info.run_id) for run in runs},
            "models": len(client.search_logged_models([experiment.experiment_id])) if experiment else 0,
            "versions": sorted(int(version.version) for version in versions),
            "aliases": client.get_registered_model(f"{dataset}-classifier").aliases if versions else {},
            "ledger": [entry.hash for entry in Ledger(self.settings.ledger).entries()],
        }


def _artifacts(client: Any, run: str, folder: str | None = None) -> list[str]:
    found: list[str] = []
    for entry in client.list_artifacts(run, folder):
        found += _artifacts(client, run, entry.path) if entry.is_dir else [f"{entry.path} {entry.file_size}"]
    return sorted(found)


def _policies(folder: Path) -> Path:
    """The project's policies, with somebody who is no lead, and a gate.

    The gate lets a candidate lose ten points to the champion and to the control; the shipped one lets it lose two and
    three, and a short training of another seed loses up to 1.8 or 2.2, as the processor rounds.

    By the drift rules of `fashion-loop` nothing is due before the year 2100: the monitor's hourly runs leave it alone.
    """
    shutil.copytree(ROOT / "policies", folder)
    path = folder / "approvers.yaml"
    path.write_text(path.read_text().replace("roles:", "roles:\n  reviewer:\n    - {id: rita, name: Rita}", 1))
    gate = (folder / "gates" / "default.yaml").read_text().replace("name: default", "name: patient")
    wide = re.sub(r"^  (clean_margin|stressed_margin): 0\.0[23]", r"  \1: 0.10", gate, flags=re.MULTILINE)
    wide = wide.replace("class_margin: 0.10", "class_margin: 0.20").replace("min_gain: 0.04", "min_gain: 0.01")
    (folder / "gates" / "patient.yaml").write_text(wide)
    drift = (folder / "drift" / "default.yaml").read_text().replace("name: default", "name: fashion-loop")
    never = 'reference: {kind: period, start: "2100-01-01", end: "2100-01-02"}'
    (folder / "drift" / "fashion-loop.yaml").write_text(drift.replace("reference: {kind: snapshot}", never))
    return folder


def _warm_up(settings: Settings) -> None:
    config = layout_of(settings).airflow / "config"
    config.mkdir(parents=True)
    (config / "airflow_local_settings.py").write_text(WARM_UP)


def _initialise(settings: Settings, key: Path) -> None:
    """The owner signs the rules, as production asks for; it makes this stack's Airflow a witness."""
    ensure(key)
    initialise(Workspace(replace(settings, mlflow_uri=stack.tracking_uri(settings)), "olga", key=key))


@pytest.fixture(scope="package")  # idle, a stack takes a fifth of a core and a gigabyte from all tests that follow
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    import os

    airflow, mlflow = free_ports(2)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AUGMENT_OPS_", "AIRFLOW", "MLFLOW_"))]:
            patch.delenv(name)
        folder = tmp_path_factory.mktemp("e2e")
        patch.setenv("AUGMENT_OPS_HOME", str(folder / "var"))
        patch.setenv("AUGMENT_OPS_POLICIES", str(_policies(folder / "policies")))
        patch.setenv("AUGMENT_OPS_AIRFLOW_PORT", str(airflow))
        patch.setenv("AUGMENT_OPS_MLFLOW_PORT", str(mlflow))
        # For so long a worker may miss that its task has ended, and be taken; 5 s by default, of two workers.
        patch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "1")
        settings = Settings.from_environment()
        (settings.home / "datasets" / "photos").mkdir(parents=True)  # what the form proposes; nobody reads it
        _warm_up(settings)
        try:
            stack.up(settings, dags=ROOT / "dags")
            stack.wait_until_healthy(settings)
            _initialise(settings, folder / "olga.pem")
            with login(settings) as admin:
                wait_for_dag(admin, DAG_ID)
                yield Running(settings, ROOT / "dags", admin)
        finally:
            stack.down(settings)


@pytest.fixture(scope="session")
def warm_up() -> Callable[[Settings], None]:
    """Has a stack that the test will start import once what its tasks need."""
    return _warm_up


@pytest.fixture
def follow() -> Callable[[Settings], AbstractContextManager[Running]]:
    """Asks a stack that the test started itself."""

    @contextmanager
    def asked(settings: Settings) -> Iterator[Running]:
        with login(settings) as admin:
            yield Running(settings, ROOT / "dags", admin)

    return asked


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system. Of one module: while it lives, its event loop runs in this thread."""
    from playwright.sync_api import sync_playwright

    found = next((p for p in ("/usr/bin/chromium", shutil.which("chromium") or "") if p and Path(p).exists()), None)
    if found is None:
        pytest.skip("no Chromium here: install the package chromium, so that /usr/bin/chromium or PATH has it")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()
