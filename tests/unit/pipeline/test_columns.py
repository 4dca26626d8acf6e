"""What MLflow's list shows of a run stands there from the first stage on: a run that is refused then has it too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.recorders import mlflow
from augment_ops.settings import Settings


def test_a_run_has_its_columns_from_its_first_stage_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, str] = {}

    def open_run(ctx: Context, dataset: str, role: str | None = None, tags: Mapping[str, str] | None = None) -> Any:
        told.update(tags or {})
        return SimpleNamespace(list_url="")

    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path)})
    enter_run(settings, "r", RunParams(policy="digits-none"), "ann", "")
    monkeypatch.setattr(Context, "open_run", open_run)
    monkeypatch.setattr(Context, "tracker", MagicMock())
    manifest: Any = SimpleNamespace(dataset="digits", digest="a" * 64, counts={})
    mlflow._snapshot(Context.of(settings, "r"), manifest)
    assert (told["policy"], told["environment"], told["started_by"]) == ("digits-none", "dev", "ann")
