"""How fast samples come, measured as they are delivered: for so long as says something, with nobody training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from statistics import median

import numpy as np

from augment_ops.data.blobs import temporary_file
from augment_ops.data.payload import FilePayload
from augment_ops.data.store import Store
from augment_ops.delivery.batches import Batch, BatchSource
from augment_ops.delivery.choice import Rate
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.on_device import TensorAugmenter
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.source import Samples

LIMIT_S = 0.4  # of each measurement: long beside a batch of most policies, short beside any training
_WINDOWS = 3  # the median of which counts: one hiccup of the machine does not
_LEAST = 2  # batches of a window, however long they take


def sample_us(source: BatchSource, limit_s: float = LIMIT_S) -> float:
    """Wall time a sample of a source, in microseconds; what starts up with the first batch does not count.

    Args:
        limit_s: how long it is looked at, from the first batch on; longer where so little comes in it.
    """
    arrivals: list[tuple[float, int]] = []
    for batch in _endless(source):
        now = time.perf_counter()
        arrivals.append((now, len(batch.labels)))
        if len(arrivals) > _WINDOWS * _LEAST and now - arrivals[0][0] >= limit_s:
            break
    ends = [round(i * (len(arrivals) - 1) / _WINDOWS) for i in range(_WINDOWS + 1)]
    return median(
        1e6 * (arrivals[end][0] - arrivals[first][0]) / sum(n for _, n in arrivals[first + 1 : end + 1])
        for first, end in pairwise(ends)
    )


def _endless(source: BatchSource) -> Iterator[Batch]:
    for epoch in count():
        yield from source.epoch(epoch)


def loops(
    source: Callable[[int], BatchSource],
    workers: Sequence[int],
    enough: Callable[[Rate], bool],
    limit_s: float = LIMIT_S,
) -> tuple[Rate, ...]:
    """What a sample takes with more and more workers, until they are enough.

    Args:
        source: number of workers → batches made by them; closed again.
        workers: the numbers that are tried.
    """
    found: list[Rate] = []
    for number in workers:
        made = source(number)
        try:
            found.append(Rate(number, sample_us(made, limit_s)))
        finally:
            made.close()
        if enough(found[-1]):
            break
    return tuple(found)


def numbers_of_workers(asked: int, free: int) -> tuple[int, ...]:
    """The numbers of workers to try: from what is asked for, doubled, to one for each core that is free.

    >>> numbers_of_workers(1, 15), numbers_of_workers(0, 1), numbers_of_workers(4, 1)
    ((1, 2, 4, 8, 15), (0, 1), (4,))
    """
    found = [asked]
    while found[-1] < free:
        found.append(min(free, max(1, 2 * found[-1])))
    return tuple(found)


def tensors_us(
    augmenter: TensorAugmenter, samples: Samples, ids: SampleIds, device: str, limit_s: float = LIMIT_S
) -> float:
    """Wall time a sample of augmenting a batch that lies on a device, in microseconds.

    Args:
        samples: (N, *shape), a batch.
        device: as torch names it.
    """
    import torch

    there = torch.from_numpy(samples).to(device)

    def once(epoch: int) -> None:
        augmenter.tensors(there, ids, epoch)
        if there.is_cuda:  # else it returns before anything is done
            torch.cuda.synchronize(there.device)

    return _repeated(once, limit_s) / len(samples)


def read_us(store: Store, samples: Samples, n: int, mixer: Mixer | None, batch_size: int, limit_s: float) -> float:
    """Wall time to read a sample of a shard, and to mix it where the policy does, in microseconds.

    The file is as young as shards that were just written, and read from the same memory.

    Args:
        samples: augmented ones, of which a small shard is written.
        n: samples of the split, whose rows are asked for.
    """
    with temporary_file(store.scratch) as path:
        path.write_bytes(np.ascontiguousarray(samples).tobytes())
        shard = FilePayload(path, len(samples), samples.shape[1:], samples.dtype)

        def take(rows: np.ndarray) -> Samples:
            return shard.take(rows % len(samples))

        def once(number: int) -> None:
            rows = (number * batch_size + np.arange(min(batch_size, n), dtype=np.int64)) % n
            if mixer is None:
                take(rows)
            else:
                mixer(rows, 0, take)

        return _repeated(once, limit_s) / min(batch_size, n)


def _repeated(once: Callable[[int], None], limit_s: float) -> float:
    """Median of what one call takes, in microseconds; the first, which may compile, does not count."""
    once(0)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < _WINDOWS or time.perf_counter() - began < limit_s:
        started = time.perf_counter()
        once(len(times) + 1)
        times.append(1e6 * (time.perf_counter() - started))
    return median(times)
