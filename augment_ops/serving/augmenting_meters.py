"""What augmentation while serving counts, for Prometheus; see `meters.py`."""

from __future__ import annotations

from augment_ops.serving.breaker import State

_STATES: tuple[State, ...] = ("closed", "half-open", "open")  # as numbers 0, 1, 2


class AugmentingMeters:
    """The metrics of one worker.

    Args:
        dataset: label of all of them.
    """

    def __init__(self, dataset: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        alone = CollectorRegistry()
        self._dataset = dataset
        self._state = Gauge(
            "augment_ops_serving_breaker_state", "Of the worker that is worst off: 0 closed, 1 half-open, 2 open.",
            ["dataset", "breaker"], registry=alone, multiprocess_mode="livemax",
        )  # fmt: skip
        self._changes = Counter(
            "augment_ops_serving_breaker_changes", "Changes of the breakers of all workers.",
            ["dataset", "breaker", "to"], registry=alone,
        )  # fmt: skip
        self._samples = Counter(
            "augment_ops_serving_augmented_samples", "Samples that POST /augment made, by who asked.",
            ["dataset", "token", "policy"], registry=alone,
        )  # fmt: skip
        self._stored = Counter(
            "augment_ops_serving_stored_samples", "Samples of epochs that were kept, which nobody augmented again.",
            ["dataset", "token", "policy"], registry=alone,
        )  # fmt: skip
        self._epochs = Counter(
            "augment_ops_serving_epochs", "Epochs that were asked for and not there, by what came of them.",
            ["dataset", "outcome"], registry=alone,
        )  # fmt: skip
        self._seconds = Counter(
            "augment_ops_serving_augmenting_cpu_seconds", "Of a processor, for what POST /augment was asked.",
            ["dataset", "token", "policy"], registry=alone,
        )  # fmt: skip

    def begins(self, breaker: str) -> None:
        """There is a breaker, and it is closed."""
        self._state.labels(self._dataset, breaker).set(0)
        for state in _STATES:  # a rate needs to have seen nothing
            self._changes.labels(self._dataset, breaker, state)

    def changed(self, breaker: str, to: State) -> None:
        """A breaker has changed."""
        self._state.labels(self._dataset, breaker).set(_STATES.index(to))
        self._changes.labels(self._dataset, breaker, to).inc()

    def augmented(self, token: str, policy: str, samples: int, seconds: float) -> None:
        """Somebody was given augmented samples.

        Args:
            seconds: of a processor.
        """
        self._samples.labels(self._dataset, token, policy).inc(samples)
        self._seconds.labels(self._dataset, token, policy).inc(seconds)

    def stored(self, token: str, policy: str, samples: int, seconds: float) -> None:
        """Somebody was given samples of an epoch that was kept; seconds as above."""
        self._stored.labels(self._dataset, token, policy).inc(samples)
        self._seconds.labels(self._dataset, token, policy).inc(seconds)

    def epoch(self, outcome: str) -> None:
        """What came of an epoch that was asked for and not there; see `EpochMaker`."""
        self._epochs.labels(self._dataset, outcome).inc()
