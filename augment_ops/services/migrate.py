"""The databases of the stack: made beside their place and renamed when they are whole, once a version.

A migration that a full disk or a kill interrupts leaves tables that its next try wants to make. What was renamed is
whole; what was not is taken away by the next `up`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from augment_ops.errors import ServiceError
from augment_ops.files import open_regular, replace_file
from augment_ops.services import processes
from augment_ops.services.components import migration, mlflow_database
from augment_ops.services.environment import airflow_database
from augment_ops.services.layout import Layout, layout_of
from augment_ops.services.processes import Record, ServiceCommand
from augment_ops.settings import Settings

MIGRATION_S = 600.0  # 6 s on an idle core; a first start on a busy machine took a minute
_CALLED = {"airflow-migrate": "Airflow's database", "mlflow-migrate": "MLflow's database"}
NAMES = tuple(_CALLED)  # of the processes
_LOG_END = 1 << 16  # bytes of a log that are read for its last lines; a log of days has gigabytes
_LOG_LINES = 12  # of a log in an error message: enough for the end of a traceback


def airflow(layout: Layout, environment: Mapping[str, str], folder: Path) -> None:
    """Make or upgrade Airflow's database; the command takes 5 s even where there is nothing to do.

    Raises:
        ServiceError: it did not work out; the database is as it was.
    """
    database, done = layout.airflow / "airflow.db", layout.airflow / "migrated"
    if database.exists() and _says(done, "apache-airflow-core"):
        return
    layout.airflow.mkdir(parents=True, exist_ok=True)
    new = database.with_name("airflow.db.new")
    _remove(new)
    if database.exists():
        _copy_or_set_aside(database, new, known=done.exists())
    beside = {**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_database(new)}
    try:
        finish(processes.start(ServiceCommand("airflow-migrate", migration(), folder.parent, beside), layout), layout)
        _readers_beside_writers(new)
        _remove(database, but_itself=True)  # its journal is in the copy
        new.replace(database)
    finally:
        _remove(new)
    _say(done, "apache-airflow-core")


def mlflow(settings: Settings, environment: Mapping[str, str], folder: Path) -> Record | None:
    """Begin to make MLflow's SQLite file, which its server would do in place; `finish` waits for it.

    Returns:
        None where there is nothing to do.
    """
    layout, uri = layout_of(settings), mlflow_database(settings)
    if not uri.startswith("sqlite:///"):  # PostgreSQL takes a migration back that fails
        return None
    if Path(uri.removeprefix("sqlite:///").partition("?")[0]).exists() and _says(_made(layout), "mlflow"):
        return None
    command = (sys.executable, "-m", "augment_ops.tracking.database", uri)
    return processes.start(ServiceCommand("mlflow-migrate", command, folder.parent, environment), layout)


def mlflow_finished(layout: Layout, begun: Record) -> None:
    """Wait for what `mlflow` began.

    Raises:
        ServiceError: it did not work out; there is no half of a database.
    """
    finish(begun, layout)
    _say(_made(layout), "mlflow")


def finish(record: Record, layout: Layout) -> None:
    """Wait for a migration.

    Raises:
        ServiceError: it failed, was killed, or takes too long; with the end of its log.
    """
    try:
        code = processes.wait(record, MIGRATION_S)
    finally:
        processes.end(layout, [record.name])
    if code != 0:
        raise ServiceError(
            _CALLED[record.name],
            f"the migration {'took too long' if code is None else f'ended with {code}'}{log_end(record.log)}",
            "a database of the installed version",
            f"free space where the disk is full, read {record.log}, and run `augment-ops up` again: what was not "
            "finished is made anew",
        )


def log_end(log: str | None) -> str:
    """The last lines of a log, for an error message; empty where there is none."""
    if log is None:
        return ""
    try:
        with open_regular(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_END))
            lines = file.read(_LOG_END).decode(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    return "; the end of its log:\n" + "\n".join(f"      {line[:200]}" for line in lines) if lines else ""


def _copy_or_set_aside(database: Path, new: Path, *, known: bool) -> None:
    """Begin with a copy; a file that no migration of ours finished and that has no run in it stays under another name.

    Args:
        known: whether a migration of it was finished once.
    """
    if known or _has_runs(database):
        with contextlib.closing(sqlite3.connect(database)) as one, contextlib.closing(sqlite3.connect(new)) as other:
            one.backup(other)
        return
    number = 1
    while (aside := database.with_name(f"{database.name}.unfinished-{number}")).exists():
        number += 1
    database.replace(aside)


def _has_runs(database: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return connection.execute("SELECT 1 FROM dag_run LIMIT 1").fetchone() is not None
    except sqlite3.Error:  # no such table
        return False


def _readers_beside_writers(database: Path) -> None:
    """Write-ahead logging is a property of the file: without it each reader of five processes blocks the writers."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _remove(database: Path, *, but_itself: bool = False) -> None:
    for ending in ("-journal", "-wal", "-shm", *(() if but_itself else ("",))):
        database.with_name(database.name + ending).unlink(missing_ok=True)


def _made(layout: Layout) -> Path:
    return layout.mlflow / "migrated"


def _says(done: Path, distribution: str) -> bool:
    return done.exists() and done.read_text() == version(distribution)


def _say(done: Path, distribution: str) -> None:
    replace_file(done, version(distribution))
