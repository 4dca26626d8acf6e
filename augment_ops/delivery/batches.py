"""Where a trainer's batches come from: one seam, two modes with identical bytes, and the meters on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import generator, sample_key

# Batches ready ahead of the trainer: 2 hide one slow batch, more than 4 only cost memory.
PREFETCH_BATCHES = 4


@dataclass(frozen=True)
class Batch:
    """One batch of training samples.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,).
        rows: int64 (N,), positions in the training split.
        augment_s: time that augmenting this batch took, in the process that did it.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    augment_s: float


class BatchSource(Protocol):
    """Batches of an epoch, in the order that the key gives."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """All batches of one epoch."""
        ...

    def close(self) -> None:
        """Release workers and files."""
        ...


def epoch_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of an epoch: a permutation of n rows that depends on (seed, epoch) and nothing else."""
    return generator(sample_key("epoch order", seed, epoch)).permutation(n).astype(np.int64)


def batch_rows(seed: int, epoch: int, n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """The rows of each batch of an epoch. The last batch may be smaller, but not a single row where there are more:
    batch normalisation cannot train on one sample, so that row joins the batch before it.
    """
    order = epoch_order(seed, epoch, n)
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return [order[start:end] for start, end in zip(starts, [*starts[1:], n], strict=True)]


@dataclass
class WaitMeter:
    """Measures the share of time in which the trainer waits for its next batch.

    Attributes:
        wait_s: seconds spent waiting.
        per_sample_ms: augmentation time per sample of each batch, in milliseconds.
    """

    wait_s: float = 0.0
    per_sample_ms: list[float] = field(default_factory=list)

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass the batches on, timing how long each one let its consumer wait."""
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.wait_s += time.perf_counter() - started
            if batch is None:
                return
            self.per_sample_ms.append(1e3 * batch.augment_s / len(batch.labels))
            yield batch

    def percentiles(self) -> tuple[float, float]:
        """p50 and p95 of the augmentation time per sample, in milliseconds; zeros where nothing was measured."""
        if not self.per_sample_ms:
            return 0.0, 0.0
        p50, p95 = np.percentile(self.per_sample_ms, [50, 95])
        return float(p50), float(p95)
