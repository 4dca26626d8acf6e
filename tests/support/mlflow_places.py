"""MLflow's state in another folder than it was made in: it has no paths but absolute ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

# Where MLflow wrote down the absolute path of a folder of artifacts.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def moved(database: Path, was: str, now: str) -> None:
    """Have MLflow find its artifacts below another folder."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _PLACES:
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (was, now))
