"""What somebody wants served, and where: who may reach it there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address

from augment_ops.errors import InputError
from augment_ops.serving.access import Tokens
from augment_ops.serving.messages import Tls
from augment_ops.serving.rules import ServingRules

_BACKLOG = 2048  # connections that wait; what the kernel allows may be less
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What somebody wants served.

    Attributes:
        host, port: to listen on; port 0 takes a free one.
    """

    dataset: str
    rules: ServingRules
    host: str
    port: int
    tls: Tls | None = None


def open_hosts(asked: Offer, tokens: Tokens) -> tuple[str, ...]:
    """Names under which everybody on this machine may ask while no token was given out.

    Raises:
        InputError: others reach it, and there is no token.
    """
    loopback = asked.host == "localhost" or _is_loopback(asked.host)
    if loopback and not tokens.in_force:
        return _LOOPBACK
    if not loopback and not len(tokens):
        found = f"{asked.host}, which others reach, and no token"
        fix = "give one out: augment-ops token create NAME --scope predict; or listen on 127.0.0.1"
        raise InputError("--host", found, "a token for who may ask", fix)
    return ()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def listening_socket(asked: Offer) -> socket.socket:
    """A socket that listens there.

    Raises:
        InputError: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in asked.host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((asked.host, asked.port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        where = f"{asked.host}:{asked.port}"
        raise InputError(
            "--host, --port", f"{where}: {error.strerror}", "a free address", "--port 0 takes any"
        ) from error
    return found
