"""MLflow's SQLite file, whole or not there.

MLflow makes its tables in some sixty migrations, and SQLite keeps each as it comes: where the disk is full in the
middle of the first time, the next attempt finds a table that it wants to make, and so does every later one. So a new
file is made under another name and renamed, and one that an interrupted first time has left is set aside.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

_log = logging.getLogger(__name__)

# What somebody would miss. Each is there in some of the versions that a file can be of.
_DATA = {
    "runs": "SELECT 1 FROM runs LIMIT 1",
    "experiments": "SELECT 1 FROM experiments WHERE experiment_id <> 0 LIMIT 1",
    "registered_models": "SELECT 1 FROM registered_models LIMIT 1",
    "logged_models": "SELECT 1 FROM logged_models LIMIT 1",
}
_WHOLE = 0x41754F70  # "AuOp", the file's user_version, of which neither MLflow nor alembic makes use
_NEW, _ASIDE = ".new", ".unfinished"


def open_whole(database: Path, initialise: Callable[[str], None]) -> None:
    """Open a SQLite store, made where it is absent or was left unfinished. Call with the lock held.

    Args:
        initialise: makes the tables of the store at a URI, or checks them.

    Raises:
        Exception: whatever `initialise` raises where the file holds somebody's data, or there is no room.
    """
    if not database.exists() or database.stat().st_size == 0:
        _make(database, initialise)
    elif is_empty(database) and not _is_whole(database, initialise):
        _log.warning("%s was left unfinished and holds nothing: kept as %s", database, _set_aside(database).name)
        _make(database, initialise)
    initialise(f"sqlite:///{database}")


def is_empty(database: Path) -> bool:
    """Whether it is MLflow's, holds no run, experiment or model of anybody, and is not known to be whole."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == _WHOLE:
                return False
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            held = [table for table in _DATA if table in tables and connection.execute(_DATA[table]).fetchone()]
    except sqlite3.Error:  # in use, or no database: nothing to be moved
        return False
    return bool(tables & _DATA.keys()) and not held


def _is_whole(database: Path, initialise: Callable[[str], None]) -> bool:
    """Tried on a copy, from which MLflow's connections cannot reach the file itself."""
    new = _beside(database)
    try:
        with contextlib.closing(sqlite3.connect(database)) as one, contextlib.closing(sqlite3.connect(new)) as other:
            one.backup(other)
        initialise(f"sqlite:///{new}")
    except Exception:  # whatever MLflow, its migrations or SQLite raise
        return False
    finally:
        _remove(new)
    _mark(database)
    return True


def _make(database: Path, initialise: Callable[[str], None]) -> None:
    new = _beside(database)
    try:
        initialise(f"sqlite:///{new}")
        _mark(new)
        new.replace(database)
    finally:
        _remove(new)


def _beside(database: Path) -> Path:
    """Another name each time, because MLflow keeps connections to what it has opened; those of killed attempts go."""
    for stale in database.parent.glob(f"{database.name}{_NEW}-*"):
        stale.unlink(missing_ok=True)
    return database.with_name(f"{database.name}{_NEW}-{uuid.uuid4().hex[:8]}")


def _mark(database: Path) -> None:
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {_WHOLE}")
        connection.commit()


def _set_aside(database: Path) -> Path:
    number = 1
    while (aside := database.with_name(f"{database.name}{_ASIDE}-{number}")).exists():
        number += 1
    database.replace(aside)
    _remove(database)  # its journal
    return aside


def _remove(database: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


if __name__ == "__main__":  # what `augment-ops up` runs before the server, which would make its tables in place
    from augment_ops.errors import AugmentOpsError
    from augment_ops.tracking import connect

    try:
        connect(sys.argv[1])
    except AugmentOpsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
