"""MLflow's login on this machine: one account that writes, which this project's own code uses, and people who read."""

from __future__ import annotations

from pathlib import Path

from augment_ops.services.layout import Layout
from augment_ops.services.people import Login, ensure_passwords, write_passwords
from augment_ops.tracking.connection import SERVICE_ACCOUNT, login_file
from augment_ops.tracking.server import AUTH_DATABASE, READERS

_SECRET = "session-secret"  # what the server signs its forms with


def server_environment(layout: Layout) -> dict[str, str]:
    """The environment of MLflow's server alone. Passwords are drawn where there are none yet.

    People have the password that they have in Airflow. The tracking store may be of a time without a login: who may do
    what is kept in a database of its own.

    Raises:
        ServiceError: the file of the login is there and cannot be read.
    """
    wanted = tuple(Login(name, name, "") for name in (SERVICE_ACCOUNT, _SECRET))
    drawn = ensure_passwords(login_file(layout.mlflow / "artifacts"), wanted)
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(layout.mlflow / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": SERVICE_ACCOUNT,
        "MLFLOW_AUTH_ADMIN_PASSWORD": drawn[SERVICE_ACCOUNT],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": drawn[_SECRET],
        AUTH_DATABASE: f"sqlite:///{layout.mlflow / 'auth.db'}",
        READERS: str(_readers(layout)),
    }


def write_readers(layout: Layout, passwords: dict[str, str], everybody: tuple[Login, ...]) -> None:
    """Keep who may read, with the passwords of Airflow's logins, for the server that starts next."""
    # The file of Airflow's passwords keeps those of people who have left; this one does not.
    readers = {person.id: passwords[person.id] for person in everybody if person.id != SERVICE_ACCOUNT}
    write_passwords(_readers(layout), readers)


def _readers(layout: Layout) -> Path:
    return layout.mlflow / "readers.json"
