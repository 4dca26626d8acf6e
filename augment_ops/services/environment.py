"""The environment that every process of the stack runs in. Each variable stands here with its reason."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from augment_ops import shipped
from augment_ops.identity import SERVICE
from augment_ops.private import umask
from augment_ops.project import plugins_of
from augment_ops.services.layout import STACK_MARK, layout_of
from augment_ops.services.people import Login, simple_auth_users
from augment_ops.services.ports import LOOPBACK
from augment_ops.settings import Settings

_SQLITE_WAIT_S = 30  # four Airflow processes write one file: wait for the lock (SQLite's own default is 5 s)


def mlflow_address(settings: Settings) -> str:
    """Where tasks find MLflow: a server elsewhere that the user named, or the one that the stack starts."""
    if is_external_mlflow(settings):
        return settings.mlflow_uri
    return f"http://{LOOPBACK}:{settings.mlflow_port}"


def is_external_mlflow(settings: Settings) -> bool:
    """Whether MLFLOW_TRACKING_URI names a server that is not the stack's own."""
    own = {f"http://{host}:{settings.mlflow_port}" for host in (LOOPBACK, "localhost")}
    return settings.mlflow_uri.startswith(("http://", "https://")) and settings.mlflow_uri.rstrip("/") not in own


def airflow_address(settings: Settings) -> str:
    """Airflow's UI and REST interface."""
    return f"http://{LOOPBACK}:{settings.airflow_port}"


def airflow_database(file: Path) -> str:
    """SQLAlchemy's URL of Airflow's metadata database."""
    return f"sqlite:///{file}?timeout={_SQLITE_WAIT_S}"


def stack_environment(
    settings: Settings, dags: Path, everybody: tuple[Login, ...], environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The caller's environment with ours on top. Further AIRFLOW__ variables of the caller (metrics, say) stay."""
    inherited = dict(os.environ if environ is None else environ)
    return {
        **inherited,
        **_project(settings, dags, inherited),
        **_airflow(settings, dags, everybody),
        **_mlflow(),
    }


def _project(settings: Settings, dags: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    root = shipped.checkout()
    search = [str(root)] if root else []
    return {
        # `down` finds processes by this mark, never by name. setproctitle, which Airflow uses, overwrites the
        # environment that the system shows for a process, and the mark with it, unless SPT_NOENV is set.
        STACK_MARK: layout_of(settings).stack_id,
        "SPT_NOENV": "1",
        # Tasks run with this environment and must reach the same state from any working directory.
        "AUGMENT_OPS_HOME": str(settings.home),
        "AUGMENT_OPS_STORE": settings.store,
        "AUGMENT_OPS_LEDGER": settings.ledger,
        "AUGMENT_OPS_POLICIES": str(settings.policies),
        "AUGMENT_OPS_DAGS": str(dags),
        "AUGMENT_OPS_AIRFLOW_PORT": str(settings.airflow_port),
        "AUGMENT_OPS_MLFLOW_PORT": str(settings.mlflow_port),
        # As whom tasks read who answered: not a login at another Airflow that the user's shell names.
        "AUGMENT_OPS_AIRFLOW_LOGIN": SERVICE,
        "AUGMENT_OPS_AIRFLOW_PASSWORDS": str(layout_of(settings).passwords),
        "MLFLOW_TRACKING_URI": mlflow_address(settings),
        # Airflow starts commands of its own by name: those of this environment come first.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *_parts(inherited.get("PATH"))]),
        "PYTHONPATH": os.pathsep.join([*search, *(p for p in _parts(inherited.get("PYTHONPATH")) if p not in search)]),
        # Tasks speak to the api-server on loopback; a proxy of the user's shell must not stand between.
        "NO_PROXY": _without_proxy(inherited.get("NO_PROXY")),
        "no_proxy": _without_proxy(inherited.get("no_proxy")),
        # albumentations asks the network for updates at import; GitPython fails at import where there is no git.
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "GIT_PYTHON_REFRESH": "quiet",
        # Logs are files that are read while they are written.
        "PYTHONUNBUFFERED": "1",
    }


def _airflow(settings: Settings, dags: Path, everybody: tuple[Login, ...]) -> dict[str, str]:
    layout = layout_of(settings)
    address = airflow_address(settings)
    return {
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW_CONFIG": str(layout.airflow / "airflow.cfg"),  # not that of another installation of the user's
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # the default forks 32 idle workers at once
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",  # a hundred example DAGs would be parsed first
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_of(dags)),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # a run of a paused DAG would wait for ever
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",  # the default is port 8080
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # the default asks DNS, which may hang offline
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",  # an edited DAG is served after 5 s, not 30
        "AIRFLOW__CORE__AUTH_MANAGER": _auth_manager(dags),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",  # True would let anybody answer an approval
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": simple_auth_users(everybody),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_database(layout.airflow / "airflow.db"),
        "AIRFLOW__API__HOST": LOOPBACK,  # the default listens on every interface
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": address,  # links in logs and notifications
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__INSTANCE_NAME": "AugmentOps",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(layout.airflow / "bundles"),  # the default is /tmp
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",  # a new DAG file is seen after 10 s, not 5 min
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",  # and an edited one
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",  # a handful of files; the other core trains
        "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",  # a table into the log every 30 s, for ever
        # 1 s between two tasks adds up over the stages; 0.25 s costs a seventh of a processor while nothing happens.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # After `kill -9` of a scheduler or of a task the run goes on after a minute, where the default is 5.
        # Heartbeats come every 5 s from the task's supervisor, a process of its own, even while training computes.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        # Default 5 s. On a busy machine the api-server once took 29 s to answer that a task starts; the repeated
        # question found the task running already, and Airflow then failed the task without a word.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",  # the logs are files
        # Airflow gives its task logs these rights whatever the umask is; the defaults let a group write.
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": f"0o{0o777 & ~umask():o}",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": f"0o{0o666 & ~umask():o}",
    }


def _auth_manager(dags: Path) -> str:
    """The one with our roles, which our DAGs need; DAGs of somebody else's have Airflow's own."""
    if (plugins_of(dags) / "airflow_roles.py").is_file():
        return "airflow_roles.GovernedAuthManager"  # Airflow can import what lies in its plugins' folder
    return "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


def _mlflow() -> dict[str, str]:
    return {
        # Its job queue starts a second set of workers: ready in 56 s with 3.1 GB, against 10 s with 0.5 GB without.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _parts(path: str | None) -> list[str]:
    return [part for part in (path or "").split(os.pathsep) if part]


def _without_proxy(value: str | None) -> str:
    known = [part for part in (value or "").split(",") if part]
    return ",".join([*known, *(host for host in (LOOPBACK, "localhost") if host not in known)])
