"""What goes between a training and its processes (`processes.py`, `rank_process.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from augment_ops.delivery.batches import BatchSource
from augment_ops.errors import AugmentOpsError
from augment_ops.training.base import Budget, Meters, Task
from augment_ops.training.result import EpochMetrics


@dataclass(frozen=True, kw_only=True)
class RankWork:
    """What each process is given; where its modules are found is told it before, so that this can be read.

    Attributes:
        task: as the trainer has it, but for its `progress`.
        source: makes what delivers the batches.
        device: of the training; on GPUs a process takes the one of its number.
        size: how many processes there are; meeting: the file by which they find each other.
    """

    task: Task
    source: Callable[[], BatchSource]
    budget: Budget
    device: str
    size: int
    meeting: Path


@dataclass(frozen=True)
class Learnt:
    """What a process has in the end, and all have the same.

    Attributes:
        state: `state_dict` of the network, as `torch.save` writes it.
    """

    curve: tuple[EpochMetrics, ...]
    meters: Meters
    state: bytes


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why a process ended.

    Attributes:
        error: raised on purpose; None for any other, which `text` names and `traceback` shows.
        elsewhere: whether it lies with another process, of which this one had no answer.
    """

    error: AugmentOpsError | None = None
    text: str = ""
    traceback: str = ""
    elsewhere: bool = False


Message = EpochMetrics | Learnt | Failed  # an epoch of the first process; the end of any


def untold(metrics: EpochMetrics) -> None:
    """What a process does of an epoch that another tells of."""
