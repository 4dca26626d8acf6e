"""The stack's MLflow alone: the server that `augment-ops up` starts, on a home of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from augment_ops.services import processes
from augment_ops.services.components import MLFLOW, components
from augment_ops.services.layout import layout_of
from augment_ops.services.mlflow_login import server_environment, write_readers
from augment_ops.services.people import people
from augment_ops.services.processes import ServiceCommand
from augment_ops.services.stack import wait_until_healthy
from augment_ops.settings import Settings

UP_S = 240


@dataclass(frozen=True)
class MlflowServer:
    """A server that may be killed and started again, on the port of its settings."""

    _settings: Settings

    @property
    def settings(self) -> Settings:
        """Of who asks the server instead of its database."""
        return replace(self._settings, mlflow_uri=f"http://127.0.0.1:{self._settings.mlflow_port}")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings, layout = self._settings, layout_of(self._settings)
        component = next(c for c in components(settings) if c.name == MLFLOW)
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment = {**os.environ, **quiet, **component.environment, **server_environment(layout)}
        command = ServiceCommand(MLFLOW, component.command, settings.home, environment, settings.mlflow_port)
        processes.start(command, layout)
        wait_until_healthy(settings, only=[MLFLOW], timeout_s=UP_S)

    def kill(self) -> None:
        """End it as `kill -9` does, with all that it started."""
        for process in processes.members(layout_of(self._settings), [MLFLOW]):
            process.send_signal(signal.SIGKILL)
        processes.end(layout_of(self._settings), [MLFLOW])


@contextmanager
def mlflow_server(settings: Settings) -> Iterator[MlflowServer]:
    """Serve a home's MLflow until the block ends.

    Args:
        settings: of the home, with a free `mlflow_port`.
    """
    layout, everybody, server = layout_of(settings), people(settings.policies), MlflowServer(settings)
    write_readers(layout, {person.id: f"password of {person.id}" for person in everybody}, everybody)
    layout.services.mkdir()
    try:
        server.start()
        yield server
    finally:
        processes.end(layout)
