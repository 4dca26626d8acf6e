"""How fast a network learns: by a clock, and by the loop itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from augment_ops.data.payload import ArrayPayload, Part
from augment_ops.delivery.batches import Batch
from augment_ops.training import pace, torch_trainer
from augment_ops.training.base import Budget, Labelled, Paced, Task
from augment_ops.training.pace import Again, step_us
from augment_ops.training.sklearn_trees import TRAINER as TREES
from augment_ops.training.torch_settings import TorchSettings
from augment_ops.training.torch_trainer import TRAINER


def batch(n: int) -> Batch:
    rows = np.arange(n)
    return Batch(np.zeros((n, 8, 8, 1), np.uint8), rows % 3, rows, 0.0)


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [(1e-6, [2, 8, 32, 64]), (0.01, [2, 8]), (3.0, [2])],  # a sample; of the last, three steps and one before
)
def test_a_batch_grows_as_long_as_there_is_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sizes: list[int]
) -> None:
    now, seen = [0.0], list[int]()
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def train(source: Again) -> None:
        for number, one in enumerate(source.epoch(0)):
            now[0] += seconds * len(one.labels) * (1 if number else 50)  # the first warms up
        seen.append(len(source.batch.labels))

    assert step_us(train, batch(64), 0.5) == pytest.approx(1e6 * seconds)
    assert seen == sizes


made: list[torch.nn.Module] = []


def linear(shape: tuple[int, ...], classes: int) -> torch.nn.Module:
    made.append(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(shape)), classes)))
    return made[-1]


def test_the_loop_is_timed_and_nothing_is_learnt_by_heart() -> None:
    samples = ArrayPayload(np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype(np.uint8))
    labels, rows = np.arange(16) % 3, np.arange(16)
    task = Task(
        modality="image",
        classes=("a", "b", "c"),
        train=Labelled(samples, labels),
        validation=Labelled(Part(samples, np.empty(0, np.int64)), np.empty(0, np.int64)),
        augmented=True,
        model=f"{__name__}:linear",
    )
    # A rate that is felt after a step, and an ending that needs validation.
    settings = TorchSettings.model_validate({"optimizer": {"learning_rate": 1.0}, "early_stopping": {"patience": 1}})
    assert isinstance(TRAINER, Paced) and not isinstance(TREES, Paced)
    given = Batch(samples.take(rows), labels, rows, 0.0)
    found = TRAINER.pace(task, given, Budget(3, 16, 7, settings), "cpu", 0.05)
    assert found.threads == 1
    assert 0 < found.sample_us < 1e6
    torch.manual_seed(7)
    before, after = linear((8, 8, 1), 3).state_dict(), made[0].state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_of_several_processes_one_is_timed_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, rows = ArrayPayload(np.zeros((16, 8, 8, 1), np.uint8)), np.arange(16)
    whole, sizes = Labelled(samples, rows % 3), list[int]()
    task = Task(
        modality="image", classes=("a", "b", "c"), train=whole, validation=whole, augmented=True,
        model=f"{__name__}:linear",
    )  # fmt: skip
    monkeypatch.setattr(torch_trainer, "step_us", lambda train, given, limit_s: sizes.append(len(given.labels)) or 90.0)
    budget = Budget(3, 16, 7, TorchSettings(processes=3, threads=2))
    found = TRAINER.pace(task, Batch(samples.take(rows), whole.labels, rows, 0.0), budget, "cpu", 0.05)
    assert (found.sample_us, found.threads, sizes) == (30.0, 6, [6])
