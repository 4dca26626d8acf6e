"""What transforms know of their population, made when it is first asked for: some policies are bound to be checked."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_Made = TypeVar("_Made")


class OnDemand(Generic[_Made]):
    """A value that the first who asks for it makes; threads that ask meanwhile wait for it.

    A pickle of it holds the value: whoever gets that need not make it again.

    Args:
        make: makes the value.
    """

    def __init__(self, make: Callable[[], _Made]) -> None:
        self._make, self._lock = make, Lock()
        self._made: list[_Made] = []  # one, when it is made

    def __call__(self) -> _Made:
        """The value."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]

    def __reduce__(self) -> tuple[Callable[[_Made], OnDemand[_Made]], tuple[_Made]]:
        return _made, (self(),)


def _made(value: _Made) -> OnDemand[_Made]:
    found = OnDemand(lambda: value)
    found()
    return found
