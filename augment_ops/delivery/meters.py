"""What delivery costs a trainer: time spent waiting, time per sample, batches ready, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

from augment_ops.delivery.batches import PREFETCH_BATCHES, Batch, BatchSource

IDLE_SHARE = 0.05  # of the wall time: a trainer that waits longer is slowed down noticeably by its data
_TAKEN = 0.5  # of a core: what others take beyond that is felt
_KEPT_UP = 0.5  # of the prefetch: with more batches ready on average, waits are bursts, not lack of speed


@dataclass(frozen=True)
class DeliveryMeters:
    """Delivery over a whole training.

    Attributes:
        data_wait_share: share of the wall time in which the trainer waited for a batch, 0 to 1.
        augment_p50_ms, augment_p90_ms, augment_p95_ms, augment_p99_ms: augmentation time per sample, over batches; 0
            where nothing is applied.
        queue_depth: batches ready when the trainer asked for one, on average; None where nothing runs ahead.
    """

    data_wait_share: float
    augment_p50_ms: float
    augment_p90_ms: float
    augment_p95_ms: float
    augment_p99_ms: float
    queue_depth: float | None


@dataclass
class WaitMeter:
    """Measures how long the trainer waits for its batches.

    Attributes:
        wait_s: seconds spent waiting.
        per_sample_ms: augmentation time per sample of each batch, in milliseconds.
        depths: batches ready whenever one was asked for.
    """

    wait_s: float = 0.0
    per_sample_ms: list[float] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)

    def watch(self, source: BatchSource, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass the batches of a source on, timing how long each one let its consumer wait."""
        while True:
            depth = source.ready()
            started = time.perf_counter()
            batch = next(batches, None)
            self.wait_s += time.perf_counter() - started
            if batch is None:
                return
            if depth is not None:
                self.depths.append(depth)
            if len(batch.labels):
                self.per_sample_ms.append(1e3 * batch.augment_s / len(batch.labels))
            yield batch

    def add(self, other: WaitMeter) -> None:
        """Count what another meter measured."""
        self.wait_s += other.wait_s
        self.per_sample_ms += other.per_sample_ms
        self.depths += other.depths

    def result(self, wall_s: float) -> DeliveryMeters:
        """The figures over `wall_s` seconds."""
        p50, p90, p95, p99 = np.percentile(self.per_sample_ms or [0.0], [50, 90, 95, 99]).tolist()
        depth = float(np.mean(self.depths)) if self.depths else None
        return DeliveryMeters(self.wait_s / wall_s, p50, p90, p95, p99, depth)


class OtherWork:
    """Measures, from its making on, how many cores of this machine others than one family of processes keep busy.

    Args:
        head: process that the family comes from, with all that it started.
    """

    def __init__(self, head: int) -> None:
        self._head = psutil.Process(head)
        self._started, self._others = time.perf_counter(), self._seconds()

    def cores(self) -> float:
        """Cores that they kept busy on average."""
        return max(0.0, (self._seconds() - self._others) / (time.perf_counter() - self._started))

    def _seconds(self) -> float:
        """Processor seconds of theirs since the machine started."""
        whole = psutil.cpu_times()
        total = whole.user + whole.system + getattr(whole, "nice", 0.0)
        for one in (self._head, *self._head.children(recursive=True)):
            with suppress(psutil.Error):  # it has just ended
                times = one.cpu_times()
                total -= times.user + times.system + times.children_user + times.children_system  # that have ended
        return float(total)


def advice(
    meters: DeliveryMeters, *, workers: int, cores: int, taken: float = 0.0, prefetch: int = PREFETCH_BATCHES
) -> str:
    """What holds the training back and what to do about it, in one sentence.

    Args:
        workers: threads or processes that augment.
        cores: that this process may use; taken: how many of the machine others kept busy.
        prefetch: batches asked for ahead of the trainer.
    """
    share = f"{meters.data_wait_share:.1%} of the training was spent waiting for data"
    if meters.data_wait_share <= IDLE_SHARE:
        return f"Not held back by data: {share}."
    if workers == 0:
        return f"{share}: nothing runs ahead of the trainer; set workers to 1 or more."
    if meters.queue_depth is not None and meters.queue_depth > _KEPT_UP * prefetch:
        return (
            f"{share} although batches were ready: some are much slower than others; a bigger prefetch "
            f"({2 * prefetch} batches in place of {prefetch}) or smaller batches bridge them."
        )
    if taken > _TAKEN and cores - taken < workers + 1:
        return (
            f"{share} while other processes kept {taken:.1f} of {cores} cores busy, which leaves too few for a trainer "
            f"and {workers} worker{'s' * (workers > 1)}; train on a quieter or larger machine."
        )
    if workers < cores:
        return f"{share}: augmentation is too slow for this trainer; set workers to {min(cores, 2 * workers)}."
    return f"{share} with every core at work; write the augmented shards beforehand (delivery: offline)."
