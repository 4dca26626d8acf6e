"""`python -m augment_ops.tracking.server …`: MLflow's server with a login; takes what `mlflow server` takes.

Who may log in is set before the server starts, in MLflow's own store of users: one service account that may do
everything (MLFLOW_AUTH_ADMIN_USERNAME and _PASSWORD), and people who may read. Nothing of it stands on a command line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment_ops.files import replace_file

READERS = "AUGMENT_OPS_MLFLOW_READERS"  # JSON file {user: password}
AUTH_DATABASE = "AUGMENT_OPS_MLFLOW_AUTH_DATABASE"  # SQLAlchemy URL; by default the one that the server serves
_CONFIG = "MLFLOW_AUTH_CONFIG_PATH"
_ADMIN, _PASSWORD = "MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"  # MLflow's own names


def main() -> None:
    """Set up the logins, then become MLflow's server."""
    database = os.environ.get(AUTH_DATABASE) or os.environ["MLFLOW_BACKEND_STORE_URI"]
    write_config(Path(os.environ[_CONFIG]), database)
    path = Path(os.environ.get(READERS) or "/nonexistent")
    readers = json.loads(path.read_text() or "{}") if path.is_file() else {}
    set_logins(database, os.environ[_ADMIN], os.environ[_PASSWORD], readers)
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", *sys.argv[1:]]
    os.execv(sys.executable, command)


def write_config(path: Path, database: str) -> None:
    """MLflow's file about its login, for the owner alone: whoever logs in may read, and the service account writes."""
    text = (
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = {database.replace('%', '%%')}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        # A password is looked at for 80 ms of a core, which each of a run's hundreds of requests would take.
        "auth_cache_ttl_seconds = 300\n"
    )
    replace_file(path, text, mode=0o600)


def set_logins(database: str, admin: str, password: str, readers: Mapping[str, str]) -> None:
    """Make the store of users say what is asked for: others go, passwords and rights are set where they differ."""
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore()
    store.init_db(database)
    try:
        _set_logins(store, admin, {**readers, admin: password})
    finally:
        store.engine.dispose()  # which nobody else does: its connections would stay open


def _set_logins(store: Any, admin: str, wanted: Mapping[str, str]) -> None:
    for user in store.list_users():
        if user.username not in wanted:
            store.delete_user(user.username)
    for name, secret in wanted.items():
        if not store.has_user(name):
            store.create_user(name, secret, is_admin=name == admin)
        elif not store.authenticate_user(name, secret) or store.get_user(name).is_admin != (name == admin):
            store.update_user(name, password=secret, is_admin=name == admin)


if __name__ == "__main__":
    main()
