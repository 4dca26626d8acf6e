"""What augmenting a sample costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError


class Augment(Protocol):
    """What is timed."""

    def __call__(self, samples: NDArray[Any], /, ids: SampleIds, epoch: int = 0) -> NDArray[Any]:
        """Augment a batch."""
        ...


@dataclass(frozen=True)
class Cost:
    """What one sample costs in milliseconds of CPU time, over `n` batches."""

    p50_ms: float
    p95_ms: float
    n: int


def measure_cost(augmenter: Augment, samples: NDArray[Any], *, batches: int = 100, warmup: int = 5) -> Cost:
    """Measure the CPU time per sample of the augmenter, batch by batch, as it is used.

    CPU time and not wall time: a budget must not be exceeded because the machine is busy with something else.

    Args:
        augmenter: what to time.
        samples: (N, *shape), a batch.
        batches: how often it is timed, after `warmup` times that are not (the first may compile).

    Raises:
        InputError: no sample to time on.
    """
    if len(samples) == 0:
        raise InputError("measure_cost: samples", "none", "at least one sample", "give a snapshot that holds samples")
    ids = SampleIds.of(range(len(samples)))
    times = np.empty(batches)
    for i in range(-warmup, batches):
        started = time.thread_time()
        augmenter(samples, ids, epoch=i + warmup)
        if i >= 0:
            times[i] = time.thread_time() - started
    p50, p95 = np.percentile(times * 1e3 / len(samples), [50, 95])
    return Cost(float(p50), float(p95), batches)
