"""Online delivery: augment while training, in workers that run ahead of the trainer.

What a worker returns depends on (epoch, rows) alone, which travel in the request: workers hold no random state that
could repeat between epochs or between each other (the classic failure of this design). Compiled policies run in
threads, because their loops release the GIL and threads share memory; policies that go through albumentations hold the
GIL, so they run in processes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.batches import PREFETCH_BATCHES, Batch, batch_rows
from augment_ops.delivery.mixing import Mixer
from augment_ops.engine.augmenter import Augmenter
from augment_ops.engine.key import SampleIds
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
        workers: threads or processes that augment; 0 augments when the trainer asks.
        kind: what the workers are; `auto` takes threads unless the policy goes through albumentations.
        mixer: MixUp or CutMix after the augmentation.
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
        kind: Literal["auto", "threads", "processes"] = "auto",
        mixer: Mixer | None = None,
    ) -> None:
        self._n = len(labels)
        self._seed = seed
        self._batch_size = batch_size
        answer = _Answers(images, labels, SampleIds.of(ids), augmenter, mixer)
        if kind == "auto":
            kind = "processes" if augmenter is not None and augmenter.plan.uses_albumentations else "threads"
        self._workers: _Workers
        if workers == 0:
            self._workers = _Nobody(answer)
        elif kind == "threads":
            self._workers = _Threads(answer, workers)
        else:
            self._workers = _Processes(answer, workers)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on."""
        rows = batch_rows(self._seed, epoch, self._n, self._batch_size)
        return map(_delivered, self._workers.serve([(epoch, r) for r in rows[start:]]))

    def ready(self) -> int | None:
        """How many batches wait for the trainer; None where nothing runs ahead."""
        return self._workers.ready()

    def close(self) -> None:
        """End the workers, even while somebody (a traceback, say) still holds an iterator over batches."""
        self._workers.close()


class _Answers:
    """Answers a request with its batch, or with the error that prevents it; runs in the workers.

    An error travels as a value because torch makes a RuntimeError of one whose constructor takes other arguments than
    a text.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        ids: SampleIds,
        augmenter: Augmenter | None,
        mixer: Mixer | None,
    ) -> None:
        self._images, self._labels, self._ids, self._augmenter = images, labels, ids, augmenter
        self._mixer = mixer

    def __getitem__(self, request: Request) -> Batch | AugmentOpsError:  # what makes it a Dataset to torch
        epoch, rows = request
        started = time.perf_counter()
        try:
            if self._mixer is None:
                images, mixed = self._augmented(rows, epoch), None
            else:
                mixed = self._mixer(rows, epoch, lambda needed: self._augmented(needed, epoch))
                images = mixed.images
        except AugmentOpsError as error:
            return error
        elapsed = 0.0 if self._augmenter is None and mixed is None else time.perf_counter() - started
        return Batch(images, self._labels[rows], rows, elapsed, mixed)

    def _augmented(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        images = np.ascontiguousarray(self._images[rows])
        return images if self._augmenter is None else self._augmenter(images, self._ids[rows], epoch)


Answer = Batch | AugmentOpsError


class _Workers(Protocol):
    """Those who answer requests, in order."""

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]: ...

    def ready(self) -> int | None: ...

    def close(self) -> None: ...


class _Nobody:
    """The trainer augments for itself."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]:
        return map(self._answers.__getitem__, requests)

    def ready(self) -> int | None:
        return None

    def close(self) -> None:
        return


class _Threads:
    def __init__(self, answers: _Answers, workers: int) -> None:
        self._answers = answers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="augment")
        self._pending: deque[Future[Answer]] = deque()

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]:
        self._drop()  # of an epoch that was left midway
        coming = iter(requests)
        pending = self._pending
        pending.extend(self._pool.submit(self._answers.__getitem__, r) for r in islice(coming, PREFETCH_BATCHES))

        def answers() -> Iterator[Answer]:
            while pending:
                answer = pending.popleft().result()
                pending.extend(self._pool.submit(self._answers.__getitem__, r) for r in islice(coming, 1))
                yield answer

        return answers()

    def ready(self) -> int | None:
        return sum(future.done() for future in self._pending)

    def close(self) -> None:
        self._drop()
        self._pool.shutdown(wait=True)

    def _drop(self) -> None:
        for future in self._pending:
            future.cancel()
        # Another epoch must not find these, nor the old iterator the new ones.
        self._pending = deque()


class _Processes:
    """torch's worker processes, which live as long as the source."""

    def __init__(self, answers: _Answers, workers: int) -> None:
        import torch
        from torch.utils.data import DataLoader

        # Here too, before the workers are forked: a child of a process whose OpenCV has threads hangs in this call.
        _one_thread()
        self._schedule = _Schedule()
        dataset: Any = answers
        self._loader: Any = DataLoader(
            dataset,
            batch_size=None,  # a request is a whole batch
            sampler=self._schedule,
            num_workers=workers,
            prefetch_factor=max(2, PREFETCH_BATCHES // workers),
            persistent_workers=True,
            collate_fn=_as_is,
            worker_init_fn=_one_thread,  # for workers that are spawned
            # DataLoader draws its workers' seeds from torch's global stream unless given another, and so would change
            # the trainer's dropout with the number of workers. Nothing here uses those seeds.
            generator=torch.Generator(),
        )
        self._batches: Any = None  # torch's iterator, which owns the workers

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]:
        self._schedule.requests = requests
        self._batches = iter(self._loader)
        batches: Iterator[Answer] = self._batches
        return batches

    def ready(self) -> int | None:
        return None if self._batches is None else int(self._batches._data_queue.qsize())

    def close(self) -> None:
        if self._batches is not None:
            self._batches._shutdown_workers()
        self._batches = self._loader = None


class _Schedule:
    """The requests of the coming epoch, in order."""

    def __init__(self) -> None:
        self.requests: Sequence[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)

    def __len__(self) -> int:
        return len(self.requests)


def _delivered(answer: Answer) -> Batch:
    if isinstance(answer, AugmentOpsError):
        raise answer
    return answer


def _as_is(answer: Any) -> Any:
    return answer


def _one_thread(_worker: int = 0) -> None:
    import cv2

    cv2.setNumThreads(1)  # the workers are the parallelism; OpenCV's own threads would fight them for the cores
