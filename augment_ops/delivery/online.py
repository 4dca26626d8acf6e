"""Online delivery: augment while training, in workers that run ahead of the trainer.

What a worker returns depends on (epoch, rows) alone, which travel in the request: workers hold no random state that
could repeat between epochs or between each other (the classic failure of this design). Compiled policies run in
threads, because their loops release the GIL and threads share memory; policies that go through albumentations hold the
GIL, so they run in processes.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import SamplesOrPayload, payload_of
from augment_ops.delivery.arguments import check_batch_size, check_counts, whole_labels
from augment_ops.delivery.batches import PREFETCH_BATCHES, WHOLE, Batch, Share, split_batch
from augment_ops.delivery.handover import handed_over
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.order import Order
from augment_ops.engine.key import SampleIds
from augment_ops.errors import AugmentOpsError, InputError
from augment_ops.extras import require
from augment_ops.modalities.base import Payload
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples

Request = tuple[int, NDArray[np.int64]]

# A thread augments consecutive small batches in one call, up to so many samples and bytes: what the interpreter does
# for a call, under its lock while other threads wait, is 39% of 256 images of 32x32x3, and 20% of 1,024.
_AT_ONCE, _AT_ONCE_BYTES = 2048, 8 << 20


class OnlineBatches:
    """Batches of a split, augmented on the way.

    Args:
        samples: (N, *shape), or a `Payload` of them; workers share it, and read a batch at a time.
        labels: int64 (N,).
        ids: N sample ids.
        augmenter: None trains on the originals (the control).
        seed: decides the order of the epochs.
        workers: threads or processes that augment; 0 augments when the trainer asks.
        kind: what the workers are; `auto` takes threads unless the augmenter holds the interpreter.
        mixer: MixUp or CutMix after the augmentation.
        prefetch: how many batches are asked for ahead of the trainer, at least one a worker; small ones that a thread
            augments together count as one.
        classes: how many there are, where that is known: a label beyond them is refused.
        balanced: whether every class comes equally often, see `Order`.

    Attributes:
        n: number of samples; labels, mixer: as given; order: of the epochs.

    Raises:
        InputError: counts that differ, labels that are no classes, ids that repeat, no sample, no batch size, fewer
            workers than none, or no batch ahead.
    """

    def __init__(
        self,
        samples: SamplesOrPayload,
        labels: NDArray[np.int64],
        ids: tuple[str, ...],
        augmenter: BatchAugmenter | None,
        *,
        seed: int,
        batch_size: int,
        workers: int,
        kind: Literal["auto", "threads", "processes"] = "auto",
        mixer: Mixer | None = None,
        prefetch: int = PREFETCH_BATCHES,
        classes: int | None = None,
        balanced: bool = False,
    ) -> None:
        if workers < 0 or prefetch < 1:
            raise InputError(
                "OnlineBatches",
                f"{workers} workers, {prefetch} batches ahead",
                "0 or more, and 1 or more",
                "correct the numbers",
            )
        mixed = {} if mixer is None else {"samples to mix": mixer}
        self.n = check_counts("OnlineBatches", {"samples": samples, "labels": labels, "ids": ids, **mixed})
        self.labels = whole_labels("OnlineBatches", labels, classes)
        check_batch_size("OnlineBatches", batch_size)
        self.order = Order(seed=seed, labels=self.labels, batch_size=batch_size, balanced=balanced)
        self.mixer = mixer
        payload = payload_of(samples)
        self._again = partial(
            OnlineBatches, payload, self.labels, ids, augmenter, seed=seed, batch_size=batch_size, kind=kind,
            mixer=mixer, prefetch=prefetch, classes=classes, balanced=balanced,
        )  # fmt: skip
        self._number = workers
        answer = _Answers(payload, self.labels, SampleIds.of(ids), augmenter, mixer)
        if kind == "auto":
            kind = "processes" if augmenter is not None and augmenter.holds_the_interpreter else "threads"
        self._workers: _Workers
        if workers == 0:
            self._workers = _Nobody(answer)
        elif kind == "threads":
            self._workers = _Threads(answer, workers, prefetch)
        else:
            self._workers = _Processes(answer, workers, prefetch)

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on, every `step`-th, as far as they are the share's."""
        rows = self.order.rows(epoch, start, step, share)
        return map(_delivered, self._workers.serve([(epoch, r) for r in rows]))

    def warm_up(self) -> None:
        """Have a thread read the engine's loops now, a second's work, while the trainer is still being made.

        Nothing waits for it. No process should be forked meanwhile; workers that are processes start with an epoch.
        """
        if isinstance(self._workers, _Threads):
            self._workers.warm_up()

    def ready(self) -> int | None:
        """How many batches wait for the trainer; None where nothing runs ahead."""
        return self._workers.ready()

    def again(self, processes: int) -> Callable[[], OnlineBatches]:
        """See `BatchSource`; it is warmed up when it is made."""
        return partial(_warmed_up, partial(self._again, workers=-(-self._number // processes)))

    def close(self) -> None:
        """End the workers, even while somebody (a traceback, say) still holds an iterator over batches."""
        self._workers.close()


def _warmed_up(make: Callable[[], OnlineBatches]) -> OnlineBatches:
    made = make()
    made.warm_up()
    return made


class _Answers:
    """Answers a request with its batch, or with the error that prevents it; runs in the workers.

    An error travels as a value because torch makes a RuntimeError of one whose constructor takes other arguments than
    a text.
    """

    def __init__(
        self,
        samples: Payload,
        labels: NDArray[np.int64],
        ids: SampleIds,
        augmenter: BatchAugmenter | None,
        mixer: Mixer | None,
    ) -> None:
        self._samples, self._labels, self._ids, self._augmenter = samples, labels, ids, augmenter
        self._mixer, self._sample_bytes = mixer, samples.dtype.itemsize * int(np.prod(samples.shape))

    def __getitem__(self, request: Request) -> Batch | AugmentOpsError:  # what makes it a Dataset to torch
        epoch, rows = request
        started = time.perf_counter()
        try:
            if self._mixer is None:
                samples, mixed = self._augmented(rows, epoch), None
            else:
                mixed = self._mixer(rows, epoch, lambda needed: self._augmented(needed, epoch))
                samples = mixed.samples
        except AugmentOpsError as error:
            return error
        elapsed = 0.0 if self._augmenter is None and mixed is None else time.perf_counter() - started
        return Batch(samples, self._labels[rows], rows, elapsed, mixed)

    def together(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """Answer requests of one epoch in one call: the same bytes, since no sample depends on its batch."""
        if len(requests) > 1:
            whole = self[requests[0][0], np.concatenate([rows for _, rows in requests])]
            if isinstance(whole, Batch):
                return split_batch(whole, [len(rows) for _, rows in requests])
        return [self[request] for request in requests]  # each batch before a faulty one is still delivered

    def at_once(self, requests: Sequence[Request], workers: int) -> int:
        """How many consecutive requests are worth one call, so that every worker still gets several."""
        if not requests:
            return 1
        samples = max(1, len(requests[0][1]))  # a process's share of the last batch may be none
        size = self._sample_bytes * samples
        most = min(_AT_ONCE // samples, _AT_ONCE_BYTES // max(size, 1), len(requests) // (4 * workers))
        return max(1, most)

    def _augmented(self, rows: NDArray[np.int64], epoch: int) -> Samples:
        if not len(rows):  # a share of none, in the type and shape of the others
            return self._augmented(np.zeros(1, np.int64), epoch)[:0]
        samples = self._samples.take(rows)
        return samples if self._augmenter is None else self._augmenter(samples, self._ids[rows], epoch)


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
    def __init__(self, answers: _Answers, workers: int, prefetch: int) -> None:
        self._answers, self._number = answers, workers
        self._ahead = max(prefetch, workers + 1)  # one for each to work on, and one that is ready
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="augment")
        self._drop()

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]:
        _refuse_inside_a_worker()
        self._drop()  # of an epoch that was left midway
        many = self._answers.at_once(requests, self._number)
        coming = iter([requests[i : i + many] for i in range(0, len(requests), many)])
        pending, here = self._pending, self._here

        def ask(groups: int) -> None:
            for group in islice(coming, groups):
                pending.append((self._pool.submit(self._answers.together, group), len(group)))

        def answers() -> Iterator[Answer]:
            while pending:
                future, _ = pending.popleft()
                here.extend(future.result())
                ask(1)
                while here:
                    yield here.popleft()

        ask(self._ahead)
        return answers()

    def warm_up(self) -> None:
        self._pool.submit(self._answers.__getitem__, (0, np.array([0])))  # for nobody

    def ready(self) -> int | None:
        return len(self._here) + sum(size for future, size in self._pending if future.done())

    def close(self) -> None:
        self._drop()
        self._pool.shutdown(wait=True)

    def __reduce__(self) -> str:
        raise _workers_inside_workers()

    def _drop(self) -> None:
        for future, _ in getattr(self, "_pending", ()):
            future.cancel()
        # Another epoch must not find these, nor the old iterator the new ones.
        self._pending: deque[tuple[Future[Sequence[Answer]], int]] = deque()
        self._here: deque[Answer] = deque()


class _Processes:
    """torch's worker processes, which live as long as the source."""

    def __init__(self, answers: _Answers, workers: int, prefetch: int) -> None:
        require("torch", "workers that are processes")
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
            prefetch_factor=max(2, -(-prefetch // workers)),
            persistent_workers=True,
            collate_fn=handed_over,
            worker_init_fn=_one_thread,  # for workers that are spawned
            # DataLoader draws its workers' seeds from torch's global stream unless given another, and so would change
            # the trainer's dropout with the number of workers. Nothing here uses those seeds.
            generator=torch.Generator(),
        )
        self._batches: Any = None  # torch's iterator, which owns the workers

    def serve(self, requests: Sequence[Request]) -> Iterator[Answer]:
        _refuse_inside_a_worker()
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

    def __reduce__(self) -> str:
        raise _workers_inside_workers()


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


def _refuse_inside_a_worker() -> None:
    """In a forked worker of somebody's DataLoader there are no threads, and no processes may be started."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.utils.data.get_worker_info() is not None:
        raise _workers_inside_workers()


def _workers_inside_workers() -> InputError:
    return InputError(
        "DataLoader: num_workers",
        "workers around a source that has workers of its own",
        "one kind of workers",
        "give the source workers=0, or the DataLoader num_workers=0",
    )


def _one_thread(_worker: int = 0) -> None:
    import cv2

    cv2.setNumThreads(1)  # the workers are the parallelism; OpenCV's own threads would fight them for the cores
