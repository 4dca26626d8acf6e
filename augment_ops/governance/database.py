"""The database that a ledger lies in: its tables, its transactions, and what it says when it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance.chain import TABLE
from augment_ops.governance.guards import GUARDS
from augment_ops.governance.signatures import SIGNATURES

TABLES: tuple[Table, ...] = (TABLE, SIGNATURES)
_LOCK_WAIT_S = 30  # a writer holds the lock for milliseconds; longer means that something hangs


class Database:
    """Transactions on the tables of a ledger, which are made on first use.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        where: names the ledger, without a password.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self.dialect = self._engine.dialect.name
        self.where = f"ledger {self._engine.url.render_as_string()}"
        self._ready = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer shares."""
        with self._engine.connect() as connection:
            self._prepare(connection)
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s'")
                # Not LOCK TABLE: whoever may insert and select only may not take it.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('augment_ops.ledger.append'))")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which the tables are there."""
        with self._engine.connect() as connection:
            self._prepare(connection)
            yield connection

    def _prepare(self, connection: Connection) -> None:
        if self._ready:
            return
        for table in TABLES:
            # Only for a table that is not there: what is missing beside one that is, was taken away.
            if not inspect(connection).has_table(table.name):
                self._create(connection, table)
        columns = {column["name"] for column in inspect(connection).get_columns(TABLE.name)}
        if columns != set(TABLE.columns.keys()):
            raise GovernanceError(
                self.where,
                f"a table of {', '.join(sorted(columns))}",
                f"one of {', '.join(sorted(TABLE.columns.keys()))}",
                "it was made by another version: keep it as it is, and set AUGMENT_OPS_LEDGER to a new one",
            )
        self._ready = True

    def _create(self, connection: Connection, table: Table) -> None:
        try:
            for statement in GUARDS[self.dialect].create(table, connection.dialect):
                connection.exec_driver_sql(statement)
        except ProgrammingError as error:  # as PostgreSQL says that it is not allowed
            raise GovernanceError(
                self.where,
                f"no table {table.name}, and {' '.join(str(error.orig).split())[:200]}",
                "the tables of a ledger, or the right to make them",
                "let the owner of its database make them, and let this role write: "
                "augment-ops audit create --grant ROLE (docs/governance.md)",
            ) from error

    @contextmanager
    def answering(self, doing: str) -> Iterator[None]:
        """What the database raises inside, as GovernanceError."""
        try:
            yield
        except (SQLAlchemyError, OSError, ValueError, KeyError) as error:
            cause = getattr(error, "orig", None) or error
            raise GovernanceError(
                self.where,
                " ".join(str(cause).split())[:200] or type(error).__name__,
                f"a ledger that can be read and written, to {doing}",
                "end a process that holds it locked; restore a damaged file from a backup (augment-ops audit verify)",
            ) from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in GUARDS:
        found = "no database URL" if parsed is None else parsed.get_backend_name()
        fix = (
            "give one such as sqlite:////srv/ledger.db or, with augment-ops[postgres], postgresql+pg8000://user@host/db"
        )
        raise InputError("AUGMENT_OPS_LEDGER", found, f"a URL of {' or '.join(GUARDS)}", fix)
    arguments: dict[str, object] = {}
    if parsed.get_backend_name() == "sqlite":
        arguments["timeout"] = _LOCK_WAIT_S
        if parsed.database and parsed.database != ":memory:":
            # A folder that cannot be made is told by the first use, which cannot open the file.
            with suppress(OSError):
                Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    # AUTOCOMMIT: transactions are begun by hand, because Python's sqlite3 would begin them without the write lock.
    # NullPool: a ledger is used for moments in many processes; no connection is kept open or inherited by a fork.
    try:
        return create_engine(parsed, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=arguments)
    except (ImportError, ArgumentError) as error:
        raise InputError(
            "AUGMENT_OPS_LEDGER",
            f"{parsed.drivername}: {str(error)[:200]}",
            "a driver that is installed",
            "write postgresql+pg8000:// and install augment-ops[postgres], or install the driver that the URL asks for",
        ) from error
