"""What the workers of a service count, for Prometheus: each counts in a file of its own, and any of them sums them up.

The library's multiprocess mode: the folder is named by `PROMETHEUS_MULTIPROC_DIR` before the library is imported.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops.monitoring.telemetry.metrics import EXPORT_FAILURES, Family
from augment_ops.serving.exposition import FOLDER, Exemplars, exposition
from augment_ops.serving.instruments import Instruments
from augment_ops.serving.traced import TRACE

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

# Of a request in seconds: a small net answers in 2 ms, a photo is decoded in 10, and beyond a second somebody waits.
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SERIES = 256  # that are remembered: routes times statuses times versions
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)

_VERSIONED = ("dataset", "model_version")
_ROUTED = ("dataset", "route", "model_version")
REQUESTS = Family(
    otel="augment_ops.serving.requests", kind="counter", unit="{request}", labels=(*_ROUTED, "status"),
    meaning="Requests by route, version and status.",
)  # fmt: skip
REQUEST_DURATION = Family(
    otel="augment_ops.serving.request_duration", kind="histogram", unit="s", labels=_ROUTED,
    meaning="From the header of a request to the answer.", buckets=_SECONDS,
)  # fmt: skip
MODEL_DURATION = Family(
    otel="augment_ops.serving.model_duration",
    kind="histogram",
    unit="s",
    labels=_VERSIONED,
    meaning="Of a batch in the model.",
    buckets=_SECONDS,
)
BATCH_SAMPLES = Family(
    otel="augment_ops.serving.batch_samples", kind="histogram", unit="{sample}", labels=_VERSIONED,
    meaning="Samples that a model was asked at once.", buckets=_SAMPLES,
)  # fmt: skip
LOG_LOST = Family(
    otel="augment_ops.serving.log_lost", kind="counter", unit="{answer}", labels=("dataset", "reason"),
    meaning="Answers that the prediction log does not have: the queue was full, or it could not be written.",
)  # fmt: skip
WORKERS = Family(
    otel="augment_ops.serving.workers",
    kind="gauge",
    unit="{worker}",
    labels=_VERSIONED,
    meaning="Workers that answer with a version.",
)
FAMILIES = (REQUESTS, REQUEST_DURATION, MODEL_DURATION, BATCH_SAMPLES, LOG_LOST, WORKERS, EXPORT_FAILURES)


class ServingMeters:
    """The metrics of one worker.

    Args:
        dataset: label of all of them.
    """

    def __init__(self, dataset: str) -> None:
        made = Instruments()
        self._dataset = dataset
        self._requests, self._seconds = made.counter(REQUESTS), made.histogram(REQUEST_DURATION)
        self._model, self._batch = made.histogram(MODEL_DURATION), made.histogram(BATCH_SAMPLES)
        self._lost, self._unsent = made.counter(LOG_LOST), made.counter(EXPORT_FAILURES)
        self._version = made.gauge(WORKERS, "livesum")
        self._exemplars = Exemplars(REQUEST_DURATION)
        # The library looks a series up in 15 µs, and a request has four.
        self._of_request = lru_cache(_SERIES)(self._request_series)
        self._of_batch = lru_cache(_SERIES)(self._batch_series)
        for reason in ("queue", "log"):  # a rate needs to have seen nothing
            self._lost.labels(dataset, reason)
        self._unsent.labels("traces")

    def request(self, route: str, version: str, status: int, seconds: float) -> None:
        """One was answered; where it is traced, it stands for those that took as long."""
        count, time = self._of_request(route, version, status)
        count.inc()
        time.observe(seconds)
        trace = TRACE.get()
        if trace:
            self._exemplars.seen((self._dataset, route, version), seconds, trace)

    def batch(self, version: str, samples: int, seconds: float) -> None:
        """A model has computed."""
        time, size = self._of_batch(version)
        time.observe(seconds)
        size.observe(samples)

    def _request_series(self, route: str, version: str, status: int) -> tuple[Counter, Histogram]:
        counted = self._requests.labels(self._dataset, route, version, str(status))
        return counted, self._seconds.labels(self._dataset, route, version)

    def _batch_series(self, version: str) -> tuple[Histogram, Histogram]:
        return self._model.labels(self._dataset, version), self._batch.labels(self._dataset, version)

    def lost(self, samples: int, reason: str) -> None:
        """Answers are not in the log."""
        self._lost.labels(self._dataset, reason).inc(samples)

    def unsent(self) -> None:
        """Nobody took spans."""
        self._unsent.labels("traces").inc()

    def serves(self, version: str, before: str) -> None:
        """From now on this worker answers with a version; `before` is empty for the first."""
        if before:
            self._version.labels(self._dataset, before).set(0)
        self._version.labels(self._dataset, version).set(1)

    def shown(self, accept: str) -> tuple[bytes, str]:
        """The metrics of all workers and of the service as a whole, and their media type.

        Args:
            accept: what whoever asks would have; OpenMetrics has examples of traced requests.
        """
        return exposition(Path(os.environ[FOLDER]), accept, self._exemplars)


def ended(folder: Path, pid: int) -> None:
    """Forget what only a living worker says."""
    for file in folder.glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def folder_of(home: Path, dataset: str) -> Path:
    """Where the workers of a service count."""
    return home / "serving" / dataset / f"metrics-{os.getpid()}"
