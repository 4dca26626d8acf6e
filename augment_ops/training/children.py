"""Processes that a trainer starts: what they said last, and their end, with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import IO

_TAIL = 600  # characters of what it said last, in an error


def tail(said: IO[bytes]) -> str:
    """What a process said last, for an error; `said` holds all of it."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
    text = " ".join(said.read().decode("utf-8", "replace").split())
    return f"it said last: {text}" if text else "it said nothing"


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process, which leads a session of its own, and everything in that, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
