"""Two processes on the processor, for real: they come to the weights of one, and one that ends is told of."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.online import OnlineBatches
from augment_ops.errors import StoreError, TrainingError
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.children import end
from augment_ops.training.export import model_digest
from augment_ops.training.messages import Failed
from augment_ops.training.processes import _heard, _Rank, train_in_processes
from augment_ops.training.torch_settings import EarlyStopping, Optimizer, TorchSettings
from augment_ops.training.torch_trainer import learn, made_ready

BATCH = 33  # of 97 samples: shares of 16 and 17, and of 15 and 16 in the last
SETTINGS = TorchSettings(
    optimizer=Optimizer(name="sgd", learning_rate=0.05, momentum=0.9), average=0.9, processes=2,
    early_stopping=EarlyStopping(patience=9),
)  # fmt: skip


def learnt(
    training: Any, processes: int, progress: Callable[[Any], Any], *, epochs: int = 3, folder: Path | None = None
) -> tuple[Any, Any]:
    """The network in the end, and the curve."""
    whole = Labelled(ArrayPayload(training.images), training.labels)
    task = Task(
        modality="image", classes=("a", "b", "c"), train=whole, validation=whole, augmented=True,
        class_weight="balanced", model="support.networks:without_dropout", progress=progress,
        unfinished=folder,
    )  # fmt: skip
    budget = Budget(epochs, BATCH, 7, SETTINGS)
    source = OnlineBatches(
        training.images, training.labels, training.ids, training.augmenter(), seed=7, batch_size=BATCH, workers=1
    )
    model = made_ready(task, budget, "cpu").model
    try:
        if processes == 1:
            curve, _ = learn(model, task, source, budget, "cpu")
        else:
            curve, _ = train_in_processes(model, task, source, budget, "cpu", processes)
    finally:
        source.close()
    return model, curve


def test_two_come_to_the_weights_of_one(training) -> None:
    told: list[Any] = []
    model, curve = learnt(training, 2, told.append)
    alone, expected = learnt(training, 1, lambda metrics: None)
    torch.testing.assert_close(model.state_dict(), alone.state_dict(), rtol=1e-4, atol=1e-5)
    assert tuple(told) == curve
    for one, other in zip(curve, expected, strict=True):
        assert (one.train_loss, one.validation_loss) == pytest.approx((other.train_loss, other.validation_loss), 1e-5)
        assert one.train_accuracy == other.train_accuracy


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., list[_Rank]]]:
    """Commands that stand for processes of a training, each with what it sends before it ends."""
    made: list[_Rank] = []
    loaders: list[Connection] = []  # ends of connections that loader workers of theirs have as well

    def start(*commands: tuple[str, Failed | None], held: bool = False) -> list[_Rank]:
        for number, (command, message) in enumerate(commands):
            ours, theirs = Pipe()
            process = subprocess.Popen(["sh", "-c", command], start_new_session=True)
            made.append(_Rank(number, len(commands), process, ours, (tmp_path / str(number)).open("w+b")))
            if message is not None:
                theirs.send(message)
            if held:
                loaders.append(theirs)
            else:
                theirs.close()
        return made

    yield start
    for rank in made:
        end(rank.process)
        rank.connection.close()
        rank.said.close()
    for one in loaders:
        one.close()


WAITS_IN_VAIN = Failed(text="Connection closed by peer", elsewhere=True)
FAULTY = Failed(error=StoreError("shard 3", "other bytes", "its own", "ingest again"))


@pytest.mark.parametrize(
    ("second", "error", "said"),
    [
        (("sleep 60", FAULTY), StoreError, "rank 1 of 2: shard 3: found other bytes"),
        (("kill -9 $$", None), TrainingError, "rank 1 of 2: found it was ended by SIGKILL"),
        (("sleep 60", Failed(text="ValueError: no", traceback="…")), TrainingError, "rank 1 of 2: found ValueError"),
        (("sleep 60", WAITS_IN_VAIN), TrainingError, "rank 0 of 2: found no answer from the others"),
    ],
)
def test_what_the_others_say_for_want_of_it_hides_no_cause(started, second, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        _heard(started(("sleep 60", WAITS_IN_VAIN), second), lambda metrics: None)


def test_who_was_ended_is_the_cause_whatever_another_makes_of_it(started) -> None:
    with pytest.raises(TrainingError, match=r"rank 1 of 2: found it ended with 3; it said nothing"):
        _heard(started(("sleep 60", FAULTY), ("exit 3", None), held=True), lambda metrics: None)


def ranks() -> list[psutil.Process]:
    """Those of this process, in their order."""
    found = psutil.Process().children()
    return sorted(
        (one for one in found if "rank_process" in " ".join(one.cmdline())), key=lambda one: one.cmdline()[-1]
    )


@pytest.mark.slow
def test_whoever_is_killed_the_training_goes_on_to_the_same_weights(training, tmp_path: Path) -> None:
    """First the process that started the others, which leave nothing behind, then one of the others."""
    kept, seen = Checkpoints(tmp_path / "kept"), tmp_path / "seen"
    how: dict[str, Any] = {"epochs": 30, "folder": kept.folder}  # none is done with them before it is killed

    def kill_this(metrics: Any) -> None:
        if metrics.epoch == 1:
            seen.write_text(" ".join(str(one.pid) for one in ranks()))
            os.kill(os.getpid(), signal.SIGKILL)

    def kill_the_second(metrics: Any) -> None:
        if not told:
            ranks()[1].kill()
        told.append(metrics)

    told: list[Any] = []
    child = os.fork()
    if child == 0:
        try:
            learnt(training, 2, kill_this, **how)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = [psutil.Process(int(pid)) for pid in seen.read_text().split() if psutil.pid_exists(int(pid))]
    assert psutil.wait_procs(left, timeout=30)[1] == []

    with pytest.raises(TrainingError, match=r"training, rank 1 of 2: found it was ended by SIGKILL"):
        learnt(training, 2, kill_the_second, **how)
    assert ranks() == []

    first: list[int] = []
    model, curve = learnt(training, 2, lambda metrics: first.append(metrics.epoch), **how)
    whole, expected = learnt(training, 2, lambda metrics: None, epochs=30)
    assert first[0] > 0
    assert model_digest(model) == model_digest(whole)
    assert [one.train_loss for one in curve] == [one.train_loss for one in expected]
