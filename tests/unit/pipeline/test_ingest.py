"""What the ingest stage says beside its snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from augment_ops.data.ingest import ingest as read_source
from augment_ops.data.store import Store
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.stages.data import ingest


@pytest.mark.parametrize("asked", ["pixels", "encoded"])
def test_a_snapshot_that_stays_as_it_is_kept_is_said(tmp_path: Path, asked: Literal["pixels", "encoded"]) -> None:
    store, said = Store(str(tmp_path)), list[str]()
    read_source("digits", store, keep="encoded", max_samples=100)
    manifest = ingest(
        Inputs(
            stage=BY_NAME["ingest"],
            params=RunParams(dataset="digits", max_samples=100, keep=asked),
            store=store,
            state=None,
            policies=tmp_path,
            digests={},
            files={},
            say=said.append,
            trace=Trace(""),
        )
    )
    stays = "the snapshot was in the store already and stays as it is: encoded, not raw"
    assert manifest.kept == "encoded"
    assert (stays in said) == (asked == "pixels")
