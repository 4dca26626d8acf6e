"""MLflow's SQLite file where the disk was full the first time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from augment_ops.errors import TrackingError
from augment_ops.tracking import connect, connection
from augment_ops.tracking.connection import _initialise, quieten
from augment_ops.tracking.database import is_empty, open_whole

FilesUpTo = Callable[[int], AbstractContextManager[None]]
HALF = 300_000  # bytes, of about 950,000


def uri(database: Path) -> str:
    return f"sqlite:///{database}"


@pytest.fixture(autouse=True)
def _really_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about how a file is made: none is copied from one that is there."""
    monkeypatch.setattr(connection, "open_whole", open_whole)


def test_a_disk_that_was_full_the_first_time_is_forgotten(tmp_path: Path, files_up_to: FilesUpTo) -> None:
    database = tmp_path / "mlflow.db"
    with files_up_to(HALF), pytest.raises(TrackingError, match="free space on that disk"):
        connect(uri(database))
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]

    tracker = connect(uri(database))
    tracker.open_run("digits", "run-1")

    assert not is_empty(database)
    assert [path.name for path in tmp_path.glob("mlflow.db*")] in (
        ["mlflow.db", "mlflow.db.lock"],
        ["mlflow.db.lock", "mlflow.db"],
    )


def test_a_file_that_an_older_version_left_unfinished_is_set_aside(tmp_path: Path, files_up_to: FilesUpTo) -> None:
    database = tmp_path / "mlflow.db"
    quieten()
    with files_up_to(HALF), pytest.raises(Exception, match="disk I/O error"):
        _initialise(uri(tmp_path / "made.db"))  # in place, by another process: this one would keep its connection
    shutil.copyfile(tmp_path / "made.db", database)
    assert is_empty(database)
    before = database.read_bytes()

    connect(uri(database)).open_run("digits", "run-1")

    assert (tmp_path / "mlflow.db.unfinished-1").read_bytes() == before


def test_a_file_with_somebodys_data_stays_where_it_is(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    connect(uri(tmp_path / "made.db")).open_run("digits", "run-1")
    shutil.copyfile(tmp_path / "made.db", database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 0")  # as an older version made it
        connection.execute("DELETE FROM alembic_version")
        connection.execute("DROP TABLE spans")
        connection.commit()

    assert not is_empty(database)
    with pytest.raises(TrackingError):
        connect(uri(database))
    assert database.exists()
    assert not list(tmp_path.glob("*.unfinished*"))


def test_an_empty_file_of_an_older_version_is_kept_and_not_tried_again(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    quieten()
    _initialise(uri(database))
    inode = database.stat().st_ino

    connect(uri(database))

    assert database.stat().st_ino == inode
    assert not is_empty(database)  # it is known to be whole
