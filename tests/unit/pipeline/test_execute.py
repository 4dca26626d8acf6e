"""The execution of a stage whose output was computed ahead of it, by another process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.pipeline.computing import ComputedStage, KeyedStage
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import _made_ahead
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.settings import Settings
from support.places import POLICIES


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A run that has begun."""
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(POLICIES))
    settings = Settings.from_environment()
    enter_run(settings, "run", RunParams(dataset="digits", max_samples=100), "ann")
    return Context.of(settings, "run")


def test_what_was_computed_of_other_inputs_is_not_used_and_that_is_said(ctx: Context) -> None:
    said: list[str] = []
    ctx = replace(ctx, say=said.append)
    other = ComputedStage(key="of what it was", output="gone", wall_s=1.0, spans=())
    assert _made_ahead(ctx, KeyedStage.of(ctx, BY_NAME["ingest"]), other) == (None, 0.0)
    assert said == ["what its process computed is not used: its inputs are others now"]
