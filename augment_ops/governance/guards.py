"""The statements by which a database itself refuses to change the ledger, per dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.schema import CreateTable

_REFUSAL = "the ledger is append-only"


@dataclass(frozen=True)
class Guard:
    """How one dialect guards the table.

    Attributes:
        triggers: names that must exist.
        create: statements that make the table and the triggers, each safe to repeat.
        listing: query that gives the names of the triggers on the table.
    """

    triggers: tuple[str, ...]
    create: Callable[[Table, Dialect], list[str]]
    listing: str


def guards_missing(connection: Connection) -> list[str]:
    """Names of the triggers that should be there and are not."""
    guard = GUARDS[connection.dialect.name]
    present = {row[0] for row in connection.exec_driver_sql(guard.listing)}
    return [name for name in guard.triggers if name not in present]


def _create_sqlite(table: Table, dialect: Dialect) -> list[str]:
    return [
        "BEGIN IMMEDIATE",  # table and triggers together: a kill between them would leave a table without a guard
        str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)),
        *(
            f"CREATE TRIGGER IF NOT EXISTS ledger_no_{act} BEFORE {act.upper()} ON ledger "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            for act in ("update", "delete")
        ),
        # REPLACE deletes the row that is in the way without calling the trigger on DELETE.
        "CREATE TRIGGER IF NOT EXISTS ledger_no_replace BEFORE INSERT ON ledger WHEN EXISTS "
        "(SELECT 1 FROM ledger WHERE seq = NEW.seq OR key = NEW.key OR prev_hash = NEW.prev_hash OR hash = NEW.hash) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        "COMMIT",
    ]


def _create_postgresql(table: Table, dialect: Dialect) -> list[str]:
    return [
        # Two processes that create the same table at once collide in the catalogue even with IF NOT EXISTS.
        "BEGIN",
        "SELECT pg_advisory_xact_lock(hashtext('augment_ops.ledger'))",
        str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)),
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        *(
            f"CREATE OR REPLACE TRIGGER ledger_no_{act} BEFORE {act.upper()} ON ledger "
            f"FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
            for act in ("update", "delete", "truncate")
        ),
        "COMMIT",
    ]


GUARDS: dict[str, Guard] = {
    "sqlite": Guard(
        ("ledger_no_update", "ledger_no_delete", "ledger_no_replace"),
        _create_sqlite,
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'",
    ),
    "postgresql": Guard(
        ("ledger_no_update", "ledger_no_delete", "ledger_no_truncate"),
        _create_postgresql,
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'ledger'::regclass AND NOT tgisinternal AND tgenabled <> 'D'",
    ),
}
