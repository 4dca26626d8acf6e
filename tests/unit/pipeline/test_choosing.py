"""`delivery: auto`: what the stage `augment` makes of it, with a trainer that takes as long as a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel

from augment_ops.content import canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.store import Store
from augment_ops.errors import InputError
from augment_ops.modalities import modality
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.inputs import Inputs, declared
from augment_ops.pipeline.outputs import Augmentation, ResolvedPolicy
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.stages import choosing
from augment_ops.pipeline.stages.policy import augment
from augment_ops.policy.spec import Policy
from augment_ops.training.base import Pace
from support.policies import HEAD
from support.tables import transactions

BUSY, IDLE = 1e6, 1e-3  # microseconds a sample: no policy keeps the first waiting, and nothing the second from it
EPOCHS = 2


class NoSettings(BaseModel):
    """What a recipe may say to them."""


class Unpaced:
    """A trainer that learns nothing, and does not say how fast."""

    name, format, settings = "unpaced", "pt2", NoSettings
    step_us: ClassVar[float] = BUSY
    asked: ClassVar[list[tuple[int, str]]] = []

    def entries(self, budget: Any) -> int:
        return 1

    def check(self, model: str, device: str) -> None: ...

    def check_settings(self, settings: BaseModel, device: str) -> None: ...

    def device(self, asked: str) -> str:
        return "cpu"

    def fit(self, task: Any, source: Any, budget: Any, device: str) -> Any: ...


class Paced(Unpaced):
    """One that does."""

    name = "paced"

    def pace(self, task: Any, batch: Any, budget: Any, device: str, limit_s: float) -> Pace:
        assert task.train.samples.take(batch.rows).shape == batch.samples.shape
        self.asked.append((len(batch.labels), device))
        return Pace(self.step_us, 1)


Asked = Callable[..., tuple[Augmentation, list[str]]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What `augment` leaves behind, and what it says."""
    labels = np.arange(200) % 2
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 1)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    store = Store(str(tmp_path / "store"))
    images_ingested = canonical_json(ingest(str(tmp_path / "data.npz"), store))
    monkeypatch.setattr(choosing, "LIMIT_S", 0.01)
    monkeypatch.setattr(choosing, "usable_cores", lambda: 2)
    Paced.asked.clear()

    def ask(
        steps: str = "- GaussNoise: {p: 1.0}",
        step_us: float = BUSY,
        folder: Path | None = None,
        data: bytes = images_ingested,
        head: str = HEAD,
        **params: Any,
    ) -> tuple[Augmentation, list[str]]:
        monkeypatch.setattr(Paced, "step_us", step_us)
        policy = Policy.from_text(f"{head}  {steps}\n")
        resolved = ResolvedPolicy(
            name=policy.name, version=policy.version, digest=policy.digest, domain=policy.domain, owner=policy.owner,
            description="", limitations=(), text=policy.text, engine="compiled-3", p50_ms=1.0, p95_ms=1.0,
            budget_p95_ms=1.0, budget_at=(8, 8, 1),
        )  # fmt: skip
        asks = {"delivery": "auto", "trainer": f"{__name__}:Paced", "epochs": EPOCHS, "batch_size": 16, **params}
        said: list[str] = []
        inputs = Inputs(
            stage=BY_NAME["augment"],
            params=declared(BY_NAME["augment"], RunParams(**asks)),
            store=store,
            state=None,
            policies=tmp_path,
            digests={"ingest": store.put(data), "resolve_policy": store.put(canonical_json(resolved))},
            files={"recipes/default.yaml": None},
            say=said.append,
            trace=Trace(""),
            unfinished=folder,
        )
        return augment(inputs), said

    return ask


@pytest.mark.parametrize("delivery", ["online", "nearline", "offline", "device", "auto"])
def test_a_policy_that_does_not_fit_the_training_part_is_refused_while_nothing_is_written_or_trained(
    asked: Asked, tmp_path: Path, delivery: str
) -> None:
    table = transactions(60).assign(part=["train"] * 50 + ["validation", "test"] * 5)
    table["fraud"] = np.where(np.arange(60) % 15 == 0, "fraud", "genuine")
    table.to_parquet(tmp_path / "payments.parquet", index=False)
    columns, store = "label=fraud,id=transaction,split=part,ignore=moment;customer", tmp_path / "store"
    payments = ingest(str(tmp_path / "payments.parquet"), Store(str(store)), modality="tabular", columns=columns)
    Store(str(store)).put(canonical_json(payments))
    before = {path for path in store.rglob("*") if path.is_file()}
    head = HEAD.replace("image", "tabular").replace("general", "tabular").replace("8, 8, 1", "4")
    with pytest.raises(InputError, match="5, and 4 rows of class 'fraud' in the training part"):
        asked("- Smote: {}", data=canonical_json(payments), head=head, delivery=delivery)
    written = {path for path in store.rglob("*") if path.is_file()} - before
    assert len(written) == 1, "the policy, which the test itself keeps"
    assert not Paced.asked


