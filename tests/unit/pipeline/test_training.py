"""What the stages that train give a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.store import Store
from augment_ops.errors import TrainingError
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.inputs import Inputs, declared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.stages.training import train_control

COUNTS = (90, 10)  # of class 0 and of class 1


class Sampled(BaseModel):
    sampling: Literal["uniform", "balanced"] = "uniform"
    threads: Literal["auto"] = "auto"


class Counting:
    """A trainer that counts what it is given, and learns nothing of it."""

    name, format, settings = "counting", "pt2", Sampled
    seen: ClassVar[list[int]] = []

    def entries(self, budget: Any) -> int:
        return 1

    def check(self, model: str, device: str) -> None: ...

    def check_settings(self, settings: BaseModel, device: str) -> None: ...

    def device(self, asked: str) -> str:
        return "cpu"

    def fit(self, task: Any, source: Any, budget: Any, device: str) -> Any:
        assert budget.threads == 3, "those of the run"
        labels = np.concatenate([batch.labels for batch in source.epoch(0)])
        self.seen[:] = np.bincount(labels, minlength=len(task.classes)).tolist()
        raise TrainingError("counting", "labels", "nothing to learn", "")


@pytest.mark.parametrize(("sampling", "balanced"), [("uniform", False), ("balanced", True)])
def test_a_recipe_says_how_often_a_class_comes(tmp_path: Path, sampling: str, balanced: bool) -> None:
    labels = np.repeat(np.arange(len(COUNTS)), COUNTS)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 1)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    store = Store(str(tmp_path / "store"))
    snapshot = ingest(str(tmp_path / "data.npz"), store)
    recipe = {"name": "even", "version": "1.0.0", "description": "For tests.", "counting": {"sampling": sampling}}
    (tmp_path / "recipes").mkdir()
    file = tmp_path / "recipes" / "even.yaml"
    file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    params = RunParams(trainer=f"{__name__}:Counting", recipe="even", epochs=1, threads=3)
    inputs = Inputs(
        stage=BY_NAME["train_control"],
        params=declared(BY_NAME["train_control"], params),
        store=store,
        state=None,
        policies=tmp_path,
        digests={"ingest": store.put(canonical_json(snapshot))},
        files={"recipes/even.yaml": sha256_hex(file.read_bytes())},
        say=lambda line: None,
        trace=Trace(""),
    )
    with pytest.raises(TrainingError, match="nothing to learn"):
        train_control(inputs)
    frequent, rare = Counting.seen
    assert frequent > 5 * rare if not balanced else abs(frequent - rare) <= 1
