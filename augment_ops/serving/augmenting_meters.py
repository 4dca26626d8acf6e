"""What augmentation while serving counts, for Prometheus; see `meters.py`."""

from __future__ import annotations

from augment_ops.monitoring.telemetry.metrics import Family
from augment_ops.serving.breaker import Latency, State
from augment_ops.serving.instruments import Instruments

_STATES: tuple[State, ...] = ("closed", "half-open", "open")  # as numbers 0, 1, 2
# Of epochs; see `EpochMaker`.
_OUTCOMES = ("made", "there", "no room", "no quota", "not admitted", "superseded", "failed", "elsewhere")

_OF_BREAKER = ("dataset", "breaker")
_OF_TOKEN = ("dataset", "token", "policy")
STATE = Family(
    otel="augment_ops.serving.breaker_state", kind="gauge", unit="", labels=_OF_BREAKER,
    meaning="Of the worker that is worst off: 0 closed, 1 half-open, 2 open.",
)  # fmt: skip
CHANGES = Family(
    otel="augment_ops.serving.breaker_changes", kind="counter", unit="{change}", labels=(*_OF_BREAKER, "to"),
    meaning="Changes of the breakers of all workers.",
)  # fmt: skip
LATENCY = Family(
    otel="augment_ops.serving.breaker_latency", kind="counter", unit="s", labels=_OF_BREAKER,
    meaning="How long those waited whom a breaker looks at.",
)  # fmt: skip
AUGMENTING = Family(
    otel="augment_ops.serving.breaker_augmenting", kind="counter", unit="s", labels=_OF_BREAKER,
    meaning="How much of that was augmentation.",
)  # fmt: skip
SAMPLES = Family(
    otel="augment_ops.serving.augmented_samples", kind="counter", unit="{sample}", labels=_OF_TOKEN,
    meaning="Samples that POST /augment made, by who asked.",
)  # fmt: skip
STORED = Family(
    otel="augment_ops.serving.stored_samples", kind="counter", unit="{sample}", labels=_OF_TOKEN,
    meaning="Samples of epochs that were kept, which nobody augmented again.",
)  # fmt: skip
CPU = Family(
    otel="augment_ops.serving.augmenting_cpu", kind="counter", unit="s", labels=_OF_TOKEN,
    meaning="Of a processor, for what POST /augment was asked.",
)  # fmt: skip
EPOCHS = Family(
    otel="augment_ops.serving.epochs", kind="counter", unit="{epoch}", labels=("dataset", "outcome"),
    meaning="Epochs that were asked for and not there, by what came of them.",
)  # fmt: skip
FAMILIES = (STATE, CHANGES, LATENCY, AUGMENTING, SAMPLES, STORED, CPU, EPOCHS)


class AugmentingMeters:
    """The metrics of one worker.

    Args:
        dataset: label of all of them.
    """

    def __init__(self, dataset: str) -> None:
        made = Instruments()
        self._dataset = dataset
        self._state = made.gauge(STATE, "livemax")
        self._changes, self._latency = made.counter(CHANGES), made.counter(LATENCY)
        self._augmenting, self._seconds = made.counter(AUGMENTING), made.counter(CPU)
        self._samples, self._stored = made.counter(SAMPLES), made.counter(STORED)
        self._epochs = made.counter(EPOCHS)

    def begins(self, breaker: str) -> None:
        """There is a breaker, and it is closed."""
        self._state.labels(self._dataset, breaker).set(0)
        for state in _STATES:  # a rate needs to have seen nothing
            self._changes.labels(self._dataset, breaker, state)
        for seconds in (self._latency, self._augmenting):
            seconds.labels(self._dataset, breaker)

    def keeps_epochs(self) -> None:
        """There are epochs that are kept, and nobody has asked for any."""
        for outcome in _OUTCOMES:
            self._epochs.labels(self._dataset, outcome)

    def timed(self, breaker: str, latency: Latency) -> None:
        """Somebody waited whom a breaker looks at."""
        self._latency.labels(self._dataset, breaker).inc(latency.whole)
        self._augmenting.labels(self._dataset, breaker).inc(latency.augmenting)

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
