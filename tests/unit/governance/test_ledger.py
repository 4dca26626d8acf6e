"""The ledger: idempotent, chained, guarded by the database, safe with several writers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance import Ledger

SUBJECTS = {"model": "digits-classifier", "version": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    return Ledger(f"sqlite:///{path}")


@pytest.fixture
def database(ledger: Ledger, path: Path) -> Iterator[sqlite3.Connection]:
    """The file as an intruder opens it, with two entries inside."""
    ledger.append("promote", "ada", SUBJECTS, "gate passed", "run-1/promote")
    ledger.append("approve", "bob", {"version": "2"}, "looks right", "run-2/approve")
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def test_entries_come_back_in_order_and_chained(ledger: Ledger) -> None:
    first = ledger.append("promote", "ada", SUBJECTS, "gate passed", "a")
    second = ledger.append("approve", "bob", {}, "Grüße", "b")
    assert [entry.seq for entry in (first, second)] == [1, 2]
    assert second.prev_hash == first.hash
    assert ledger.entries() == [first, second]
    assert ledger.verify() == []


def test_same_key_is_entered_once_whoever_repeats_it(ledger: Ledger) -> None:
    first = ledger.append("promote", "ada", SUBJECTS, "gate passed", "a")
    assert ledger.append("promote", "bob", SUBJECTS, "retried", "a") == first
    assert len(ledger.entries()) == 1


def test_entries_are_found_by_their_act_and_by_their_key(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.governance.ledger._PAGE", 2)
    for number, act in enumerate(("promote", "train", "promote", "alias", "promote", "train")):
        ledger.append(act, "ada", {}, "", f"{number}")
    assert [entry.seq for entry in ledger.read(("promote", "alias"))] == [1, 3, 4, 5]
    assert list(ledger.read(("revoke",))) == []
    assert [entry.seq for entry in ledger.read()] == [1, 2, 3, 4, 5, 6]
    found = ledger.find("3")
    assert found is not None
    assert (found.seq, found.act) == (4, "alias")
    assert ledger.find("33") is None


@pytest.mark.parametrize(("act", "subjects"), [("rollback", SUBJECTS), ("promote", {"version": "2"})])
def test_key_of_another_act_is_refused(ledger: Ledger, act: str, subjects: dict[str, str]) -> None:
    ledger.append("promote", "ada", SUBJECTS, "gate passed", "a")
    with pytest.raises(GovernanceError, match="as entry 1 says"):
        ledger.append(act, "ada", subjects, "gate passed", "a")
    assert len(ledger.entries()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET actor = 'eve' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 2",
        "INSERT OR REPLACE INTO ledger "
        "SELECT seq, at, act, 'eve', subjects, reason, software, key, prev_hash, hash FROM ledger",
    ],
)
def test_database_refuses_to_change_an_entry(ledger: Ledger, database: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    assert [entry.actor for entry in ledger.entries()] == ["ada", "bob"]


@pytest.mark.parametrize(
    "column", ["seq", "at", "act", "actor", "subjects", "reason", "software", "key", "prev_hash", "hash"]
)
def test_verify_finds_any_column_altered_without_the_triggers(
    ledger: Ledger, database: sqlite3.Connection, column: str
) -> None:
    database.execute("DROP TRIGGER ledger_no_update")
    value = 7 if column == "seq" else '{"version":"9"}' if column == "subjects" else "f" * 64
    database.execute(f"UPDATE ledger SET {column} = ? WHERE seq = 2", (value,))
    faults = ledger.verify()
    assert any("ledger_no_update" in fault.found for fault in faults)
    assert any("entry" in fault.where for fault in faults)


def test_verify_reports_a_row_that_is_no_json_instead_of_failing(ledger: Ledger, database: sqlite3.Connection) -> None:
    database.execute("DROP TRIGGER ledger_no_update")
    database.execute("UPDATE ledger SET subjects = 'not json' WHERE seq = 1")
    assert any("altered" in fault.expected for fault in ledger.verify())
    with pytest.raises(GovernanceError):
        ledger.entries()


def test_verify_finds_a_removed_entry_in_the_middle(ledger: Ledger, database: sqlite3.Connection) -> None:
    database.execute("DROP TRIGGER ledger_no_delete")
    database.execute("DELETE FROM ledger WHERE seq = 1")
    assert any("were removed" in fault.expected for fault in ledger.verify())


def test_only_an_anchor_shows_that_the_newest_entry_was_removed(ledger: Ledger, database: sqlite3.Connection) -> None:
    anchor = ledger.entries()[-1].hash
    assert ledger.verify({anchor: "a report"}) == []
    trigger = database.execute("SELECT sql FROM sqlite_master WHERE name = 'ledger_no_delete'").fetchone()[0]
    database.execute("DROP TRIGGER ledger_no_delete")
    database.execute("DELETE FROM ledger WHERE seq = 2")
    database.execute(trigger)
    assert ledger.verify() == []
    (fault,) = ledger.verify({anchor: "the report of run 7"})
    assert fault.found == "no such entry"
    assert "the report of run 7" in fault.expected


def test_damaged_file_is_a_governance_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(GovernanceError, match="not a database"):
        Ledger(f"sqlite:///{path}").append("promote", "ada", {}, "", "a")


def test_locked_file_is_a_governance_error_that_changes_nothing(
    ledger: Ledger, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setattr("augment_ops.governance.database._LOCK_WAIT_S", 0)
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(GovernanceError, match="locked"):
        Ledger(f"sqlite:///{path}").append("promote", "eve", {}, "", "c")
    database.execute("ROLLBACK")
    assert len(ledger.entries()) == 2


def test_failing_append_leaves_no_entry_and_no_lock(ledger: Ledger, database: sqlite3.Connection) -> None:
    with pytest.raises(GovernanceError):
        ledger.append("promote", "ada", {}, "\udcff", "c")  # no character: fails inside the transaction
    assert ledger.append("promote", "ada", {}, "", "c").seq == 3


def test_a_table_of_another_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE ledger (seq INTEGER PRIMARY KEY, act TEXT)")
    connection.close()
    with pytest.raises(GovernanceError, match="made by another version"):
        Ledger(f"sqlite:///{path}").append("promote", "ada", {}, "", "a")


def test_many_entries_are_read_in_pages(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.governance.ledger._PAGE", 3)
    entries = [ledger.append("act", "ada", {}, "", f"{n}") for n in range(7)]
    assert ledger.entries() == entries
    assert ledger.verify({entries[0].hash: "a report"}) == []


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="sqlite or postgresql"):
        Ledger(url)


@pytest.mark.parametrize("driver", ["psycopg", "nothing"])
def test_a_driver_that_is_not_there_is_said_with_the_one_that_comes_along(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as where it is not installed
    with pytest.raises(InputError, match=rf"(?s)found postgresql\+{driver}: .*pg8000"):
        Ledger(f"postgresql+{driver}://host/db")


def test_concurrent_processes_make_one_chain_and_one_entry_a_key(path: Path) -> None:
    """Four processes start on a file that is not there yet; three keys are shared by all of them."""
    code = (
        "import sys; from augment_ops.governance.ledger import Ledger\n"
        "ledger, me = Ledger(sys.argv[1]), sys.argv[2]\n"
        "for i in range(5): ledger.append('act', me, {'n': str(i)}, '', f'{me}-{i}'); "
        "ledger.append('shared', me, {}, '', f'shared-{i % 3}')\n"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    processes = [subprocess.Popen([*command, str(n)], env=environment) for n in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    ledger = Ledger(f"sqlite:///{path}")
    assert ledger.verify() == []
    assert [entry.seq for entry in ledger.entries()] == list(range(1, 4 * 5 + 3 + 1))
