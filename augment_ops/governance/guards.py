"""The statements by which a database itself refuses to change the ledger, per dialect, and whether they are in force.

A trigger is compared by its text: one of the right name that does nothing, or one beside ours that swallows what is
inserted, is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.schema import CreateTable

from augment_ops.errors import Fault

_REFUSAL = "the ledger is append-only"
_BODY = f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END"
_RESTORE = "find out who changed the database, compare with a backup, and restore ours: docs/runbooks/ledger-altered.md"


@dataclass(frozen=True)
class Guard:
    """How one dialect guards a table.

    Attributes:
        create: statements that make the table and its triggers, each safe to repeat.
        expected: what has to stand in the database about a table: name → text without layout.
        present: what stands there.
    """

    create: Callable[[Table, Dialect], list[str]]
    expected: Callable[[Table, Dialect], dict[str, str]]
    present: Callable[[Connection, Table], dict[str, str]]


def guard_faults(connection: Connection, where: str, tables: Iterable[Table]) -> list[Fault]:
    """What is missing, other than we made it, or there beside it, in the guards of the tables."""
    guard, dialect = GUARDS[connection.dialect.name], connection.dialect
    faults = []
    for table in tables:
        faults += _differences(
            f"{where}, table {table.name}", guard.expected(table, dialect), guard.present(connection, table)
        )
    return faults


def _differences(where: str, expected: Mapping[str, str], present: Mapping[str, str]) -> list[Fault]:
    found = [f"no {name}" for name in expected if name not in present]
    found += [f"{name} of another text" for name in expected if present.get(name, expected[name]) != expected[name]]
    found += [f"{name}, which is not ours" for name in present if name not in expected]
    return [
        Fault(where, what, "the table and triggers that augment-ops makes, and no others", _RESTORE) for what in found
    ]


def _plain(text: str) -> str:
    """A statement without layout and quotes, which differ between versions of the libraries that write it."""
    return re.sub(r'[\s"]+', "", text).lower()


def _create_sqlite(table: Table, dialect: Dialect) -> list[str]:
    return [
        "BEGIN IMMEDIATE",  # table and triggers together: a kill between them would leave a table without a guard
        str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)),
        *(f"CREATE TRIGGER IF NOT EXISTS {name} {text}" for name, text in _sqlite_triggers(table).items()),
        "COMMIT",
    ]


def _sqlite_triggers(table: Table) -> dict[str, str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    # REPLACE deletes the row that is in the way without calling the trigger on DELETE.
    unique = [column.name for column in table.columns if column.primary_key or column.unique]
    same = " OR ".join(f"{name} = NEW.{name}" for name in unique)
    return {
        f"{table.name}_no_update": f"BEFORE UPDATE ON {table.name} {refuse}",
        f"{table.name}_no_delete": f"BEFORE DELETE ON {table.name} {refuse}",
        f"{table.name}_no_replace": f"BEFORE INSERT ON {table.name} WHEN EXISTS "
        f"(SELECT 1 FROM {table.name} WHERE {same}) {refuse}",
    }


def _expected_sqlite(table: Table, dialect: Dialect) -> dict[str, str]:
    triggers = {
        f"trigger {name}": _plain(f"CREATE TRIGGER {name} {text}") for name, text in _sqlite_triggers(table).items()
    }
    return {f"table {table.name}": _plain(str(CreateTable(table).compile(dialect=dialect))), **triggers}


def _present_sqlite(connection: Connection, table: Table) -> dict[str, str]:
    # Temporary triggers are not asked for: they are of one connection, and this one made none.
    rows = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE lower(tbl_name) = ? AND type <> 'index'", (table.name,)
    )
    return {f"{kind} {name}": _plain(sql or "") for kind, name, sql in rows}


def _create_postgresql(table: Table, dialect: Dialect) -> list[str]:
    return [
        # Two processes that create the same table at once collide in the catalogue even with IF NOT EXISTS.
        "BEGIN",
        "SELECT pg_advisory_xact_lock(hashtext('augment_ops.ledger'))",
        str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)),
        f"CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {_BODY} $$",
        *(f"CREATE OR REPLACE TRIGGER {name} {text}" for name, text in _postgresql_triggers(table).items()),
        "COMMIT",
    ]


def _postgresql_triggers(table: Table) -> dict[str, str]:
    return {
        f"{table.name}_no_{act}": f"BEFORE {act.upper()} ON {table.name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        for act in ("update", "delete", "truncate")
    }


def _expected_postgresql(table: Table, _: Dialect) -> dict[str, str]:
    triggers = {
        f"trigger {name}": _plain(f"CREATE TRIGGER {name} {text} O plpgsql {_BODY}")
        for name, text in _postgresql_triggers(table).items()
    }
    return {f"table {table.name}": "r", **triggers}


# Row policies show only where they are switched on, tables that inherit always: their rows are among the parent's.
_POSTGRESQL = """
SELECT 'table ' || relname,
  relkind::text || CASE WHEN relrowsecurity THEN ' with row policies in force' ELSE '' END
  FROM pg_class WHERE oid = %s::regclass
UNION ALL SELECT 'trigger ' || tgname::text,
  pg_get_triggerdef(pg_trigger.oid, true) || ' ' || tgenabled::text || ' ' || lanname || ' ' || prosrc
  FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_language ON pg_language.oid = prolang
  WHERE tgrelid = %s::regclass AND NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename, '' FROM pg_rewrite WHERE ev_class = %s::regclass
UNION ALL SELECT 'row policy ' || polname, '' FROM pg_policy WHERE polrelid = %s::regclass
UNION ALL SELECT 'heir ' || inhrelid::regclass::text, '' FROM pg_inherits WHERE inhparent = %s::regclass
"""


def _present_postgresql(connection: Connection, table: Table) -> dict[str, str]:
    rows = connection.exec_driver_sql(_POSTGRESQL, (table.name,) * 5)
    return {name: _plain(text) for name, text in rows}


GUARDS: dict[str, Guard] = {
    "sqlite": Guard(_create_sqlite, _expected_sqlite, _present_sqlite),
    "postgresql": Guard(_create_postgresql, _expected_postgresql, _present_postgresql),
}
