"""How every driver begins a run: nothing stands anywhere before everything was looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import GovernanceError, InputError
from augment_ops.pipeline.begin import begin_run
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.preflight import preflight
from augment_ops.pipeline.run import Run
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store

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
