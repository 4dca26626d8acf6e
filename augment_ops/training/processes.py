"""Several processes of this machine train one network: started, listened to, and ended together.

torchrun's launcher does neither end them with this process nor give its signals back (ADR 33).
"""

from __future__ import annotations

import io
import pickle
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING

from augment_ops import scratch
from augment_ops.delivery.batches import BatchSource
from augment_ops.errors import AugmentOpsError, TrainingError
from augment_ops.training.base import Budget, Meters, Progress, Task
from augment_ops.training.children import Ended, hand_over, how_it_ended, messages, start, tail
from augment_ops.training.messages import Failed, Learnt, RankWork, untold
from augment_ops.training.result import EpochMetrics

if TYPE_CHECKING:
    from torch import nn

_OTHERS_S = 5.0  # what the others are given to say how they ended, once one has: its end may be for want of them
_EXPECTED = "a training that comes to its end"
_AGAIN = "run it again: it goes on from the last epoch that was kept"


def train_in_processes(
    model: nn.Module, task: Task, source: BatchSource, budget: Budget, device: str, size: int
) -> tuple[tuple[EpochMetrics, ...], Meters]:
    """Train `model`, as so many processes come to have it, each of which makes it, and `source`, again.

    Args:
        device: `cpu`, or the first of as many GPUs.

    Returns:
        As `augment_ops.training.loop.train`; what it cost is of the first process.

    Raises:
        AugmentOpsError: of the process that failed first, and of its kind; the others were ended.
        TrainingError: a process ended for another reason, or was ended.
    """
    import torch

    with scratch.folder("ranks") as folder:
        again = replace(task, progress=untold)
        work = RankWork(
            task=again,
            source=source.again(size),
            budget=budget,
            device=device,
            size=size,
            meeting=folder / "meeting",
        )
        with _started(pickle.dumps(work), size, folder) as ranks:
            learnt = _heard(ranks, task.progress)
    model.load_state_dict(torch.load(io.BytesIO(learnt.state), weights_only=True))
    return learnt.curve, learnt.meters


@dataclass(frozen=True, eq=False)
class _Rank:
    """A process that was started; `said` has what it prints."""

    number: int
    size: int
    process: subprocess.Popen[bytes]
    connection: Connection
    said: IO[bytes]

    @property
    def name(self) -> str:
        return f"rank {self.number} of {self.size}"


@contextmanager
def _started(work: bytes, size: int, folder: Path) -> Iterator[list[_Rank]]:
    """The processes, which are ended when the block is left, whatever the reason."""
    with ExitStack() as ended:
        ranks = [_start(number, size, folder, ended) for number in range(size)]
        for rank in ranks:
            hand_over(rank.connection, work)
        yield ranks


def _start(number: int, size: int, folder: Path, ended: ExitStack) -> _Rank:
    said = ended.enter_context((folder / f"said-{number}").open("w+b"))
    process, ours = start(
        "augment_ops.training.rank_process", ended, str(number), said=said, environment=_within_this_machine()
    )
    return _Rank(number, size, process, ours, said)


def _within_this_machine() -> dict[str, str]:
    """Where the processes listen for each other: without it, where the machine's name leads."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "")
    return dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), loopback) if loopback else {}


def _heard(ranks: Sequence[_Rank], progress: Progress) -> Learnt:
    """What the first has learnt, once all have come to their end; its epochs are told on the way."""
    learnt: dict[int, Learnt] = {}
    while len(learnt) < len(ranks):
        for rank, message in _messages([rank for rank in ranks if rank.number not in learnt]):
            if isinstance(message, EpochMetrics):
                progress(message)
            elif isinstance(message, Learnt):
                learnt[rank.number] = message
            else:
                raise _error(*_cause(ranks, rank, message))
    return learnt[0]


def _messages(ranks: Sequence[_Rank]) -> Iterator[tuple[_Rank, EpochMetrics | Learnt | Failed]]:
    """See `messages`; of one that ended without a word, how it ended."""
    for rank, message in messages(ranks):
        yield rank, _without_a_word(rank, message) if isinstance(message, Ended) else message


def _without_a_word(rank: _Rank, ended: Ended) -> Failed:
    return Failed(text=f"{how_it_ended(rank.process, ended)}; {tail(rank.said)}")


def _cause(ranks: Sequence[_Rank], rank: _Rank, failed: Failed) -> tuple[_Rank, Failed]:
    """What the end of all began with: who was ended comes before who failed, and last who had no answer of others."""
    found, until = [(rank, failed)], time.monotonic() + _OTHERS_S
    while len(found) < len(ranks) and time.monotonic() < until:
        heard = {one for one, _ in found}
        found += [
            (one, said)
            for one, said in _messages([one for one in ranks if one not in heard])
            if isinstance(said, Failed)
        ]
    return min(found, key=lambda one: (one[1].elsewhere, bool(one[1].error or one[1].traceback)))


def _error(rank: _Rank, failed: Failed) -> AugmentOpsError:
    """To be raised in this process."""
    error = failed.error
    if error is not None:
        faults = [replace(fault, where=f"{rank.name}: {fault.where}") for fault in error.faults]
        if error.file:
            return type(error).of(error.file, faults)
        (fault,) = faults
        return type(error)(fault.where, fault.found, fault.expected, fault.fix)
    if failed.elsewhere:
        return TrainingError(rank.name, f"no answer from the others: {failed.text}", _EXPECTED, _AGAIN)
    raised = TrainingError(f"training, {rank.name}", failed.text, _EXPECTED, _fix(failed))
    raised.__cause__ = RuntimeError(failed.traceback) if failed.traceback else None
    return raised


def _fix(failed: Failed) -> str:
    if failed.traceback:
        return "correct what it names; with a model of your own, look there"
    return f"see what ended it (the kernel's log has a want of memory); then {_AGAIN}"
