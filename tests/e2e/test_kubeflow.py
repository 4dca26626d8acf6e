"""The compiled pipeline in Kubeflow's own local runner, held against the command line. Needs `make kubeflow`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment_ops.cli.runs import run_pipeline
from augment_ops.drivers.kubeflow.blueprint import blueprint
from augment_ops.drivers.kubeflow.environment import PYTHON, compile_file
from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import STAGES, edges
from augment_ops.pipeline.outputs import Approval, Decided, Promotion, ResolvedPolicy, StressTest
from augment_ops.pipeline.parameters import RunParams
from augment_ops.settings import Settings
from augment_ops.training.result import TrainingResult
from augment_ops.workspace import open_ledger, open_store
from support.places import POLICIES, ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-kubeflow: run `make kubeflow`"),
]
SMALL = {"max_samples": 600, "epochs": 2}  # as docs/kubeflow.md has it
TIMED = {"budget", "data_wait"}  # rules about seconds, which are others each time

(SHOWN,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "kubeflow.md").read_text(), re.DOTALL)
(CALLED,) = re.findall(r"pipeline\((.*)\)$", SHOWN, re.MULTILINE)

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compile_file(blueprint("augment-ops-kubeflow:0.1.0", {"AUGMENT_OPS_ACTOR": "kubeflow"}), file)
    return file


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of the tasks."""
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI", "AUGMENT_OPS_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(POLICIES))
    return Settings.from_environment()


@pytest.fixture
def run(tmp_path: Path, settings: Settings) -> Run:
    """Runs a compiled file as the page says: exit code, and what was printed."""

    def local(text: str, called: str) -> tuple[int, str]:
        (tmp_path / "pipeline.yaml").write_text(text)
        done = subprocess.run(
            [PYTHON, "-I", "-c", SHOWN.replace(CALLED, called)],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=800,
            check=False,
        )
        return done.returncode, done.stdout

    return local


def came_of(settings: Settings, run_id: str) -> dict[str, Any]:
    """What a run ends with, but for what was measured in seconds."""
    ctx = Context.of(settings, run_id)
    decision, stress = ctx.output("decide", Decided).decision, ctx.output("stress_test", StressTest)
    return {
        "params": ctx.run.params,
        "snapshot": ctx.snapshot.manifest.digest,
        "policy": ctx.output("resolve_policy", ResolvedPolicy).digest,
        "suite": stress.suite.digest,
        "models": [ctx.output(f"train_{role}", TrainingResult).model_digest for role in ("candidate", "control")],
        "outcomes": stress.report.outcomes,  # each model's answer on each sample
        "verdict": decision.verdict,
        "rules": decision.rules_digest,
        "reasons": sorted(
            str([one.rule, one.corruption, one.severity, one.class_name, one.group, one.against, one.measured, one.n])
            for one in decision.reasons
            if one.rule not in TIMED
        ),
        "approved": ctx.output("approve", Approval).approved,
        "promoted": ctx.output("promote", Promotion).promoted,
    }


def test_the_compiled_file_has_the_graph_the_parameters_and_no_cache(compiled: Path) -> None:
    spec = yaml.safe_load(compiled.read_text())
    tasks = spec["root"]["dag"]["tasks"]
    before = {name: {one.replace("-", "_") for one in task.get("dependentTasks", [])} for name, task in tasks.items()}
    drawn = {(one, name.replace("-", "_")) for name, ones in before.items() for one in ones - {"begin"}}
    assert drawn == set(edges())
    assert {name.replace("-", "_") for name in tasks} == {"begin", *(stage.name for stage in STAGES)}
    assert all("begin" in ones for name, ones in before.items() if name != "begin")
    assert not any(task["cachingOptions"].get("enableCache") for task in tasks.values())
    assert {task["retryPolicy"]["maxRetryCount"] for task in tasks.values()} == {3}
    given = spec["root"]["inputDefinitions"]["parameters"]
    assert {name: one["defaultValue"] for name, one in given.items()} == {"run_id": "", **vars(RunParams())}
    kinds = {"seed": "NUMBER_INTEGER", "cache_gib": "NUMBER_DOUBLE", "allow_outside": "BOOLEAN", "policy": "STRING"}
    assert {name: given[name]["parameterType"] for name in kinds} == kinds
    containers = {name: one["container"] for name, one in spec["deploymentSpec"]["executors"].items()}
    assert all(stamp() in str(one["command"]) and "pip install" not in str(one) for one in containers.values())
    assert containers["exec-train-candidate"]["resources"]["resourceMemoryRequest"] == "4Gi"
    assert containers["exec-ingest"]["env"] == [{"name": "AUGMENT_OPS_ACTOR", "value": "kubeflow"}]


def test_it_ends_as_on_the_command_line(
    compiled: Path, settings: Settings, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run(compiled.read_text(), CALLED)
    assert code == 0, said[-3000:]
    (begun,) = [entry for entry in open_ledger(settings).read() if entry.act == "begin"]
    assert begun.actor == "kubeflow"
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "other"))  # nothing of the one is found by the other
    told = run_pipeline(SMALL, "cli-same", quiet=True)
    expected = came_of(Settings.from_environment(), "cli-same")
    assert came_of(settings, begun.subjects["run"]) == expected
    assert f"{expected['verdict']}: {told['summary']}" in said


@pytest.mark.parametrize("called", ["seed='seven'", "epochs=2.5", "allow_outside='yes'", "sede=1"])
def test_kubeflow_refuses_what_is_no_parameter_or_of_another_type(
    compiled: Path, settings: Settings, run: Run, called: str
) -> None:
    code, said = run(compiled.read_text(), called)
    assert code == 1
    assert called.partition("=")[0] in said.splitlines()[-1]
    assert not settings.home.exists()


def test_a_file_of_another_version_is_refused_by_its_first_task(compiled: Path, settings: Settings, run: Run) -> None:
    text = (
        compiled.read_text()
        .replace(stamp(), "augment-ops 0.0.9, graph abc")
        .replace("maxRetryCount: 3", "maxRetryCount: 0")
    )
    code, said = run(text, CALLED)
    assert code == 1
    assert "compiled pipeline: found 'augment-ops 0.0.9, graph abc'" in said
    assert said.count("Executing task") == 1
    assert open_store(settings).documents("runs/") == []
    assert list(open_ledger(settings).read()) == []
