"""Makes epochs that somebody asked for, and the next ones, while requests are answered.

One thread of a worker, and one worker of a state folder at a time. What it augments goes in small pieces through the
thread that augments for requests, between them. A piece takes nothing of what may wait there; one that fails counts for
the breaker, and while that is open, the next waits.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from augment_ops.engine.key import SampleIds
from augment_ops.errors import AugmentOpsError, StoreError
from augment_ops.locks import held
from augment_ops.modalities.source import Samples
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.epochs import EpochOf, KeptEpochs
from augment_ops.serving.quotas import Quotas

T = TypeVar("T")
_WAITING = 16  # epochs that may wait; of one that is not taken, the next batch that is asked for asks again
_SETTLED = 1024  # of which a worker remembers that they came to something
_AGAIN_S = 60.0  # after a failure: a full disk stays full for a while, and each try augments an epoch
_PAUSE_S = 0.25  # while the breaker is open
_PIECE = 64  # samples that are augmented at a time: a request waits for one piece at most


@dataclass(frozen=True, kw_only=True, eq=False)
class WantedEpoch:
    """An epoch that somebody asked for.

    Attributes:
        token: whose quota and cost it is; policy: `name/version`, for people.
        over: why nobody could be given it any more, `not admitted` or `superseded`; empty where somebody could. Asked
            in any thread.
    """

    epoch: EpochOf
    token: str
    policy: str
    over: Callable[[], str]

    @property
    def key(self) -> tuple[str, int]:
        """The same for the same epoch."""
        return self.epoch.identity, self.epoch.epoch


class _EndedError(Exception):
    """The worker ends."""


class _OverError(Exception):
    """Nobody could be given the epoch any more; the message is what came of it."""


class EpochMaker:
    """See the module.

    Args:
        lock: file of a state folder; whoever holds it makes an epoch.
    """

    def __init__(
        self,
        epochs: KeptEpochs,
        *,
        breaker: Breaker,
        thread: AugmentingThread,
        quotas: Quotas,
        meters: AugmentingMeters,
        lock: Path,
    ) -> None:
        self._epochs, self._breaker, self._augmenting = epochs, breaker, thread
        self._quotas, self._meters, self._lock = quotas, meters, lock
        self._wanted: deque[WantedEpoch] = deque()
        self._making: tuple[str, int] | None = None
        self._settled: dict[tuple[str, int], None] = {}  # what is not to be made again until it is missed
        self._not_before = 0.0
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = False
        self._thread: threading.Thread | None = None

    def want(self, wanted: WantedEpoch, *, missed: bool) -> None:
        """Have the epochs made that come after one; returns at once. In the event loop of the worker.

        Args:
            missed: whether the epoch itself is to be made as well.
        """
        if monotonic() < self._not_before:
            return
        ahead = range(0 if missed else 1, 1 + self._epochs.rules.ahead)
        every = [replace(wanted, epoch=replace(wanted.epoch, epoch=wanted.epoch.epoch + one)) for one in ahead]
        with self._changed:
            if missed:
                self._settled.pop(wanted.key, None)
            known = {self._making, *self._settled, *(one.key for one in self._wanted)}
            self._wanted.extend([one for one in every if one.key not in known][: _WAITING - len(self._wanted)])
            self._changed.notify()
        if self._thread is None and not self._ending:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._make_on, name="epochs", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End; what is half-made is left away. Not in the event loop, which has to go on meanwhile."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _make_on(self) -> None:
        while (wanted := self._next()) is not None:
            try:
                outcome = self._made(wanted)
            except _EndedError:
                return
            except _OverError as over:
                outcome = str(over)
            except Exception as error:  # a full disk, a store that is away: whoever asks is answered without
                if not isinstance(error, AugmentOpsError):
                    traceback.print_exc()
                outcome, self._not_before = "failed", monotonic() + _AGAIN_S
                with self._changed:  # they would be augmented for nothing as well, and are asked for again
                    self._wanted.clear()
            self._meters.epoch(outcome)
            if outcome != "elsewhere":
                self._settle(wanted)

    def _settle(self, wanted: WantedEpoch) -> None:
        with self._changed:
            self._settled[wanted.key] = None
            if len(self._settled) > _SETTLED:
                del self._settled[next(iter(self._settled))]

    def _next(self) -> WantedEpoch | None:
        with self._changed:
            self._making = None
            self._changed.wait_for(lambda: self._ending or self._wanted)
            if self._ending:
                return None
            wanted = self._wanted.popleft()
            self._making = wanted.key
            return wanted

    def _made(self, wanted: WantedEpoch) -> str:
        """What came of it: `made`, `there`, `no room`, `no quota`, or `elsewhere`, which another worker is at.

        Raises:
            _OverError: its policy is not admitted any more, or the champion learnt from another snapshot; nothing of it
                is kept or charged.
        """
        _refuse_over(wanted)
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self._lock, "make an epoch", 0.0))
            except StoreError:
                return "elsewhere"
            return "there" if self._epochs.known(wanted.epoch) else self._charged(wanted)

    def _charged(self, wanted: WantedEpoch) -> str:
        count = len(wanted.epoch.of.split)
        taken = self._quotas.take(wanted.token, count)
        if taken.wait_s:
            return "no quota"
        made = False
        try:
            made = self._epochs.make(wanted.epoch, partial(self._augmented, wanted))
        finally:
            if not made:
                self._quotas.give_back(wanted.token, count, taken.day)
        return "made" if made else "no room"

    def _augmented(self, wanted: WantedEpoch, samples: Samples, ids: SampleIds, epoch: int) -> Samples:
        """Samples of an epoch, between the requests that come meanwhile."""
        pieces = np.array_split(np.arange(len(samples)), -(-len(samples) // _PIECE))
        return np.concatenate([self._here(self._one(wanted, samples[rows], ids[rows], epoch)) for rows in pieces])

    async def _one(self, wanted: WantedEpoch, samples: Samples, ids: SampleIds, epoch: int) -> Samples:
        while not self._ending:
            _refuse_over(wanted)
            passed = self._breaker.enter(self._augmenting.waiting)
            if passed is not None:
                try:
                    made, cpu_s = await self._augmenting(0, lambda: wanted.epoch.augment(samples, ids, epoch))
                except BaseException:
                    self._breaker.left(passed, failed=True)
                    raise
                if self._breaker.state == "half-open":
                    self._breaker.left(passed, failed=False)
                else:  # so many pieces that go well would hide requests that fail
                    self._breaker.dropped(passed)
                self._meters.augmented(wanted.token, wanted.policy, 0, cpu_s)
                return made
            await asyncio.sleep(_PAUSE_S)
        raise _EndedError

    def _here(self, work: Coroutine[Any, Any, T]) -> T:
        """What the event loop makes of it."""
        assert self._loop is not None  # of `want`
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _refuse_over(wanted: WantedEpoch) -> None:
    if over := wanted.over():
        raise _OverError(over)
