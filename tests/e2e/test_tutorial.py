"""docs/tutorial.md as a reader follows it: commands in a shell, answers in Airflow, and what is said to be shown is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from augment_ops.services import stack
from augment_ops.settings import Settings
from support.places import POLICIES, ROOT
from support.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

RUN_S = 900.0  # where the cores are busy with something else
# What the page has its reader do, in the order of the page. The last three are sentences, and are done in Airflow.
STEP = re.compile(
    r"^```(?P<language>bash|text|yaml)\n(?P<block>.*?)^```$"
    r"|^\| field \| value \|\n\|---\|---\|\n(?P<fields>(?:\|[^\n]*\n)+)"
    r"|(?P<answer>Answer \*\*Approve\*\*, with a reason)"
    r"|(?P<monitor>trigger it once instead of waiting)"
    r"|(?P<retraining>waits for the ML lead as before: approve it)",
    re.MULTILINE | re.DOTALL,
)
LEAD = "ml-lead"
# In place of lines that this cannot type: the demo stays in its terminal until Ctrl-C, and `.venv` is on PATH already.
INSTEAD = {"make demo": "augment-ops demo --detach", "source .venv/bin/activate": "true"}

Following = Callable[[Settings], AbstractContextManager[Any]]


class Reader:
    """Somebody with the page before them: a folder with policies/, a shell, a login to Airflow."""

    def __init__(self, folder: Path, follow: Following, until: ExitStack) -> None:
        self.folder, self.follow, self.until = folder, follow, until
        self.project, self.exported = folder / "project", folder / "exported.sh"
        self.shown, self.run = "", ""
        shutil.copytree(POLICIES, self.project / "policies")
        self.exported.touch()
        (folder / "home").mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS_", "MLFLOW_"))}
        airflow, mlflow = free_ports(2)
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),  # keys lie there: not beside the rules that they sign
            "BROWSER": "true",
            "COLUMNS": "160",  # as wide as tables have it on a screen
            "USER": "you",
            "AUGMENT_OPS_DAGS": str(ROOT / "dags"),
            "AUGMENT_OPS_AIRFLOW_PORT": str(airflow),
            "AUGMENT_OPS_MLFLOW_PORT": str(mlflow),
        }

    def bash(self, block: str) -> None:
        """Type it; what is exported or set stays for the next block, as in one terminal."""
        lines = "\n".join(INSTEAD.get(line, line) for line in block.splitlines())
        script = f"set -eu -o pipefail\nset -a\n. '{self.exported}'\n{lines}\nexport -p > '{self.exported}'\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        self.shown += done.stdout + done.stderr

    def text(self, block: str) -> None:
        """Find what the page says is shown in what was shown since it last said so."""
        shown, self.shown = _words(self.shown), ""
        assert [line for line in block.splitlines() if _words(line) not in shown] == [], shown

    def yaml(self, block: str) -> None:
        """Enter it, with the keys that were made."""
        keys = re.findall(r"ed25519:[\w+/=-]+", self.shown)
        mine, leads = dict.fromkeys(keys)
        entered = block.replace("ed25519:…you…", mine).replace(f"ed25519:…{LEAD}…", leads)
        assert "…" not in entered
        (self.project / "policies" / "approvers.yaml").write_text(entered)

    def fields(self, rows: str) -> None:
        """Trigger a run with the form filled in, and follow it to its question."""
        conf = dict(re.findall(r"^\| `(\w+)` \| ([\w-]+) \|$", rows, re.MULTILINE))
        assert len(conf) == len(rows.splitlines())
        self.run = self._airflow().trigger(dataset="digits", **conf)

    def answer(self, _: str) -> None:
        """Approve the run that waits, as the ML lead."""
        airflow = self._airflow()
        airflow.wait_for_question(self.run, "ask_approval", RUN_S)
        with airflow.login(LEAD) as lead:
            lead.answer(airflow.dag, self.run, "ask_approval", "Approve", {"reason": "risks looked at"})
        assert airflow.wait_for_end(self.run, RUN_S) == "success"

    def monitor(self, _: str) -> None:
        """Trigger the monitor, which starts one run for the alert."""
        airflow, before = self._airflow(), self._runs()
        monitor = airflow.of("drift_monitor")
        monitor.wait_for_end(monitor.trigger(), RUN_S)
        (self.run,) = airflow.eventually(lambda: self._runs() - before, "a training for the alert", RUN_S)

    retraining = answer

    @property
    def settings(self) -> Settings:
        """What its commands find: state lies in the folder that it types in."""
        return Settings.from_environment(self.environment | {"AUGMENT_OPS_HOME": str(self.project / "var")})

    def _airflow(self) -> Any:
        return self.until.enter_context(self.follow(self.settings))

    def _runs(self) -> set[str]:
        airflow = self._airflow()
        return {run.run_id for run in airflow.admin.dag_runs(airflow.dag, limit=50)}


@pytest.fixture
def reader(tmp_path: Path, follow: Following, warm_up: Callable[[Settings], None]) -> Iterator[Reader]:
    with ExitStack() as until:
        one = Reader(tmp_path, follow, until)
        warm_up(one.settings)
        try:
            yield one
        finally:
            stack.down(one.settings)


def test_the_tutorial_leads_where_it_says(reader: Reader) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    done = []
    for step in STEP.finditer(page):
        kind = step["language"] or str(step.lastgroup)
        getattr(reader, kind)(step["block"] or step["fields"] or "")
        done.append(kind)
    assert {"fields", "answer", "monitor", "retraining"} < set(done)
    assert done.count("bash") == page.count("```bash")
    assert done.count("text") == page.count("```text")
    assert "$(BIN)/augment-ops demo\n" in (ROOT / "Makefile").read_text()  # what is typed instead of it above


def _words(text: str) -> str:
    return " ".join(text.split())
