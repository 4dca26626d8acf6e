"""The ledger in a real PostgreSQL: the same promises as in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger, clock
from augment_ops.governance.keys import Key

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


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.fixture
def worker(url: str, key: Key) -> Iterator[Ledger]:
    """The ledger as a role has it that may insert and select, and nothing else."""
    execute(url, "DROP ROLE IF EXISTS worker", "CREATE ROLE worker LOGIN")
    Ledger(url).create(grant="worker")
    yield Ledger(url.replace("postgres@", "worker@"), signer=lambda: key)
    execute(url, "DROP OWNED BY worker", "DROP ROLE worker")


def test_a_role_that_may_insert_and_select_is_enough(worker: Ledger, url: str) -> None:
    entries = [worker.append("promote", "ada", SUBJECTS, "", name) for name in "ab"]
    assert worker.append("promote", "ada", SUBJECTS, "", "a") == entries[0]
    found = worker.believed({entries[1].hash: "a report"})
    assert (found.entries, found.warnings) == (entries, [])
    assert "this role owns the tables" in Ledger(url).audit().warnings[0]
    for statement in (
        "UPDATE ledger SET actor = 'eve'",
        "DELETE FROM ledger_signature",
        "TRUNCATE ledger",
        "ALTER TABLE ledger DISABLE TRIGGER USER",
        "DROP TABLE ledger",
        "DROP TRIGGER ledger_no_update ON ledger",
        "CREATE RULE also AS ON INSERT TO ledger DO INSTEAD NOTHING",
    ):
        with pytest.raises(DatabaseError, match=r"permission denied|must be owner"):
            execute(url.replace("postgres@", "worker@"), statement)


def test_a_role_that_may_not_make_the_tables_is_told_who_may(url: str, key: Key) -> None:
    execute(url, "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(GovernanceError, match="audit create --grant"):
            Ledger(url.replace("postgres@", "stranger@"), signer=lambda: key).append("promote", "ada", {}, "", "a")
    finally:
        execute(url, "DROP ROLE stranger")


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            (
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
                "CREATE TRIGGER also BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION swallow()",
            ),
            "trigger also, which is not ours",
        ),
        (("CREATE RULE also AS ON INSERT TO ledger DO INSTEAD NOTHING",), "rule also, which is not ours"),
        (("CREATE POLICY also ON ledger USING (act <> 'revoke')",), "row policy also, which is not ours"),
        (("ALTER TABLE ledger ENABLE ROW LEVEL SECURITY",), "table ledger of another text"),
        (("CREATE TABLE more () INHERITS (ledger)",), "heir more, which is not ours"),
        (("DROP TRIGGER ledger_no_delete ON ledger",), "no trigger ledger_no_delete"),
        (("ALTER TABLE ledger DISABLE TRIGGER ledger_no_truncate",), "trigger ledger_no_truncate of another text"),
        (
            (
                "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN NEW; END $$",
            ),
            "trigger ledger_no_update of another text",
        ),
    ],
)
def test_what_is_not_ours_beside_the_table_is_refused(
    ledger: Ledger, url: str, statements: tuple[str, ...], found: str
) -> None:
    ledger.append("promote", "ada", SUBJECTS, "", "a")
    execute(url, *statements)
    assert found in [fault.found for fault in ledger.verify()]
    with pytest.raises(GovernanceError, match=found):
        ledger.append("revoke", "ada", SUBJECTS, "", "b")


def test_the_clock_of_the_server_is_asked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=3))
    with pytest.raises(GovernanceError, match="timedatectl"):
        ledger.append("promote", "ada", SUBJECTS, "", "a")
    assert ledger.size() == 0
