"""A process that is kept alive while it is wanted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from time import monotonic

_WELL_S = 30.0  # a process that lived so long did not end for what it was started with
_LONGEST_S = 30.0  # between two starts of one that ends again and again
_END_S = 5.0  # until one that is let go has ended


class KeptAlive:
    """At most one process, started again when it ends, each time later where it ends soon.

    It is let go by the end of its standard input, so that it ends with this one however this one ends.

    Args:
        say: gets a line for people.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._command: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._began = self._again = self._pause_s = 0.0

    def keep(self, command: Sequence[str] | None) -> None:
        """See that this command runs, and no other; call it again and again. It waits for nothing."""
        wanted = tuple(command or ())
        if wanted != self._command:
            self._let_go()
            self._command, self._again, self._pause_s = wanted, 0.0, 0.0
        self._leaving = [one for one in self._leaving if one.poll() is None]
        if self._process is not None and self._process.poll() is not None:
            self._has_ended(self._process)
        if wanted and self._process is None and monotonic() >= self._again:
            self._began = monotonic()
            self._process = subprocess.Popen(wanted, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True)

    def close(self) -> None:
        """Let it end, and see that it does."""
        self._let_go()
        until = monotonic() + _END_S
        for process in self._leaving:
            try:
                process.wait(max(0.1, until - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._leaving = []

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            self._leaving.append(process)

    def _has_ended(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        process.stdin.close()
        self._process, code = None, process.returncode
        if code == 0:  # it found nothing more to do; whoever wants it still has not looked since
            self._again = monotonic() + 1
            return
        lived = monotonic() - self._began
        self._pause_s = 0.0 if lived >= _WELL_S else min(_LONGEST_S, 2 * self._pause_s + 0.5)
        self._again = monotonic() + self._pause_s
        self._say(f"{' '.join(self._command[-3:])} ended after {lived:.0f} s with code {code}; it is started again")
