"""How MLflow is reached: environment, one client, one lock, and its errors in our words."""

from __future__ import annotations

import errno
import json
import os
import re
import urllib.parse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops import scratch
from augment_ops.content import sha256_hex
from augment_ops.errors import AugmentOpsError, StoreError, TrackingError
from augment_ops.files import SMALL, read_regular
from augment_ops.identity import SERVICE
from augment_ops.locks import held
from augment_ops.shown import address
from augment_ops.tracking.database import open_whole

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from augment_ops.tracking.tracker import MlflowTracker

# A refused connection sleeps 0 + 2 + 4 s (urllib3 doubles the factor) and at most 1.5 s of jitter: the answer comes
# within 8 s, and a server that is being restarted is still found. MLflow's own 7 retries take over 4 minutes.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Standard output belongs to the command line's own text and JSON.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# Not for the user to change: no calls home, and nothing is ever loaded by pickle.
_FIXED = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}

# The account of the local stack's server that may write; its password lies beside the database.
SERVICE_ACCOUNT = SERVICE
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"  # as MLflow's clients read them

_NO_ROOM = ("(sqlite3.OperationalError) disk I/O error", "database or disk is full")  # SQLite's words for it
_LOCK_S = 300.0  # a model of gigabytes may be on its way through another process
_TEXT_LENGTH = 400  # of what an error quotes from MLflow; the whole stays on __cause__


@dataclass(frozen=True)
class Connection:
    """An open tracking store.

    Attributes:
        uri: tracking URI, without a trailing slash.
        artifact_root: local folder of new experiments' artifacts; None leaves the place to the server.
        lock: file whose advisory lock orders search-then-create between processes of this machine.
    """

    uri: str
    artifact_root: Path | None
    client: MlflowClient
    lock: Path

    @property
    def is_server(self) -> bool:
        """Whether the URI is a server's (http), which also serves the UI."""
        return self.uri.startswith(("http://", "https://"))

    @contextmanager
    def exclusive(self, doing: str) -> Iterator[None]:
        """Hold the lock while something is looked up and made where it is absent; not reentrant."""
        with answering(self.uri, doing), _locked(self.lock):
            yield


def connect(uri: str, artifact_root: Path | None = None) -> MlflowTracker:
    """Open the tracking store at `uri`.

    A SQLite store is made where it is absent, once, whoever else starts at the same time. A server is not asked yet:
    call `check()` for that.

    Args:
        uri: `http(s)://…` of a server, or a SQLAlchemy URL such as `sqlite:////path/mlflow.db`.
        artifact_root: local folder for the artifacts of experiments made here. Give the same folder in both ways of
            working on one machine, and the state can be used with and without the server. By default beside a SQLite
            file, and the server's own choice for http.

    Raises:
        TrackingError: the store cannot be opened.
    """
    from augment_ops.tracking.tracker import MlflowTracker

    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.update(_FIXED)
    uri = uri.rstrip("/")
    log_in(uri, artifact_root)
    database = _sqlite_path(uri)
    if artifact_root is None and database is not None:
        artifact_root = database.parent / "artifacts"
    lock = _lock_path(uri, database, artifact_root)
    # Four processes that initialise one fresh SQLite file at once crash each other (MLflow 3.17.2): one at a time.
    with answering(uri, "open the tracking store"), _locked(lock):
        from mlflow.tracking import MlflowClient

        if database is not None:
            open_whole(database, _initialise)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return MlflowTracker(Connection(uri, artifact_root, client, lock))


def _initialise(uri: str) -> None:
    """Let MLflow make the tables of a SQLite store, or find them whole."""
    from mlflow.tracking import MlflowClient

    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)


def login_file(artifact_root: Path) -> Path:
    """Where `augment-ops up` keeps the passwords of its MLflow: JSON {account: password}, for the owner alone."""
    return artifact_root.parent / "login.json"


def is_local(uri: str) -> bool:
    """Whether a server's address is on this machine."""
    return urllib.parse.urlsplit(uri).hostname in ("127.0.0.1", "localhost")


