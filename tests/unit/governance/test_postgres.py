"""The ledger in a real PostgreSQL: the same promises as in SQLite."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger

SUBJECTS = {"model": "digits-classifier", "version": "1"}


@pytest.fixture
def url(postgres) -> str:
    return postgres()


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger(url)


def test_entries_are_chained_and_keys_entered_once(ledger: Ledger) -> None:
    first = ledger.append("promote", "ada", SUBJECTS, "gate passed", "a")
    second = ledger.append("approve", "bob", {}, "Grüße, 100 % sicher", "b")
    assert ledger.append("promote", "eve", SUBJECTS, "again", "a") == first
    with pytest.raises(GovernanceError, match="as entry 1 says"):
        ledger.append("reject", "ada", SUBJECTS, "", "a")
    assert ledger.entries() == [first, second]
    assert ledger.verify({second.hash: "a report"}) == []
    assert (ledger.head(), ledger.size()) == (second.hash, 2)


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET actor = 'eve'", "DELETE FROM ledger WHERE seq = 2", "TRUNCATE ledger"]
)
def test_the_database_refuses_to_change_an_entry(ledger: Ledger, url: str, statement: str) -> None:
    entries = [ledger.append("promote", "ada", SUBJECTS, "", key) for key in "ab"]
    engine = create_engine(url)
    with pytest.raises(DatabaseError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert ledger.entries() == entries


def test_verify_finds_what_was_changed_without_the_triggers(ledger: Ledger, url: str) -> None:
    for key in "abc":
        ledger.append("promote", "ada", SUBJECTS, "", key)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE ledger DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE ledger SET actor = 'eve' WHERE seq = 2"))
    engine.dispose()
    faults = ledger.verify()
    assert any("trigger ledger_no_update of another text" in fault.found for fault in faults)
    assert any(fault.where.endswith("entry 2") for fault in faults)


def test_nobody_there_is_a_governance_error(tmp_path) -> None:
    with pytest.raises(GovernanceError, match="a ledger that can be read and written"):
        Ledger(f"postgresql+pg8000://postgres@/x?unix_sock={tmp_path}/.s.PGSQL.5432").head()
