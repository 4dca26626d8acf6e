"""An append-only record of governed acts: each entry carries the hash of the one before it.

The database itself refuses UPDATE and DELETE (triggers), one writer appends at a time, and `verify` recomputes the
chain. Somebody who owns the file can still remove the triggers and the newest entries; hashes that were noted
elsewhere (an MLflow tag, a report) and given to `verify` as anchors show that too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection, Engine, RowMapping, create_engine, func, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from augment_ops import __version__
from augment_ops.errors import Fault, GovernanceError, InputError
from augment_ops.governance.chain import GENESIS, TABLE, Entry, chained, entry_of, row_of
from augment_ops.governance.guards import GUARDS, guards_missing
from augment_ops.governance.verify import RESTORE, check_chain
from augment_ops.settings import Settings

_NO_ANCHORS: Mapping[str, str] = MappingProxyType({})
_LOCK_WAIT_S = 30  # a writer holds the lock for milliseconds; longer means that something hangs
_PAGE = 10_000  # entries that are read at a time
_CLOCKS_DIFFER_S = 60  # what machines that share a ledger may differ in time


class Ledger:
    """The ledger at a SQLAlchemy URL (SQLite or PostgreSQL); the table is made on first use.

    Every method raises GovernanceError where the database is damaged, locked for too long, or out of reach.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._where = f"ledger {self._engine.url.render_as_string()}"
        self._ready = False

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """Enter an act, or return the entry that this key already has.

        Raises:
            GovernanceError: the key belongs to another act or to other subjects.
        """
        with self._answering(f"enter {act}"), self._writing() as connection:
            known = connection.execute(select(TABLE).where(TABLE.c.key == key)).mappings().first()
            if known is not None:
                return self._same(entry_of(known), act, subjects)
            newest = connection.execute(select(TABLE).order_by(TABLE.c.seq.desc()).limit(1)).mappings().first()
            last = None if newest is None else entry_of(newest)
            content = {
                "at": self._time(last), "act": act, "actor": actor, "subjects": dict(subjects), "reason": reason,
                "software": f"augment-ops {__version__}", "key": key,
            }  # fmt: skip
            entry = chained(last, content)
            connection.execute(insert(TABLE).values(row_of(entry)))
        return entry

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return list(self.read())

    def read(self) -> Iterator[Entry]:
        """The entries one after the other, oldest first, however many there are."""
        with self._answering("list the entries"):
            yield from map(entry_of, self._rows())

    def entries_under(self, prefix: str) -> list[Entry]:
        """The entries whose key begins with `prefix`, oldest first; found by the index of keys where there is one."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        query = select(TABLE).order_by(TABLE.c.seq)
        with self._answering(f"list the entries of {prefix}"), self._reading() as connection:
            # PostgreSQL orders text as a language does, unless it is told to go by characters.
            key = TABLE.c.key.collate("C") if connection.dialect.name == "postgresql" else TABLE.c.key
            return [entry_of(row) for row in connection.execute(query.where(key >= prefix, key < end)).mappings()]

    def head(self) -> str:
        """Hash of the newest entry, for anchoring elsewhere; that of the empty ledger where there is none."""
        with self._answering("read the head"), self._reading() as connection:
            newest = connection.execute(select(TABLE.c.hash).order_by(TABLE.c.seq.desc()).limit(1)).scalar()
        return GENESIS if newest is None else str(newest)

    def size(self) -> int:
        """How many entries there are."""
        with self._answering("count the entries"), self._reading() as connection:
            return int(connection.execute(select(func.count()).select_from(TABLE)).scalar_one())

    def verify(self, anchors: Mapping[str, str] = _NO_ANCHORS) -> list[Fault]:
        """Recompute the chain; nothing is wrong where the list is empty.

        Args:
            anchors: hashes of entries → where they were noted; each must still be in the ledger.
        """
        with self._answering("verify the chain"):
            with self._reading() as connection:
                missing = guards_missing(connection)
            return [*_unguarded(self._where, missing), *check_chain(self._where, self._rows(), anchors)]

    def _rows(self) -> Iterator[RowMapping]:
        """Rows in order, page by page: a cursor over all of them would hold a transaction open."""
        after: int | None = None
        with self._reading() as connection:
            while True:
                query = select(TABLE).order_by(TABLE.c.seq).limit(_PAGE)
                if after is not None:
                    query = query.where(TABLE.c.seq > after)
                page = connection.execute(query).mappings().all()
                yield from page
                if len(page) < _PAGE:
                    return
                after = page[-1]["seq"]

    def _time(self, last: Entry | None) -> str:
        """Now, or the time of the newest entry where another machine's clock was a little ahead."""
        now = datetime.now(UTC)
        if last is None or now.isoformat(timespec="microseconds") >= last.at:
            return now.isoformat(timespec="microseconds")
        if datetime.fromisoformat(last.at) - now > timedelta(seconds=_CLOCKS_DIFFER_S):
            raise GovernanceError(
                self._where,
                f"a clock that says {now.isoformat(timespec='seconds')}",
                f"a time after {last.at}, when entry {last.seq} was made",
                "set this machine's clock (timedatectl), and do it again; nothing was entered",
            )
        return last.at

    def _same(self, entry: Entry, act: str, subjects: Mapping[str, str]) -> Entry:
        if (entry.act, entry.subjects) != (act, dict(subjects)):
            raise GovernanceError(
                f"{self._where}, key {entry.key}",
                f"{act} of {_shown(subjects)}",
                f"{entry.act} of {_shown(entry.subjects)}, as entry {entry.seq} says",
                "start a new run: what is entered under a key never changes",
            )
        return entry

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that no other writer shares."""
        with self._engine.connect() as connection:
            self._prepare(connection)
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("LOCK TABLE ledger IN EXCLUSIVE MODE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            self._prepare(connection)
            yield connection

    def _prepare(self, connection: Connection) -> None:
        if self._ready:
            return
        if not inspect(connection).has_table(TABLE.name):
            for statement in GUARDS[connection.dialect.name].create(TABLE, connection.dialect):
                connection.exec_driver_sql(statement)
        columns = {column["name"] for column in inspect(connection).get_columns(TABLE.name)}
        if columns != set(TABLE.columns.keys()):
            raise GovernanceError(
                self._where,
                f"a table of {', '.join(sorted(columns))}",
                f"one of {', '.join(sorted(TABLE.columns.keys()))}",
                "it was made by another version: keep it as it is, and set AUGMENT_OPS_LEDGER to a new one",
            )
        self._ready = True

    @contextmanager
    def _answering(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ValueError, KeyError) as error:
            cause = getattr(error, "orig", None) or error
            raise GovernanceError(
                self._where,
                " ".join(str(cause).split())[:200] or type(error).__name__,
                f"a ledger that can be read and written, to {doing}",
                "end a process that holds it locked; restore a damaged file from a backup (augment-ops audit verify)",
            ) from error


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of these settings: the one way to have it."""
    return Ledger(settings.ledger)


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


def _unguarded(where: str, missing: list[str]) -> list[Fault]:
    if not missing:
        return []
    return [Fault(where, f"no trigger {', '.join(missing)}", "a table that refuses UPDATE and DELETE", RESTORE)]


def _shown(subjects: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in subjects.items())[:200] or "nothing"
