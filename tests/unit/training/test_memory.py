"""Memory that does not suffice ends a training with one error, which names the batch that fits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augment_ops.errors import TrainingError
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.export import model_digest
from augment_ops.training.memory import said_of_memory
from augment_ops.training.ranks import Ranks
from augment_ops.training.torch_settings import TorchSettings


class Net(nn.Module):
    """Asks `taken` of memory while it trains, or of what raises where there is none: there is no GPU here."""

    def __init__(self, taken: Callable[[int], object]) -> None:
        super().__init__()
        self.line = nn.Linear(64, 3)
        self.taken = taken
        self.seen: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(len(images))
            self.taken(len(images))
        logits: torch.Tensor = self.line(images.flatten(1))
        return logits


def room_for(most: int) -> Callable[[int], None]:
    def taken(size: int) -> None:
        if size > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation")

    return taken


def failed(training: Any, taken: Callable[[int], object], kind: type[Net] = Net, **how: Any) -> tuple[str, Net]:
    """What a training ends with, and its network."""
    made: list[Net] = []

    def factory(*of: Any) -> Net:
        made.append(kind(taken))
        return made[-1]

    with pytest.raises(TrainingError) as raised:
        training.run(training.online(None), factory, **how)
    return str(raised.value), made[0]


def test_the_batch_that_fits_is_that_of_all_processes(training: Any) -> None:
    one_of_two = Ranks(size=2, add=lambda tensor: None)
    error, _ = failed(training, room_for(9), ranks=one_of_two)
    assert "for a process's share of a batch, of 16 samples" in error
    assert "at most 16 (measured): --batch-size 16; with accumulate: 2 " in error  # eight for each of the two


@pytest.mark.parametrize(
    ("room", "accumulate", "said"),
    [
        (
            17,
            1,
            "at most 16 (measured): --batch-size 16; with accumulate: 2 in the recipe it makes the same step",
        ),
        (16, 1, "at most 8 (measured): --batch-size 8; with accumulate: 4 "),  # an epoch may end with 17
        (17, 3, "--batch-size 16; with accumulate: 6 "),
        (2, 1, "not even two samples fit"),
    ],
)
def test_the_batch_that_fits_is_measured(training: Any, room: int, accumulate: int, said: str) -> None:
    error, net = failed(training, room_for(room), settings=TorchSettings(accumulate=accumulate))
    found = "no memory left (CUDA out of memory. Tried to allocate 2.00 GiB.), for a batch of 32 samples"
    assert f"training, epoch 0, batch 0: found {found}; expected" in error
    assert said in error
    assert all(one.grad is None for one in net.parameters())


def test_the_trial_changes_no_weight_and_what_was_kept_stays(training: Any, tmp_path: Path) -> None:
    kept, full, calls = Checkpoints(tmp_path / "kept"), room_for(20), count()
    error, net = failed(  # after two epochs of three batches
        training, lambda size: full(size) if next(calls) >= 6 else None, epochs=4, checkpoints=kept
    )
    assert "training, epoch 2, batch 0" in error
    last = kept.last()
    assert last is not None
    assert [one.epoch for one in last.curve] == [0, 1]
    assert torch.equal(last.states["model"]["net.line.weight"], net.line.weight)
    whole, again = (
        training.run(training.online(None), lambda *of: Net(lambda size: None), epochs=4, checkpoints=one)[0]
        for one in (None, kept)
    )
    assert model_digest(whole) == model_digest(again)


@pytest.mark.parametrize("taken", [lambda n: torch.empty(1 << 60, dtype=torch.uint8), lambda n: np.empty(1 << 50)])
def test_a_processor_is_not_asked_again(training: Any, taken: Callable[[int], object]) -> None:
    """What torch and NumPy say where the system has no memory for them; for a trial it may end the whole process."""
    error, net = failed(training, taken)
    assert "for a batch of 32 samples" in error
    assert "give the training more memory, or choose a smaller --batch-size" in error
    assert net.seen == [32]


def test_validation_may_not_fit_either(training: Any) -> None:
    class Judged(Net):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.seen and not self.training:
                room_for(0)(len(images))
            return super().forward(images)

    error, _ = failed(training, lambda size: None, Judged)
    assert "training, epoch 0, validation: found no memory left (CUDA" in error


def test_what_else_finds_no_memory_is_said_alone() -> None:
    said = r"training on mps: found no memory left \(MPS backend"
    with pytest.raises(TrainingError, match=said), said_of_memory("training on mps", "the network", ""):
        raise RuntimeError("MPS backend out of memory (MPS allocated: 5.50 GB)")
    with pytest.raises(RuntimeError, match="by hand"), said_of_memory("training on mps", "the network", ""):
        raise RuntimeError("by hand")


def test_other_errors_stay_what_they_are(training: Any) -> None:
    def taken(size: int) -> None:
        raise RuntimeError("by hand")

    assert "found RuntimeError: by hand" in failed(training, taken)[0]
