"""How every driver begins a run: nothing stands anywhere before everything was looked at."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.content import canonical_json
from augment_ops.errors import GovernanceError, InputError
from augment_ops.pipeline.begin import begin_run
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.preflight import preflight
from augment_ops.pipeline.run import Run
from augment_ops.pipeline.run import begin as record
from augment_ops.settings import Settings
from augment_ops.training import threads
from augment_ops.training.torch_settings import TorchSettings
from augment_ops.workspace import open_ledger, open_store
from support.places import POLICIES

MISSING = {"gate": "none-such", "quality": "none-such"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    return Settings.from_environment()


def permits(params: RunParams) -> None:
    """What a driver says that has nothing against a run."""


def begin(settings: Settings, run_id: str = "r", actor: str = "ann", check: Any = permits, **asked: Any) -> Run:
    return begin_run(settings, run_id, asked, actor, check=check, warn=lambda line: None)


def recorded(settings: Settings) -> tuple[int, int]:
    return len(list(open_ledger(settings).read())), len(open_store(settings).documents("runs/"))


def test_a_run_that_goes_on_keeps_what_it_was_asked(settings: Settings) -> None:
    run = begin(settings, seed=8, epochs=3)
    assert begin(settings) == begin(settings, epochs=3) == run
    assert recorded(settings) == (1, 1)
    with pytest.raises(InputError, match=r"other parameters than it was started with \(epochs\)"):
        begin(settings, epochs=4)


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Those of this installation, with a recipe `open` that leaves threads to the run, on a machine of eight cores."""
    copied = shutil.copytree(POLICIES, tmp_path / "policies")
    head = "version: 1.0.0\ndescription: For tests.\n"
    (copied / "recipes" / "open.yaml").write_text(f"name: open\n{head}torch: {{threads: auto}}\nsklearn: {{}}\n")
    (copied / "recipes" / "shared.yaml").write_text(f"name: shared\n{head}torch: {{threads: auto, processes: 2}}\n")
    (copied / "recipes" / "two.yaml").write_text(f"name: two\n{head}torch: {{threads: 2}}\n")
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    return copied


def test_threads_that_the_recipe_leaves_open_are_chosen_once_for_a_run(
    settings: Settings, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, policies=policies)
    run = begin(settings, recipe="open")
    assert run.typed.threads == 4  # the other training has the other half
    monkeypatch.setattr(threads, "usable_cores", lambda: 64)  # gone on with on another machine
    assert begin(settings) == begin(settings, recipe="open", threads=0) == run
    with pytest.raises(InputError, match=r"other parameters than it was started with \(threads\)"):
        begin(settings, threads=32)
    assert begin(settings, "as-it-was", recipe="open", threads=4).params == run.params
    assert begin(settings, "closed").typed.threads == 0
    assert begin(settings, "of-two", recipe="shared").typed.threads == 32 // 2
    assert begin(settings, "trees", recipe="open", trainer="sklearn").typed.threads == 0


def test_threads_that_nobody_would_use_are_refused(settings: Settings, policies: Path) -> None:
    settings = replace(settings, policies=policies)
    for asked in ({"recipe": "two"}, {}, {"recipe": "open", "trainer": "sklearn"}):
        with pytest.raises(InputError, match=r"--threads: found 4, with the recipe .* which leaves no number open"):
            begin(settings, threads=4, **asked)


def test_a_run_of_before_there_was_a_choice_has_one_thread(settings: Settings, policies: Path) -> None:
    settings = replace(settings, policies=policies)
    store = open_store(settings)
    run = record(store, "r", RunParams(recipe="open"), "ann")
    old = {name: value for name, value in run.params.items() if name != "threads"}
    store.put_document("runs/r/run.json", canonical_json(replace(run, params=old)))
    assert begin(settings).typed.threads == 0
    assert threads.threads_of(TorchSettings(threads="auto"), 0) == 1


def test_what_the_driver_refuses_is_refused_first_and_leaves_nothing(settings: Settings) -> None:
    def refuses(params: RunParams) -> None:
        raise GovernanceError("this driver", params.environment, "another", "use another driver")

    with pytest.raises(GovernanceError, match="this driver: found staging"):
        begin(settings, check=refuses, environment="staging", **MISSING)
    assert recorded(settings) == (0, 0)


def test_everything_that_is_named_is_looked_at_before_anything_is_recorded(settings: Settings) -> None:
    with pytest.raises(InputError, match="this run: 2 faults"):
        begin(settings, **MISSING)
    assert recorded(settings) == (0, 0)


def test_a_policy_of_another_modality_than_the_run_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"--policy: found digits-robust, for samples of the modality image; expected"):
        preflight(settings, RunParams(modality="another"), "ann")


def test_a_run_of_nobody_is_warned_of(settings: Settings) -> None:
    lines: list[str] = []
    begin_run(settings, "r", {}, "unknown", check=permits, warn=lines.append)
    assert [line.partition(" (")[0] for line in lines] == ["nobody is named as who started this run"]
