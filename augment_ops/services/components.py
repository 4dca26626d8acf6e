"""The processes of the stack: what `airflow standalone` would start, without its log servers, and MLflow."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from augment_ops.services.environment import is_external_mlflow
from augment_ops.services.layout import layout_of
from augment_ops.services.ports import LOOPBACK, Port
from augment_ops.settings import Settings

API_SERVER = "airflow-api-server"
SCHEDULER = "airflow-scheduler"
DAG_PROCESSOR = "airflow-dag-processor"
TRIGGERER = "airflow-triggerer"
MLFLOW = "mlflow"


@dataclass(frozen=True)
class Component:
    """One long-running process.

    Attributes:
        command: program and arguments.
        port: the loopback port that it listens on, where it does.
        after_migration: whether it needs Airflow's database.
        environment: its own beside the stack's: what must not stand in `command`, which everybody on the machine reads.
    """

    name: str
    command: tuple[str, ...]
    port: Port | None = None
    after_migration: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


def components(settings: Settings) -> tuple[Component, ...]:
    """In the order in which they are started: the two that take longest to answer come first.

    Airflow's four are run directly instead of through `airflow standalone`. That command starts the same four, and
    adds two log servers that listen on every interface and cannot be switched off, and a parent whose end orphans
    the rest. Run directly, all listens on loopback, a component that was killed is started again by itself, and
    the stack takes 250 MB less. Task logs are read from the folder that all of them share.
    """
    mlflow = () if is_external_mlflow(settings) else (_mlflow(settings),)
    return (
        *mlflow,
        Component(
            API_SERVER,
            _airflow("api-server"),
            Port("Airflow", settings.airflow_port, "AUGMENT_OPS_AIRFLOW_PORT"),
        ),
        Component(DAG_PROCESSOR, _airflow("dag-processor")),
        Component(SCHEDULER, _airflow("scheduler", "--skip-serve-logs")),
        Component(TRIGGERER, _airflow("triggerer", "--skip-serve-logs")),
    )


def migration() -> tuple[str, ...]:
    """The command that makes or upgrades Airflow's database."""
    return _airflow("db", "migrate")


def _airflow(*arguments: str) -> tuple[str, ...]:
    # Through the interpreter: the script on PATH may belong to another environment, or to a folder that was moved.
    return (sys.executable, "-m", "airflow", *arguments)


def mlflow_database(settings: Settings) -> str:
    """What the stack's MLflow serves: the database that the user named by MLFLOW_TRACKING_URI, else the default one."""
    database = settings.mlflow_uri if "://" in settings.mlflow_uri else ""
    if not database or database.startswith(("http://", "https://")):
        database = f"sqlite:///{layout_of(settings).mlflow / 'mlflow.db'}"
    return database


def _mlflow(settings: Settings) -> Component:
    layout, database = layout_of(settings), mlflow_database(settings)
    arguments = (
        *("--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1"),
        *("--artifacts-destination", str(layout.mlflow / "artifacts")),
    )
    return Component(
        MLFLOW,
        (sys.executable, "-m", "augment_ops.tracking.server", *arguments),
        Port("MLflow", settings.mlflow_port, "AUGMENT_OPS_MLFLOW_PORT"),
        after_migration=False,
        environment={"MLFLOW_BACKEND_STORE_URI": database},  # may hold a password
    )
