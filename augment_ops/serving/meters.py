"""What the workers of a service count, for Prometheus: each counts in a file of its own, and any of them sums them up.

The library's multiprocess mode: the folder is named by `PROMETHEUS_MULTIPROC_DIR` before the library is imported.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Of a request in seconds: a small net answers in 2 ms, a photo is decoded in 10, and beyond a second somebody waits.
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SERIES = 256  # that are remembered: routes times statuses times versions
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class ServingMeters:
    """The metrics of one worker.

    Args:
        dataset: label of all of them.
    """

    def __init__(self, dataset: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        alone = CollectorRegistry()  # each worker writes to its file; what is shown is read from all of them
        each, version = ["dataset", "route"], ["dataset", "model_version"]
        self._dataset = dataset
        self._requests = Counter(
            "augment_ops_serving_requests", "Requests by route, version and status.",
            [*each, "model_version", "status"], registry=alone,
        )  # fmt: skip
        self._seconds = Histogram(
            "augment_ops_serving_request_duration_seconds", "From the first byte that was read to the answer.",
            [*each, "model_version"], buckets=_SECONDS, registry=alone,
        )  # fmt: skip
        self._model = Histogram(
            "augment_ops_serving_model_duration_seconds", "Of a batch in the model.",
            version, buckets=_SECONDS, registry=alone,
        )  # fmt: skip
        self._batch = Histogram(
            "augment_ops_serving_batch_samples", "Samples that a model was asked at once.",
            version, buckets=_SAMPLES, registry=alone,
        )  # fmt: skip
        self._lost = Counter(
            "augment_ops_serving_log_lost", "Answers that the prediction log does not have: the queue was full, or it "
            "could not be written.", ["dataset", "reason"], registry=alone,
        )  # fmt: skip
        self._version = Gauge(
            "augment_ops_serving_workers", "Workers that answer with a version.",
            version, registry=alone, multiprocess_mode="livesum",
        )  # fmt: skip
        # The library looks a series up in 15 µs, and a request has four.
        self._of_request = lru_cache(_SERIES)(self._request_series)
        self._of_batch = lru_cache(_SERIES)(self._batch_series)
        for reason in ("queue", "log"):  # a rate needs to have seen nothing
            self._lost.labels(dataset, reason)

    def request(self, route: str, version: str, status: int, seconds: float) -> None:
        """One was answered."""
        count, time = self._of_request(route, version, status)
        count.inc()
        time.observe(seconds)

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

    def serves(self, version: str, before: str) -> None:
        """From now on this worker answers with a version; `before` is empty for the first."""
        if before:
            self._version.labels(self._dataset, before).set(0)
        self._version.labels(self._dataset, version).set(1)


def exposition() -> bytes:
    """The metrics of all workers, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def ended(folder: Path, pid: int) -> None:
    """Forget what only a living worker says."""
    for file in folder.glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def folder_of(home: Path, dataset: str) -> Path:
    """Where the workers of a service count."""
    return home / "serving" / dataset / f"metrics-{os.getpid()}"
