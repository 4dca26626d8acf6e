"""A version that a worker refused is tried again, each time later: memory and disks come back, a file is mended."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

_TIMES = 10  # the first pause, in looks at the ledger: whatever made a worker refuse is rarely over a second later
# Between two tries. Each loads the model once more in every worker, which costs seconds of processor and its memory.
_LONGEST_S = 600.0


class Refusals:
    """The version that should answer and was refused, if there is one.

    Args:
        look_s: how often the ledger is asked.
        told: called with the version when that changes, and with nothing once there is none.
    """

    def __init__(self, look_s: float, told: Callable[[str], None]) -> None:
        self._first_s, self._told = min(_TIMES * look_s, _LONGEST_S), told
        self._version, self._pause_s, self._again = "", 0.0, 0.0

    @property
    def due(self) -> bool:
        """Whether to try again now."""
        return bool(self._version) and monotonic() >= self._again

    def note(self, version: str) -> float:
        """A worker has refused this version; the seconds until it is tried again, twice those of the time before."""
        again = version == self._version
        self._pause_s = min(2 * self._pause_s, _LONGEST_S) if again else self._first_s
        self._version, self._again = version, monotonic() + self._pause_s
        if not again:
            self._told(version)
        return self._pause_s

    def postpone(self) -> None:
        """It cannot be had for now: see again after the same pause."""
        self._again = monotonic() + self._pause_s

    def forget(self) -> None:
        """What should answer answers."""
        if self._version:
            self._version = ""
            self._told("")
