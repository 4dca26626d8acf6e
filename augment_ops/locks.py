"""Locks between processes of this machine: waited for so long and no longer, and whoever waits learns for whom."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augment_ops.errors import StoreError

_LOOK_S = (0.005, 0.25)  # between two tries: at first, and at most
_HOLDER_BYTES = 300  # of the lock file: a number, and a machine's name of at most 255


@contextmanager
def held(path: Path, doing: str, wait_s: float) -> Iterator[None]:
    """Hold the lock of a file, made where it is absent. Not reentrant.

    The lock goes when its holder does, however it ends. Its number stands in the file while it is held, and after: only
    the lock itself says whether it still is.

    Args:
        doing: what for, as a person says it: "start the services".
        wait_s: for another holder.

    Raises:
        StoreError: somebody else held it all the time.
        OSError: the file cannot be made.
    """
    # Not through a symbolic link, which somebody else may have laid to a file of ours.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        _wait(descriptor, path, doing, wait_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, doing: str, wait_s: float) -> None:
    deadline, pause = time.monotonic() + wait_s, _LOOK_S[0]
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(path, doing, wait_s, _holder(descriptor)) from None
            time.sleep(pause)
            pause = min(2 * pause, _LOOK_S[1])
        else:
            return


def _holder(descriptor: int) -> str:
    """The process that wrote itself into the file, as a person finds it."""
    number, _, machine = os.pread(descriptor, _HOLDER_BYTES, 0).decode(errors="replace").strip().partition(" ")
    if not number.isdecimal():
        return "a process that did not say its number"
    return f"process {number}" + (f" on {machine}" if machine not in ("", socket.gethostname()) else "")


def _busy(path: Path, doing: str, wait_s: float, holder: str) -> StoreError:
    return StoreError(
        str(path),
        f"{holder} has held this lock for over {wait_s:.0f} s",
        f"the lock, to {doing}",
        "wait until that process has ended, or end it if it hangs; then do this again",
    )
