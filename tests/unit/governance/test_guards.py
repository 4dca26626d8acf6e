"""What stands in the database beside the table: ours by its text, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger
from augment_ops.governance import ledger as module
from augment_ops.governance.keys import Key

TABLES = ("ledger", "ledger_signature")
SWALLOW = "CREATE TRIGGER also BEFORE INSERT ON {} BEGIN SELECT RAISE(IGNORE); END"
CHANGE = (
    "CREATE TRIGGER also AFTER INSERT ON ledger WHEN NEW.act = 'revoke' "
    "BEGIN INSERT INTO ledger_signature VALUES (99, '', '', '', ''); END"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path, key: Key) -> Ledger:
    made = Ledger(f"sqlite:///{path}", signer=lambda: key)
    made.append("approve", "ada", {}, "", "a")
    return made


Do = Callable[[str], None]


@pytest.fixture
def do(path: Path) -> Do:
    def execute(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return execute


@pytest.mark.parametrize("statement", [*(SWALLOW.format(table) for table in TABLES), CHANGE])
def test_a_trigger_beside_ours_is_refused(ledger: Ledger, do: Do, statement: str) -> None:
    do(statement)
    (fault,) = ledger.verify()
    assert fault.found == "trigger also, which is not ours"
    with pytest.raises(GovernanceError, match="which is not ours"):
        ledger.append("revoke", "ada", {}, "", "b")
    with pytest.raises(GovernanceError, match="which is not ours"):
        ledger.believed()
    assert ledger.size() == 1


@pytest.mark.parametrize("table", TABLES)
def test_an_insert_that_is_swallowed_is_no_success(
    ledger: Ledger, do: Do, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the trigger itself was not seen."""
    monkeypatch.setattr(module, "guard_faults", lambda *_: [])
    do(SWALLOW.format(table))
    with pytest.raises(GovernanceError, match="swallows or changes"):
        ledger.append("revoke", "ada", {}, "", "b")
    assert ledger.size() == 1


@pytest.mark.parametrize("name", [f"{table}_no_{act}" for table in TABLES for act in ("update", "delete", "replace")])
@pytest.mark.parametrize("instead", ["", "of another text"])
def test_a_trigger_that_is_gone_or_does_something_else_is_found(
    ledger: Ledger, do: Do, name: str, instead: str
) -> None:
    do(f"DROP TRIGGER {name}")
    if instead:
        do(f"CREATE TRIGGER {name} BEFORE UPDATE ON {name.partition('_no_')[0]} BEGIN SELECT 1; END")
    (fault,) = ledger.verify()
    assert fault.found == (f"trigger {name} of another text" if instead else f"no trigger {name}")
    with pytest.raises(GovernanceError, match=name):
        ledger.append("revoke", "ada", {}, "", "b")


def test_a_table_that_was_made_anew_with_other_constraints_is_found(ledger: Ledger, do: Do, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ledger_signature'").fetchone()
        triggers = connection.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'ledger_signature'").fetchall()
    connection.close()
    do(
        "ALTER TABLE ledger_signature RENAME TO old",
        text.replace("UNIQUE (hash)", "UNIQUE (hash) ON CONFLICT IGNORE"),
        "INSERT INTO ledger_signature SELECT * FROM old",
        "DROP TABLE old",
        *(sql for (sql,) in triggers if sql and "TRIGGER" in sql),
    )
    assert [fault.found for fault in ledger.verify()] == ["table ledger_signature of another text"]


def test_what_is_missing_is_not_made_again(ledger: Ledger, do: Do, path: Path) -> None:
    do("DROP TRIGGER ledger_no_update")
    again = Ledger(f"sqlite:///{path}")
    assert again.size() == 1
    assert [fault.found for fault in again.verify()] == ["no trigger ledger_no_update"]
