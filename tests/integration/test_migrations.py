"""Databases of the stack whose first migration a full disk has interrupted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from augment_ops.errors import ServiceError
from augment_ops.services import migrate
from augment_ops.services.components import mlflow_database
from augment_ops.services.environment import stack_environment
from augment_ops.services.layout import layout_of
from augment_ops.services.people import people
from augment_ops.settings import Settings

FilesUpTo = Callable[[int], AbstractContextManager[None]]
HALF = 300_000  # bytes: both databases have about a megabyte

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies").mkdir()
    return Settings.from_environment(
        {"AUGMENT_OPS_HOME": str(tmp_path / "var"), "AUGMENT_OPS_POLICIES": str(tmp_path / "policies")}
    )


def environment(settings: Settings, dags: Path) -> dict[str, str]:
    return stack_environment(settings, dags, people(settings.policies))


def tables(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_airflows_is_made_anew_and_what_an_older_version_left_is_kept(
    settings: Settings, tmp_path: Path, files_up_to: FilesUpTo
) -> None:
    layout, dags = layout_of(settings), tmp_path / "dags"
    dags.mkdir()
    layout.airflow.mkdir(parents=True)
    database = layout.airflow / "airflow.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE log (id INTEGER)")  # as far as it came
    with files_up_to(HALF), pytest.raises(ServiceError, match="free space where the disk is full"):
        migrate.airflow(layout, environment(settings, dags), dags)
    assert not database.exists()

    migrate.airflow(layout, environment(settings, dags), dags)

    assert {"dag_run", "log", "alembic_version"} <= tables(database)
    assert tables(layout.airflow / "airflow.db.unfinished-1") == {"log"}
    assert sorted(path.name for path in layout.airflow.glob("airflow.db*")) == ["airflow.db", "airflow.db.unfinished-1"]
    before = database.stat().st_ino
    migrate.airflow(layout, environment(settings, dags), dags)  # nothing to do
    assert database.stat().st_ino == before


def test_mlflows_is_made_anew(settings: Settings, tmp_path: Path, files_up_to: FilesUpTo) -> None:
    layout = layout_of(settings)
    layout.mlflow.mkdir(parents=True)
    with files_up_to(HALF):
        begun = migrate.mlflow(settings, environment(settings, tmp_path), tmp_path)
        assert begun is not None
    with pytest.raises(ServiceError, match="MLflow's database"):
        migrate.mlflow_finished(layout, begun)
    database = Path(mlflow_database(settings).removeprefix("sqlite:///"))
    assert not database.exists()

    begun = migrate.mlflow(settings, environment(settings, tmp_path), tmp_path)
    assert begun is not None
    migrate.mlflow_finished(layout, begun)

    assert "spans" in tables(database)
    assert migrate.mlflow(settings, environment(settings, tmp_path), tmp_path) is None
