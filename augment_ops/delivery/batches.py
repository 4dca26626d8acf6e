"""Where a trainer's batches come from: one seam, three modes with identical bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.mixing import Mixed
from augment_ops.engine.key import generator, sample_key
from augment_ops.errors import InputError

# Batches ready ahead of the trainer: 2 hide one slow batch, more than 4 only cost memory.
PREFETCH_BATCHES = 4


@dataclass(frozen=True)
class Batch:
    """One batch of training samples.

    Attributes:
        samples: (N, *shape) of the data set's dtype, or of another where the policy rescales them.
        labels: int64 (N,).
        rows: int64 (N,), positions in the training split.
        augment_s: time that augmenting this batch took, in the thread or process that did it.
        mixed: the mixtures that `samples` are, with soft labels and both parents; None where samples are not mixed.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    augment_s: float
    mixed: Mixed | None = None


@dataclass(frozen=True)
class Share:
    """What one of several processes gets of every batch: a stretch of its rows, as long as the others' or one longer.

    Together they have each row of the batch once, in its order. Of a last batch with fewer samples than there are
    processes, some get none.

    Attributes:
        rank: number of the process, from 0; world_size: how many there are.

    Raises:
        InputError: no such rank.
    """

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            found = f"rank {self.rank} of {self.world_size}"
            raise InputError("share of an epoch", found, "a rank from 0 to world_size - 1", "correct the numbers")

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of a batch's rows that are this process's."""
        first, end = (len(rows) * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return rows[first:end]


WHOLE = Share()


class BatchSource(Protocol):
    """Batches of an epoch, in the order that the key gives."""

    def __len__(self) -> int:
        """Batches of an epoch, the same number for every process."""
        ...

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on: (epoch, start) is all the state that a loader has, so a
        training that stopped after batch k of an epoch goes on with `epoch(epoch, k + 1)`.

        Args:
            step: only every so-manieth batch, for one of several readers that share an epoch.
            share: what is delivered of each batch, for one of several processes that train together.
        """
        ...

    def ready(self) -> int | None:
        """How many batches wait for the trainer; None where nothing runs ahead."""
        ...

    def again(self, processes: int) -> Callable[[], BatchSource]:
        """What makes this source again in each of several processes that train together; a pickle of it is small.

        Args:
            processes: how many they are: workers are shared out among them.
        """
        ...

    def close(self) -> None:
        """Release workers and files."""
        ...


def split_batch(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    """Consecutive parts of a batch, views of its arrays; the time is shared out by size."""
    parts, start = [], 0
    for size in sizes:
        rows = slice(start, start + size)
        mixed = None if batch.mixed is None else batch.mixed[rows]
        share = batch.augment_s * size / len(batch.labels)
        parts.append(Batch(batch.samples[rows], batch.labels[rows], batch.rows[rows], share, mixed))
        start += size
    return parts


def epoch_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of an epoch: a permutation of n rows that depends on (seed, epoch) and nothing else."""
    return generator(sample_key("epoch order", seed, epoch)).permutation(n).astype(np.int64)


def batch_rows(seed: int, epoch: int, n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """The rows of each batch of an epoch. The last batch may be smaller, but not a single row where there are more:
    batch normalisation cannot train on one sample, so that row joins the batch before it.
    """
    return in_batches(epoch_order(seed, epoch, n), batch_size)


def in_batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Rows in their order, cut into batches as `batch_rows` says."""
    n = len(order)
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return [order[start:end] for start, end in zip(starts, [*starts[1:], n], strict=True)]
