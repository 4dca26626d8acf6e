"""What is read of the prediction log for conditions about inputs: in a thread, for it takes seconds.

A rollback has two seconds, and what shows another condition to be broken is not to wait for a reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.rollout.judge import MeasuredCondition

_AT_ONCE = 1024  # samples that are in memory at a time

Measured = tuple[MeasuredCondition, ...]


class Look:
    """The last of several looks at one thing: what it found stands until the next one has been made."""

    def __init__(self) -> None:
        self._found: Measured = ()
        self._running: Future[Measured] | None = None

    @property
    def is_running(self) -> bool:
        """Whether one has begun that is not over."""
        return self._running is not None and not self._running.done()

    def begin(self, read: Callable[[], Measured]) -> None:
        """Look again."""
        self.found(wait=True)
        thread = ThreadPoolExecutor(1, "look")
        self._running = thread.submit(read)
        thread.shutdown(wait=False)

    def found(self, *, wait: bool) -> Measured:
        """What the last one found.

        Args:
            wait: for one that is on its way.
        """
        running = self._running
        if running is not None and (wait or running.done()):
            self._running = None  # first: what one look meets is not met again at each tick
            self._found = running.result()
        return self._found


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowInputs:
    """What some records of a window were asked with.

    Attributes:
        rows: int64 (M,), which records they are, of `window.rows`.
        features: M numbers or texts by name.
    """

    rows: NDArray[np.int64]
    features: Mapping[str, NDArray[Any]]


def inputs_of(window: LogWindow, wanted: NDArray[np.int64]) -> WindowInputs:
    """The inputs of those records of a window whose inputs are known.

    They are the columns that a service logged; where it logged none, what the modality makes of the samples that the
    log keeps.

    Args:
        wanted: int64 (N,), rows of the window.
    """
    sample = window.sample
    if sample.columns:
        return WindowInputs(rows=wanted, features={name: values[wanted] for name, values in sample.columns.items()})
    if sample.payload is None:
        return WindowInputs(rows=wanted[:0], features={})
    kept = np.flatnonzero(np.isin(window.payload_rows, wanted))
    payload, kind = sample.payload, sample.kind
    parts = [
        kind.features(payload.take(kept[start : start + _AT_ONCE]), sample.schema)
        for start in range(0, len(kept), _AT_ONCE)
    ]
    features = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return WindowInputs(rows=window.payload_rows[kept], features=features)
