"""Requests that come together are answered together.

While a model computes, what comes in waits, and goes as the next batch: that alone fills batches under load and costs a
lone request nothing. Where the batch before held several requests, the next one also waits for as many, at most
`max_delay_s`: clients that ask one after the other come back together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic, time_ns

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.source import Samples

Ask = Callable[[Samples], Awaitable[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What a request went through the model with.

    Attributes:
        seconds: that the model took for the whole batch; began_ns: Unix time at which it began.
        samples: of the batch.
    """

    seconds: float
    began_ns: int
    samples: int


Scored = tuple[NDArray[np.float32], Computed]  # scores (n, K)


class Overloaded(Exception):  # noqa: N818 - an answer to whoever asks, not a failure
    """More samples wait than may wait."""


@dataclass(eq=False)
class _Waiting:
    samples: Samples
    answer: asyncio.Future[Scored]


class Batcher:
    """Answers of one model, in one event loop.

    Args:
        ask: scores float32 (n, K) of samples (n, *shape); not asked again before it has answered.
        max_samples: of a call; a request with more is asked in parts of its own.
        max_delay_s: see the module.
        max_waiting: samples that may wait.
        told: called after each call with its samples and the seconds it took.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        max_samples: int,
        max_delay_s: float,
        max_waiting: int,
        told: Callable[[int, float], None],
    ) -> None:
        self._ask, self._told = ask, told
        self._max_samples, self._max_delay_s, self._max_waiting = max_samples, max_delay_s, max_waiting
        self._queue: deque[_Waiting] = deque()
        self._count = 0
        self._together = 1  # requests of the batch before
        self._came = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Samples that wait."""
        return self._count

    async def __call__(self, samples: Samples) -> Scored:
        """Scores float32 (n, K) of samples (n, *shape), and what the model was asked with them.

        Raises:
            Overloaded: too many wait already.
            StoreError: the model does not answer for these samples.
        """
        if self._count + len(samples) > self._max_waiting:
            raise Overloaded
        future: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(samples, future))
        self._count += len(samples)
        self._came.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Wait for what is on its way."""
        while self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._gather()
                await self._answer(self._batch())
        finally:
            self._running = None

    async def _gather(self) -> None:
        """Wait for as many requests as came together the last time."""
        until = monotonic() + self._max_delay_s
        while len(self._queue) < self._together and self._count < self._max_samples:
            left = until - monotonic()
            if left <= 0:
                return
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                return

    def _batch(self) -> list[_Waiting]:
        """The first that wait: one request at least, and as many as fit into one call."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].samples) <= self._max_samples):
            batch.append(self._queue.popleft())
            size += len(batch[-1].samples)
        self._count -= size
        self._together = len(batch)
        return batch

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            scores, computed = await self._asked(np.concatenate([one.samples for one in batch]))
        except Exception as error:  # whatever it is, somebody waits for an answer
            if len(batch) == 1:
                _settle(batch[0], error)
                return
            for one in batch:  # so that what no model answers for takes no other request with it
                await self._answer([one])
            return
        start = 0
        for one in batch:
            _settle(one, (scores[start : start + len(one.samples)], computed))
            start += len(one.samples)

    async def _asked(self, samples: Samples) -> Scored:
        found, took, began_ns = [], 0.0, time_ns()
        for start in range(0, len(samples), self._max_samples):
            part, began = samples[start : start + self._max_samples], monotonic()
            found.append(await self._ask(part))
            seconds = monotonic() - began
            self._told(len(part), seconds)
            took += seconds
        computed = Computed(seconds=took, began_ns=began_ns, samples=len(samples))
        return found[0] if len(found) == 1 else np.concatenate(found), computed


def _settle(one: _Waiting, result: Scored | Exception) -> None:
    if one.answer.done():  # whoever asked has gone
        return
    if isinstance(result, Exception):
        one.answer.set_exception(result)
    else:
        one.answer.set_result(result)
