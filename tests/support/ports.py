"""Ports of the loopback address that nobody listens on."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_ports(count: int) -> tuple[int, ...]:
    """So many, each another one."""
    with ExitStack() as until:
        taken = [until.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in taken)


def free_port() -> int:
    """One."""
    (port,) = free_ports(1)
    return port
