"""One thread that augments beside an event loop: it takes a core at most, and whoever is answered goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, thread_time
from typing import TypeVar

from augment_ops.serving.batching import Overloaded

T = TypeVar("T")


class AugmentingThread:
    """Work is done in the order in which it comes.

    Args:
        max_waiting: samples that may wait for it.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._thread = ThreadPoolExecutor(1, "augmenting")
        self._worked = (0.0, 0.0)  # seconds of what is done; since when it works, 0 where it does not
        self.waiting = 0

    @property
    def busy_s(self) -> float:
        """Seconds in which it has worked so far."""
        done_s, since = self._worked
        return done_s + (monotonic() - since if since else 0.0)

    async def __call__(self, samples: int, work: Callable[[], T]) -> tuple[T, float]:
        """What `work` gives, and the seconds of a processor that it took.

        Args:
            samples: that it makes, of those that may wait; 0 for what never waits in numbers.

        Raises:
            Overloaded: too many wait already.
        """
        if self.waiting + samples > self._max_waiting:
            raise Overloaded
        self.waiting += samples
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work)
        finally:
            self.waiting -= samples

    def close(self) -> None:
        """Wait for what is on its way."""
        self._thread.shutdown()

    def _timed(self, work: Callable[[], T]) -> tuple[T, float]:
        done_s, since, began = self._worked[0], monotonic(), thread_time()
        self._worked = (done_s, since)
        try:
            return work(), thread_time() - began
        finally:
            self._worked = (done_s + monotonic() - since, 0.0)
