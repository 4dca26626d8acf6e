"""Whether a machine trains candidate and control at once: what is counted, and what an earlier run is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augment_ops.content import canonical_json
from augment_ops.errors import InputError
from augment_ops.pipeline import at_once
from augment_ops.pipeline.at_once import _earlier, _memory, _workers, have_room
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.outputs import Augmentation
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.run import StageRecord, keep_record
from augment_ops.settings import Settings
from augment_ops.training.result import TrainingResult
from support.places import POLICIES
from support.trained import training_result

STAGES = (BY_NAME["train_candidate"], BY_NAME["train_control"])
GIB = 1 << 30
RESULT = training_result()


@pytest.mark.parametrize(
    ("mode", "workers", "decoding", "counted"),
    [
        ("online", 1, None, 0), ("online", 0, None, 0), ("online", 3, None, 2), ("nearline", 3, None, 2),
        ("device", 3, None, 0), ("online", 1, object(), 7), ("device", 3, object(), 9), ("offline", 3, None, 0),
    ],
)  # fmt: skip
def test_workers_beyond_one_of_each_training_need_a_core(mode: str, workers: int, decoding: Any, counted: int) -> None:
    plan = Augmentation(mode, "a", 1, SimpleNamespace() if mode == "offline" else None)  # type: ignore[arg-type]
    ctx: Any = SimpleNamespace(
        output=lambda stage, cls: plan,
        params=RunParams(workers=workers),
        snapshot=SimpleNamespace(manifest=SimpleNamespace(decoding=decoding)),
    )
    assert _workers(ctx, cores=8) == counted


def test_what_an_earlier_training_took_is_asked_for_where_it_is_more() -> None:
    assert _memory(STAGES, []) == _memory(STAGES, [RESULT, RESULT]) == 8 * GIB
    assert _memory(STAGES, [replace(RESULT, peak_rss_mb=6 * 1024), RESULT]) == 10 * GIB


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A run that has begun after two others, of which one asked for the same trainings."""
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(POLICIES))
    settings = Settings.from_environment()
    asked = RunParams(dataset="digits", modality="image", epochs=2)
    for run, params in (("like", asked), ("longer", replace(asked, epochs=9)), ("now", replace(asked, seed=8))):
        enter_run(settings, run, params, "ann")
    return Context.of(settings, "now")


def _keep(ctx: Context, run: str, result: TrainingResult) -> None:
    output = ctx.store.put(canonical_json(result))
    for stage in STAGES:
        keep_record(ctx.store, run, StageRecord(stage.name, "a" * 64, output, 1.0, ctx.run.started_at, ""))


def test_a_run_of_other_trainings_tells_nothing_of_these(ctx: Context) -> None:
    assert _earlier(ctx, STAGES) == []
    _keep(ctx, "longer", RESULT)
    assert _earlier(ctx, STAGES) == []
    _keep(ctx, "like", RESULT)
    assert _earlier(ctx, STAGES) == [RESULT, RESULT]


def test_trainings_go_one_by_one_where_they_took_seconds_or_there_is_no_room_for_both(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "usable_cores", lambda: 2)
    monkeypatch.setattr(at_once, "free_memory", lambda: 9 * GIB)
    monkeypatch.setattr(at_once, "is_to_compute", lambda ctx, stage: True)
    monkeypatch.setattr(at_once, "_workers", lambda ctx, cores: 0)
    for took, room in ((RESULT, True), (replace(RESULT, wall_s=2.0), False), (replace(RESULT, peak_rss_mb=6e3), False)):
        _keep(ctx, "like", took)
        assert have_room(ctx.settings, "now", STAGES) is room
    _keep(ctx, "like", RESULT)
    section = at_once.recipe_section(ctx.settings.policies, ctx.params)[1]

    def refuses(*given: object) -> None:
        raise InputError("a recipe", "none", "one", "name it")

    for name, other in {
        "_workers": lambda ctx, cores: 1,
        "threads_of": lambda section, asked: 0,  # of a trainer that does not say
        "is_to_compute": lambda ctx, stage: stage is STAGES[0],
        "recipe_section": lambda policies, params: (SimpleNamespace(device=lambda asked: "cuda"), section),
        "processes_of": refuses,  # as the stage itself does then, and tells
    }.items():
        assert have_room(ctx.settings, "now", STAGES)
        with monkeypatch.context() as patch:
            patch.setattr(at_once, name, other)
            assert not have_room(ctx.settings, "now", STAGES), name
