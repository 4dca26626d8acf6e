"""What is read of the prediction log for conditions about inputs: in a thread, for it takes seconds.

A rollback has two seconds, and what shows another condition to be broken is not to wait for a reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.rollout.judge import MeasuredCondition

if TYPE_CHECKING:
    import pandas as pd

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
        thread = ThreadPoolExecutor(1, "look")
        self._running = thread.submit(read)
        thread.shutdown(wait=False)

    def found(self, *, wait: bool) -> Measured:
        """What the last one found.

        Args:
            wait: for one that is on its way.
        """
        if self._running is not None and (wait or self._running.done()):
            self._found, self._running = self._running.result(), None
        return self._found


def inputs_of(window: LogWindow) -> tuple[pd.DataFrame, Mapping[str, NDArray[Any]]]:
    """Records of a window whose inputs are known, and the inputs, in the same order.

    They are the columns that a service logged; where it logged none, what the modality makes of the samples that the
    log keeps.
    """
    if window.sample.columns:
        return window.rows, window.sample.columns
    return window.rows.iloc[window.payload_rows], window.sample.features