def log_in(uri: str, artifact_root: Path | None) -> None:
    """Give MLflow's client the login of this machine's own server; a user's own stays, and no other host gets it."""
    if artifact_root is None or not is_local(uri):
        return
    if os.environ.get(_USER, SERVICE_ACCOUNT) != SERVICE_ACCOUNT or not login_file(artifact_root).is_file():
        return
    with answering(uri, "read the login"):
        passwords = json.loads(read_regular(str(login_file(artifact_root)), limit=SMALL))
    os.environ.update({_USER: SERVICE_ACCOUNT, _PASSWORD: passwords[SERVICE_ACCOUNT]})


@contextmanager
def answering(uri: str, doing: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or the disk raises into a TrackingError or StoreError."""
    quieten()
    try:
        yield
    except AugmentOpsError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(
                f"MLflow artifacts ({error.filename or uri})",
                f"disk full while trying to {doing}",
                "free space for the artifact",
                "free space on that disk, then run the stage again",
            ) from error
        raise _tracking_error(uri, doing, error) from error
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow.", "sqlalchemy.", "requests.", "urllib3.")):
            raise  # a fault of this project's code is not MLflow's
        raise _tracking_error(uri, doing, error) from error


def quieten() -> None:
    """Ignore warnings about MLflow's own code, which its user cannot mend.

    MLflow 3.17.2 uses a loader that SQLAlchemy 2.1 deprecates in every query, and warns about its own type hints when
    it is imported. Set before every use, because whoever resets the filters (a test does) would bring them back.
    """
    warnings.filterwarnings("ignore", module=r"mlflow(\.|$)")


def _tracking_error(uri: str, doing: str, error: Exception) -> TrackingError:
    text, uri = " ".join(str(error).split()), address(uri)
    if any(said in text for said in _NO_ROOM):
        fix = "free space on that disk and do this again: a database that was not finished is made anew"
        return TrackingError(f"MLflow at {uri}", _bounded(text), f"room on the disk, to {doing}", fix)
    if uri.startswith("http") and ("failed with exception" in text or "timed out" in text or "timeout" in text):
        fix = "start the server (augment-ops up), or set MLFLOW_TRACKING_URI to where it runs"
        return TrackingError(f"MLflow at {uri}", _bounded(text), f"an answer, to {doing}", fix)
    refused = re.search(r"\b40[13]\b", text) if uri.startswith("http") else None  # a run's id may have these digits too
    if (refused and refused[0] == "401") or "not authenticated" in text.lower():
        fix = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or start the server with `augment-ops up`"
        return TrackingError(f"MLflow at {uri}", "a server that wants a login", f"one that may {doing}", fix)
    if (refused and refused[0] == "403") or "permission denied" in text.lower():
        fix = f"act with the login {SERVICE_ACCOUNT}, which this project's commands use by themselves"
        return TrackingError(f"MLflow at {uri}", "a login that may only read", f"one that may {doing}", fix)
    if "mlflow-artifacts" in text and not uri.startswith("http"):
        fix = "set MLFLOW_TRACKING_URI to that server: it alone can reach the artifacts that it stored"
        return TrackingError(f"MLflow at {uri}", "an experiment made through a server", "local artifacts", fix)
    fix = "mend what MLflow names and run the stage again; nothing is recorded twice"
    return TrackingError(f"MLflow at {uri}", _bounded(text), f"that it would {doing}", fix)


def _bounded(text: str) -> str:
    half = _TEXT_LENGTH // 2
    return text if len(text) <= _TEXT_LENGTH else f"{text[:half]} … {text[-half:]}"


def _sqlite_path(uri: str) -> Path | None:
    """The file behind a SQLite URL (its folder made where absent), None for anything else."""
    if not uri.startswith("sqlite:///"):
        return None
    path = Path(urllib.parse.unquote(uri.removeprefix("sqlite:///").split("?")[0])).absolute()
    with answering(uri, "make the folder of the tracking store"):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _lock_path(uri: str, database: Path | None, artifact_root: Path | None) -> Path:
    if database is not None:
        return database.with_name(f"{database.name}.lock")
    if artifact_root is not None:
        return artifact_root / ".augment-ops.lock"
    return scratch.root() / f"{sha256_hex(uri.encode())[:16]}.lock"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # flock dies with its process, so a kill -9 leaves nothing to clean up. Search-then-create is not atomic in MLflow
    # (tags are not unique): without this, a retry beside a task that is still alive makes a second run or version.
    path.parent.mkdir(parents=True, exist_ok=True)
    with held(path, "write to MLflow", _LOCK_S):
        yield
