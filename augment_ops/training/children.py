"""Processes that a computation starts: what they say, how they ended, and their end, with all that they started.

Each is a command of its own, so that no program is imported a second time, and leads a session, so that loader workers
end with it. It is talked to through a pair of sockets that no one else has, and ends itself when its starter is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any, Protocol, TypeVar

_TAIL = 600  # characters of what it said last, in an error
_LOOK_S = 0.5  # for a process that ended and has left its connection to a worker of its own
_ORPHANED_S = 1.0  # between two looks for the process that started this one
_END_S = 5.0  # its connection closes a moment before it has ended

_met: list[int] = []  # the process that started this one, once that is known


class Child(Protocol):
    """A process that was started."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """It leads a session of its own."""

    @property
    def connection(self) -> Connection:
        """To it."""


C = TypeVar("C", bound=Child)


@dataclass(frozen=True)
class Ended:
    """Comes in place of a message: the process ended without its last word, or with one that nobody can read.

    Attributes:
        unreadable: why not; empty where there was none.
    """

    unreadable: str = ""


def start(
    module: str,
    ended: ExitStack,
    *arguments: str,
    said: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start `python -m module CONNECTION …`, which begins with `meet`; it is ended when the stack is left.

    Args:
        said: takes what it prints; by default that goes where this process prints.
        environment: of it, beside that of this process.
    """
    ours, theirs = Pipe()
    ended.enter_context(ours)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=None if said is None else subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    ended.callback(end, process)
    return process, ours


def hand_over(connection: Connection, work: bytes) -> None:
    """Give a process that was started its work, as a pickle, and where its modules are found; see `meet`."""
    with suppress(OSError):  # it has ended already, which will be heard
        connection.send((os.getpid(), sys.path))
        connection.send_bytes(work)


def meet(connection: Connection) -> bytes:
    """What this process is given to do, by the one that started it; from now on it ends when that one does.

    It is a pickle, to be read after this, with the modules of the other at hand.
    """
    parent, sys.path[:] = connection.recv()
    _met.append(parent)
    work = connection.recv_bytes()
    threading.Thread(target=_end_with, args=(connection, parent), daemon=True).start()
    return work


def head() -> int:
    """The process whose children work for one purpose, this one among them: that which started it, or itself."""
    return _met[-1] if _met else os.getpid()


def _end_with(connection: Connection, parent: int) -> None:
    """Wait for the end of the process that started this one; nothing more comes from it but that."""
    while os.getppid() == parent and not connection.poll(_ORPHANED_S):
        pass
    os.killpg(0, signal.SIGKILL)


def messages(children: Sequence[C]) -> Iterator[tuple[C, Any]]:
    """What came until one look later, a message of each at most; `Ended` where none comes, or none that can be read."""
    ready = wait([child.connection for child in children], _LOOK_S)
    for child in children:
        ended = child.process.poll() is not None  # before its connection is read: its last word is in there then
        try:
            if child.connection in ready or child.connection.poll():
                yield child, child.connection.recv()
            elif ended:
                yield child, Ended()
        except (EOFError, OSError):
            yield child, Ended()
        except Exception as error:  # whatever a pickle comes to: of a class that this process has not, say
            yield child, Ended(f"{type(error).__name__}: {error}")


def how_it_ended(process: subprocess.Popen[bytes], ended: Ended) -> str:
    """In words, for an error."""
    if ended.unreadable:
        return f"what it said last cannot be read here ({ended.unreadable})"
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    code = process.poll()
    if code is not None and code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with {code}"


def tail(said: IO[bytes]) -> str:
    """What a process said last, for an error; `said` holds all of it."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
    text = " ".join(said.read().decode("utf-8", "replace").split())
    return f"it said last: {text}" if text else "it said nothing"


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process, which leads a session of its own, and everything in that, and wait for it."""
    # macOS refuses a signal to a group of nothing but a process that has ended and that nobody has waited for (EPERM).
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
