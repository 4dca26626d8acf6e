"""Online delivery: augment while training, in worker processes that run ahead of the trainer.

What a worker returns depends on (epoch, rows) alone, which travel in the request: workers hold no random state that
could repeat between epochs or between each other (the classic failure of this design).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.batches import PREFETCH_BATCHES, Batch, batch_rows
from augment_ops.engine.augmenter import Augmenter
from augment_ops.errors import AugmentOpsError

Request = tuple[int, NDArray[np.int64]]


class OnlineBatches:
    """Batches of a split, augmented on the way.

    Args:
        images: uint8 (N, H, W, C), usually memory-mapped; workers share it.
        labels: int64 (N,).
        ids: N sample ids.
        augmenter: None trains on the originals (the control).
        seed: decides the order of the epochs.
        workers: processes that augment; 0 augments in the trainer's own process.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        ids: tuple[str, ...],
        augmenter: Augmenter | None,
        *,
        seed: int,
        batch_size: int,
        workers: int,
    ) -> None:
        self._labels = labels
        self._seed = seed
        self._batch_size = batch_size
        self._dataset: Any = _Requests(images, labels, ids, augmenter)  # a Dataset to torch, by its __getitem__
        self._requests = _Schedule()
        self._loader = self._start(workers) if workers else None
        self._batches: Any = None  # torch's iterator, which owns the workers

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """All batches of one epoch."""
        rows = batch_rows(self._seed, epoch, len(self._labels), self._batch_size)
        self._requests.requests = [(epoch, r) for r in rows]
        if self._loader is None:
            return map(_delivered, map(self._dataset.__getitem__, self._requests))
        self._batches = iter(self._loader)
        return map(_delivered, self._batches)

    def close(self) -> None:
        """End the workers, even while somebody (a traceback, say) still holds an iterator over batches."""
        if self._batches is not None:
            self._batches._shutdown_workers()
        self._batches = self._loader = None

    def _start(self, workers: int) -> Any:
        import torch
        from torch.utils.data import DataLoader

        # Here too, before the workers are forked: a child of a process whose OpenCV has threads hangs in this call.
        _one_thread()
        return DataLoader(
            self._dataset,
            batch_size=None,  # a request is a whole batch
            sampler=self._requests,
            num_workers=workers,
            prefetch_factor=max(2, PREFETCH_BATCHES // workers),
            persistent_workers=True,
            collate_fn=_as_is,
            worker_init_fn=_one_thread,  # for workers that are spawned
            # DataLoader draws its workers' seeds from torch's global stream unless given another, and so would change
            # the trainer's dropout with the number of workers. Nothing here uses those seeds.
            generator=torch.Generator(),
        )


class _Schedule:
    """The requests of the coming epoch, in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)

    def __len__(self) -> int:
        return len(self.requests)


class _Requests:
    """Answers a request with its batch, or with the error that prevents it; runs in the workers.

    An error travels as a value because torch makes a RuntimeError of one whose constructor takes other arguments than
    a text.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        ids: tuple[str, ...],
        augmenter: Augmenter | None,
    ) -> None:
        self._images, self._labels, self._ids, self._augmenter = images, labels, ids, augmenter

    def __getitem__(self, request: Request) -> Batch | AugmentOpsError:
        epoch, rows = request
        images = np.ascontiguousarray(self._images[rows])
        if self._augmenter is None:
            return Batch(images, self._labels[rows], rows, 0.0)
        started = time.perf_counter()
        try:
            images = self._augmenter(images, [self._ids[row] for row in rows], epoch)
        except AugmentOpsError as error:
            return error
        return Batch(images, self._labels[rows], rows, time.perf_counter() - started)


def _delivered(answer: Batch | AugmentOpsError) -> Batch:
    if isinstance(answer, AugmentOpsError):
        raise answer
    return answer


def _as_is(answer: Any) -> Any:
    return answer


def _one_thread(_worker: int = 0) -> None:
    import cv2

    cv2.setNumThreads(1)  # the workers are the parallelism; OpenCV's own threads would fight them for the cores