@pytest.mark.parametrize("delivery", ["auto", "device", "online", "offline"])
def test_a_policy_is_bound_to_the_training_part_once(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, delivery: str
) -> None:
    """What binds it may have to look at all samples."""
    kind, populations = type(modality("image")), []
    bind = kind.augmenter

    def counted(self: Any, policy: Policy, seed: int, population: Any = None) -> Any:
        populations.append(population)
        return bind(self, policy, seed, population)

    monkeypatch.setattr(kind, "augmenter", counted)
    asked(delivery=delivery)
    assert sum(one is not None for one in populations) == 1


def test_a_slow_trainer_is_kept_busy_online_by_the_plan_of_who_asks_for_that(asked: Asked) -> None:
    plan, said = asked()
    assert plan.choice is not None and plan.choice.measured is not None
    assert (plan.mode, plan.choice.mode, plan.choice.workers) == ("online", "online", 1)
    assert Paced.asked == [(16, "cpu")]
    assert [line for line in said if "online, 1 worker" in line and "the trainer waits 0.0%" in line]
    by_hand, _ = asked(delivery="online")
    assert by_hand.choice is None
    assert (by_hand.mode, by_hand.digest, by_hand.epochs) == (plan.mode, plan.digest, plan.epochs)
    assert from_json(Augmentation, canonical_json(plan)) == plan


def test_a_trainer_that_waits_gets_shards_only_where_reading_them_is_fast_and_they_fit(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = asked(step_us=IDLE)  # nothing is as fast, reading neither
    assert plan.choice is not None and plan.choice.measured is not None
    assert (plan.mode, len(plan.choice.measured.loops)) == ("online", 1)
    monkeypatch.setattr(choosing, "read_us", lambda *given: 0.0)
    assert asked(step_us=IDLE, cache_gib=0.0)[0].mode == "online"
    plan, said = asked(step_us=IDLE)
    assert plan.mode == "offline" and plan.shards is not None
    assert len(plan.shards.shards) == EPOCHS
    assert f"shard {EPOCHS}/{EPOCHS}" in said
    by_hand, _ = asked(delivery="offline")
    assert by_hand.digest == plan.digest
    assert asked(step_us=IDLE)[0].mode == "nearline"  # they are there now


def test_a_stage_that_was_killed_keeps_what_was_chosen(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "unfinished"
    with monkeypatch.context() as patch:
        patch.setattr(choosing, "read_us", lambda *given: 0.0)
        patch.setattr("augment_ops.pipeline.stages.policy.materialise", killed)
        with pytest.raises(KeyboardInterrupt):
            asked(step_us=IDLE, folder=folder)
    plan, _ = asked(step_us=BUSY, folder=folder)  # the machine would say something else now
    assert (plan.mode, len(Paced.asked)) == ("offline", 1)
    (folder / "delivery.json").write_bytes(b'{"mode": "nearb')
    plan, _ = asked(step_us=BUSY, folder=folder)
    assert (plan.mode, len(Paced.asked)) == ("online", 2)


def test_a_plan_for_the_device_is_another_and_only_of_what_can_be_applied_there(asked: Asked) -> None:
    plan, _ = asked(delivery="device")
    assert (plan.mode, plan.shards, plan.choice) == ("device", None, None)
    assert plan.digest != asked(delivery="online")[0].digest  # its levels may be others
    assert asked(delivery="device", steps="[]")[0].mode == "online"
    for steps in ("- GridDistortion: {p: 1.0}", "[]\nmixing: {kind: mixup, alpha: 0.2, p: 1.0}"):
        with pytest.raises(InputError, match="expected one that is compiled as a whole, without mixing"):
            asked(delivery="device", steps=steps)


def test_where_nothing_can_be_measured_it_says_so(asked: Asked) -> None:
    plan, said = asked(trainer=f"{__name__}:Unpaced", workers=3)
    assert plan.choice is not None and plan.choice.measured is None
    assert (plan.mode, plan.choice.workers) == ("online", 3)
    assert "The trainer unpaced does not say how fast it takes samples" in said[-1]
    plan, said = asked(steps="[]", workers=0)
    assert plan.choice is not None and "The policy changes nothing." in said[-1]
    assert Paced.asked == []


def test_a_policy_that_only_mixes_has_nothing_for_shards(asked: Asked) -> None:
    plan, said = asked(steps="[]\nmixing: {kind: mixup, alpha: 0.2, p: 1.0}", step_us=IDLE)
    assert plan.mode == "online"
    assert any("there are no shards: samples are mixed and nothing else" in line for line in said)
