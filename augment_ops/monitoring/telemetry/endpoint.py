"""The metrics of a state folder over HTTP, for Prometheus to scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops.errors import InputError, StoreError
from augment_ops.monitoring.telemetry.textfile import families, path_below, read

if TYPE_CHECKING:
    from prometheus_client import Metric

READABLE = "augment_ops_telemetry_readable"


class StateFolder:
    """Reads the metrics of a state folder anew at each scrape.

    A file that is damaged is said by `augment_ops_telemetry_readable 0`, in place of everything that it held.
    """

    def __init__(self, home: Path) -> None:
        self._path = path_below(home)

    def collect(self) -> Iterator[Metric]:
        """What the file holds now, and whether it could be read."""
        from prometheus_client import Metric

        readable = Metric(READABLE, "1 where the metrics of the state folder can be read.", "gauge")
        try:
            yield from families(read(self._path))
        except (StoreError, OSError):
            readable.add_sample(READABLE, {}, 0)
        else:
            readable.add_sample(READABLE, {}, 1)
        yield readable


def serve(home: Path, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve /metrics from a thread.

    Args:
        port: 0 lets the system choose.

    Returns:
        the port, and what ends the server.

    Raises:
        InputError: the port is taken, or not to be had.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateFolder(home))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise InputError(f"{host}:{port}", str(error), "a free port", "give another with --port") from error

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return int(server.server_port), end
