"""Answers on their way to the prediction log: written by a thread of its own, and never waited for by who asks.

What does not fit into the queue, and what the log did not take, is lost; how much is counted. The share of requests
that is logged is drawn by the request's id, so every replica draws alike.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.source import Samples
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.production.answers_log import log_answers
from augment_ops.serving.rules import LogRules
from augment_ops.serving.served import Served

_DRAWN_BY = "serving-log"  # in place of a policy's digest in the key


@dataclass(frozen=True, eq=False)
class Answered:
    """One request that was answered.

    Attributes:
        request: its id; ids: of its n samples.
        scores: float64 (n, K), probabilities.
    """

    served: Served
    request: str
    ids: list[str]
    at: datetime
    samples: Samples
    scores: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory that it takes while it waits."""
        return self.samples.nbytes + self.scores.nbytes


class Recorder:
    """Writes to the log of one data set.

    Args:
        lost: called with how many samples were lost, and why.
    """

    def __init__(self, log: PredictionLog, rules: LogRules, lost: Callable[[int, str], None]) -> None:
        self._log, self._rules, self._lost = log, rules, lost
        self._queue: deque[Answered] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._write_on, name="prediction log", daemon=True)
        self._thread.start()

    def offer(self, answered: Answered) -> None:
        """Take an answer; returns at once."""
        if not is_drawn(answered.request, self._rules.share):
            return
        with self._lock:
            full = self._bytes + answered.nbytes > self._rules.queue_bytes
            if not full:
                self._queue.append(answered)
                self._bytes += answered.nbytes
        if full:
            self._lost(len(answered.ids), "queue")

    def close(self) -> None:
        """Write what is there, and end."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _write_on(self) -> None:
        while not self._closing:
            self._wake.wait(self._rules.flush_s)
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            taken, self._queue, self._bytes = self._queue, deque(), 0
        by_version: dict[str, list[Answered]] = {}
        for one in taken:
            by_version.setdefault(one.served.version, []).append(one)
        for answers in by_version.values():
            try:
                self._write_version(answers)
            except Exception:  # a full disk, a store that is away, a fault: the next ones may get through
                traceback.print_exc()
                self._lost(sum(len(one.ids) for one in answers), "log")

    def _write_version(self, answers: list[Answered]) -> None:
        served = answers[0].served
        log_answers(
            self._log,
            [name for one in answers for name in one.ids],
            [one.at for one in answers for _ in one.ids],
            version=served.version,
            scores=np.concatenate([one.scores for one in answers]),
            samples=np.concatenate([one.samples for one in answers]),
            classes=served.classes,
            schema=served.schema,
            keep_samples=self._rules.samples,
            logged_at=datetime.now(UTC),
        )


def is_drawn(request_id: str, share: float) -> bool:
    """Whether a request is among the share of those that are logged: a function of its id alone."""
    if share >= 1:
        return True
    keys = philox.derive(sample_key(_DRAWN_BY, 0, 0), SampleIds.of([request_id]).words)
    return bool(philox.uniforms(keys, 0, philox.PARAMETERS, 1)[0, 0] < share)
