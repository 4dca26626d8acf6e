"""Answers on their way to the prediction log: written by a thread of its own, and never waited for by who asks.

What does not fit into the queue, and what the log did not take, is lost; how much is counted. The share of requests
that is logged is drawn by the request's id, so every replica draws alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from augment_ops import scratch
from augment_ops.data.store import Store
from augment_ops.modalities.source import Samples
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.production.answers_log import log_answers
from augment_ops.serving.assignment import place_of
from augment_ops.serving.background import Background
from augment_ops.serving.rules import LogRules
from augment_ops.serving.served import Served, read_probe
from augment_ops.statistics import softmax

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

    @property
    def size(self) -> int:
        """Samples of it."""
        return len(self.ids)

    @property
    def group(self) -> str:
        """Version that answered."""
        return self.served.version


class Recorder:
    """Writes to the log of one data set.

    Args:
        lost: called with how many samples were lost, and why.
    """

    def __init__(self, log: PredictionLog, rules: LogRules, lost: Callable[[int, str], None]) -> None:
        self._log, self._rules = log, rules
        self.background = Background[Answered](
            "prediction log", self._write_version, most=rules.queue_bytes, flush_s=rules.flush_s, lost=lost
        )

    def offer(self, answered: Answered) -> None:
        """Take an answer; returns at once."""
        if is_drawn(answered.request, self._rules.share):
            self.background.offer(answered)

    def close(self) -> None:
        """Write what is there, and end."""
        self.background.close()

    def _write_version(self, answers: list[Answered]) -> None:
        _write(self._log, answers, keep_samples=self._rules.samples)


def rehearse(served: Served, rules: LogRules) -> None:
    """Write one answer to a log that is thrown away, before anybody asks.

    What writing imports comes with the first file. pandas alone takes a second, in which the thread that writes leaves
    the one that answers little of the interpreter.

    Raises:
        DataError, StoreError, OSError: it cannot be written.
    """
    samples, expected = read_probe(served)
    answered = Answered(
        served=served,
        request="rehearsal",
        ids=["rehearsal"],
        at=datetime.now(UTC),
        samples=samples[:1],
        scores=softmax(expected.logits[0][:1]),
    )
    with scratch.folder("rehearsal") as folder:
        log = PredictionLog(str(folder / "log"), served.dataset, Store(str(folder / "store")), served.modality)
        _write(log, [answered], keep_samples=rules.samples)


def _write(log: PredictionLog, answers: list[Answered], *, keep_samples: bool) -> None:
    """Answers of one version."""
    served = answers[0].served
    log_answers(
        log,
        [name for one in answers for name in one.ids],
        [one.at for one in answers for _ in one.ids],
        version=served.version,
        scores=np.concatenate([one.scores for one in answers]),
        samples=np.concatenate([one.samples for one in answers]),
        classes=served.classes,
        schema=served.schema,
        keep_samples=keep_samples,
        logged_at=datetime.now(UTC),
    )


def is_drawn(request_id: str, share: float) -> bool:
    """Whether a request is among the share of those that are logged: a function of its id alone."""
    return share >= 1 or place_of(request_id, _DRAWN_BY) < share
