"""Which ports are free, and who holds those that are not."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

from augment_ops.errors import Fault, ServiceError

LOOPBACK = "127.0.0.1"
_SEARCHED = 200  # ports tried above a taken one before giving up on a suggestion


@dataclass(frozen=True)
class Port:
    """A port that a component listens on, and the variable that moves it."""

    service: str
    number: int
    variable: str


def is_free(number: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: a port in TIME_WAIT can be taken, one with a listener cannot.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError:
            return False
    return True


def next_free(number: int, avoid: frozenset[int] = frozenset()) -> int | None:
    """The first free port above `number`, or None within reach."""
    candidates = range(number + 1, min(number + _SEARCHED, 65535) + 1)
    return next((port for port in candidates if port not in avoid and is_free(port)), None)


def holder(number: int) -> str:
    """`pid 123 (nginx)` for the process that listens there, as far as this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root only
        return "another program"
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        if connection.laddr and connection.laddr.port == number:
            return f"pid {connection.pid} ({_program(connection.pid)})"
    return "another user's program"


def require_free(ports: list[Port]) -> None:
    """Refuse ports that are taken, and one port given twice; all faults at once.

    Raises:
        ServiceError: names each port, its holder, and a value of the variable that would work.
    """
    faults: list[Fault] = []
    wanted: set[int] = set()
    suggested: set[int] = set()
    for port in ports:
        if port.number in wanted:
            found = f"port {port.number}, which the other service uses too"
        elif not is_free(port.number):
            found = f"port {port.number} taken by {holder(port.number)}"
        else:
            wanted.add(port.number)
            continue
        free = next_free(port.number, frozenset(wanted | suggested | {p.number for p in ports}))
        suggested |= {free} if free else set()
        example = f"export {port.variable}={free}" if free else f"a free port in {port.variable}"
        faults.append(
            Fault(
                f"{port.service} ({port.variable})",
                found,
                f"a free port on {LOOPBACK}",
                f"end that program, or choose another port and start again: {example}",
            )
        )
    if faults:
        raise ServiceError.of("ports of the services", faults)


def _program(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return " ".join(process.cmdline()[:3])[:80] or process.name()
    except psutil.Error:
        return "unknown program"
