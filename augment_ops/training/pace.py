"""How long a network's step takes: the training loop itself over one batch, for so long as says something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from statistics import median

from augment_ops.delivery.batches import WHOLE, Batch, Share, split_batch

_WARM_UP = 1  # steps that do not count: the first allocates, and chooses its kernels
_LEAST = 3  # steps that count, however long they take
_FIRST = 2  # samples of the first batch that is tried: of fewer, batch normalisation learns nothing
_GROWS = 4  # times the samples that the next one has
_WHOLE = 1_000_000  # batches of an epoch, of which the time leaves a few


@dataclass
class Again:
    """A source that has one batch, again and again, until its time is over.

    Attributes:
        limit_s: how long; longer where so few steps were made in it.
        steps_s: what each step took, from the batch's delivery until the next was asked for.
    """

    batch: Batch
    limit_s: float
    steps_s: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return _WHOLE

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """See `BatchSource`."""
        began = time.perf_counter()
        for number in count():
            given = time.perf_counter()
            yield self.batch
            now = time.perf_counter()
            if number >= _WARM_UP:
                self.steps_s.append(now - given)
            if len(self.steps_s) >= _LEAST and now - began >= self.limit_s:
                return

    def ready(self) -> int | None:
        """See `BatchSource`."""
        return None

    def again(self, processes: int) -> Callable[[], Again]:
        """See `BatchSource`."""
        return partial(Again, self.batch, self.limit_s)

    def close(self) -> None:
        """See `BatchSource`."""


def step_us(train: Callable[[Again], object], batch: Batch, limit_s: float) -> float:
    """Wall time a sample of a training's steps, in microseconds.

    The batch grows to its size only as long as the time has room for it: of a network that takes seconds for a batch,
    a few samples say as much.

    Args:
        train: trains on a source for one epoch.
        batch: as the training will have them.
        limit_s: of the whole measurement, roughly.
    """
    size = min(_FIRST, len(batch.labels))
    while True:
        part = split_batch(batch, [size])[0]
        whole = size == len(batch.labels)
        source = Again(part, limit_s if whole else 0.0)
        train(source)
        took = median(source.steps_s)
        if whole or took * _GROWS * (_WARM_UP + _LEAST) > limit_s:
            return 1e6 * took / size
        size = min(len(batch.labels), size * _GROWS)
