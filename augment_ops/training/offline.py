"""While a network is built nothing is asked of the internet: what was fetched would be another thing tomorrow."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from augment_ops.errors import InputError

_of_thread = threading.local()
_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")


class _NetworkAskedError(RuntimeError):
    """No OSError, which libraries take for a network that is down, and try again."""


@contextmanager
def offline(what: str) -> Iterator[None]:
    """Refuse this thread to look up or connect to a host; sockets of this machine's file system are none.

    Args:
        what: is done meanwhile, for the error.

    Raises:
        InputError: a host was asked for, whatever became of that.
    """
    _watch()
    asked: list[str] = []
    _of_thread.asked = asked
    try:
        yield
    except Exception as error:
        if asked:
            raise _needs_network(what, asked[0]) from error
        raise
    finally:
        _of_thread.asked = None
    if asked:
        raise _needs_network(what, asked[0])


@cache
def _watch() -> None:
    """For the rest of the process: a hook of audits cannot be taken out, and asks one question of each event."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        asked = getattr(_of_thread, "asked", None)
        if asked is None or event not in _EVENTS:
            return
        host = given[1] if event == "socket.connect" else given[0]
        if isinstance(host, (str, bytes)) and event == "socket.connect":
            return  # a path
        asked.append(str(host)[:100])
        raise _NetworkAskedError(f"{asked[-1]} was asked for")

    sys.addaudithook(hook)


def _needs_network(what: str, host: str) -> InputError:
    return InputError(
        "--model",
        f"{what} asked the network for {host}",
        "a network that is built of what is installed",
        "leave its own pretrained weights out; give them as a safetensors file (recipe: torch.network.weights)",
    )
