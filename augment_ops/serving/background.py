"""What is written by a thread of its own, so that who asks does not wait for it; what is lost is counted."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What waits to be written."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes while it waits."""
        ...

    @property
    def size(self) -> int:
        """Samples that are lost with it."""
        ...

    @property
    def group(self) -> str:
        """What is written together; a group that cannot be written loses no other."""
        ...


T = TypeVar("T", bound=Sized)


class Background(Generic[T]):
    """A queue that is bounded by bytes, and the thread that writes what is in it.

    Args:
        name: of the thread.
        write: writes some of one group; what it raises loses them, and the next ones may get through.
        most: bytes that may wait.
        flush_s: after which what waits is written.
        lost: called with how many samples were lost, and why: `queue` or `log`.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[T]], None],
        *,
        most: int,
        flush_s: float,
        lost: Callable[[int, str], None],
    ) -> None:
        self._write_group, self._most, self._flush_s, self._lost = write, most, flush_s, lost
        self._queue: deque[T] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name=name, daemon=True)
        self._thread.start()

    def offer(self, one: T) -> None:
        """Take one; returns at once."""
        with self._lock:
            full = self._bytes + one.nbytes > self._most
            if not full:
                self._queue.append(one)
                self._bytes += one.nbytes
        if full:
            self._lost(one.size, "queue")

    def close(self) -> None:
        """Write what is there, and end."""
        self._closing.set()
        self._thread.join()

    def write(self) -> None:
        """Write what is there now."""
        with self._lock:
            taken, self._queue, self._bytes = list(self._queue), deque(), 0
        groups: dict[str, list[T]] = {}
        for one in taken:
            groups.setdefault(one.group, []).append(one)
        for group in groups.values():
            try:
                self._write_group(group)
            except Exception:  # a full disk, a store that is away, a fault: the next ones may get through
                traceback.print_exc()
                self._lost(sum(one.size for one in group), "log")

    def _write_on(self) -> None:
        while not self._closing.wait(self._flush_s):
            self.write()
        self.write()
