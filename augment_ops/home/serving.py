"""The pages on this machine, without Airflow."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from augment_ops.errors import InputError
from augment_ops.home.web import application
from augment_ops.settings import Settings


def serve(settings: Settings, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Answer until the process is interrupted.

    Args:
        host: address of the loopback; port: 0 takes a free one.
        ready: told the address as soon as it is listened on.

    Raises:
        InputError: the port is taken.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        fix = "give a free one by --port; 0 takes any"
        raise InputError(
            "--port", f"{port}, on which nobody can listen: {error.strerror}", "a free port", fix
        ) from error
    with listening:
        app = application(settings, hosts=(host, "localhost"))
        listening.listen()
        ready(f"http://{host}:{listening.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        with suppress(KeyboardInterrupt):  # how it is meant to be ended; uvicorn hands it on when it has
            uvicorn.Server(config).run(sockets=[listening])
