"""An append-only record of governed acts: each entry carries the hash of the one before it.

The database itself refuses UPDATE and DELETE (triggers), one writer appends at a time, and `verify` recomputes the
chain. Somebody who owns the file can still remove the triggers and the newest entries; hashes that were noted
elsewhere (an MLflow tag, a report) and given to `verify` as anchors show that too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.errors import Fault, GovernanceError, InputError
from augment_ops.governance.guards import GUARDS, guards_missing

GENESIS = "0" * 64  # what the first entry carries in place of a hash before it
_LOCK_WAIT_S = 30  # a writer holds the lock for milliseconds; longer means that something hangs

_TABLE = Table(
    "ledger",
    MetaData(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("act", String(64), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("subjects", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key", String(255), nullable=False, unique=True),
    # Unique: even two writers without a lock could not grow two branches from one entry.
    Column("prev_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
)


@dataclass(frozen=True)
class Entry:
    """One governed act.

    Attributes:
        seq: 1, 2, 3 … without a gap.
        at: UTC, ISO 8601 with microseconds.
        act: what was done, such as `promote`.
        subjects: what it was done to: names to digests or versions.
        key: idempotency key; the same key is never entered twice.
        hash: sha256 over `prev_hash` and the canonical JSON of everything above it.
    """

    seq: int
    at: str
    act: str
    actor: str
    subjects: dict[str, str]
    reason: str
    key: str
    prev_hash: str
    hash: str


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
            known = connection.execute(select(_TABLE).where(_TABLE.c.key == key)).first()
            if known is not None:
                return self._same(_entry(known), act, subjects)
            last = connection.execute(select(_TABLE).order_by(_TABLE.c.seq.desc()).limit(1)).first()
            entry = _next(None if last is None else _entry(last), act, actor, dict(subjects), reason, key)
            connection.execute(insert(_TABLE).values(_row(entry)))
        return entry

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        with self._answering("list the entries"), self._reading() as connection:
            return [_entry(row) for row in connection.execute(select(_TABLE).order_by(_TABLE.c.seq))]

    def head(self) -> str:
        """Hash of the newest entry, for anchoring elsewhere; that of the empty ledger where there is none."""
        with self._answering("read the head"), self._reading() as connection:
            newest = connection.execute(select(_TABLE.c.hash).order_by(_TABLE.c.seq.desc()).limit(1)).scalar()
        return GENESIS if newest is None else str(newest)

    def verify(self, anchors: Iterable[str] = ()) -> list[Fault]:
        """Recompute the chain; nothing is wrong where the list is empty.

        Args:
            anchors: hashes of entries noted elsewhere; each must still be in the ledger.
        """
        faults: list[Fault] = []
        with self._answering("verify the chain"), self._reading() as connection:
            rows = connection.execute(select(_TABLE).order_by(_TABLE.c.seq)).all()
            missing = guards_missing(connection)
        fix = "restore the ledger from a backup, and find out who changed it"
        if missing:
            found = f"no trigger {', '.join(missing)}"
            faults.append(Fault(self._where, found, "a table that refuses UPDATE and DELETE", fix))
        before = GENESIS
        for position, row in enumerate(rows, start=1):
            where = f"{self._where}, entry {row.seq}"
            if row.seq != position:
                faults.append(Fault(where, f"number {row.seq}", f"number {position}: entries were removed", fix))
                break
            if row.prev_hash != before:
                faults.append(Fault(where, f"link {row.prev_hash[:12]}…", f"{before[:12]}…, the entry before", fix))
            if row.hash != _hash_of_row(row):
                faults.append(Fault(where, f"hash {row.hash[:12]}…", "the hash of its content: it was altered", fix))
            before = row.hash
        known = {row.hash for row in rows}
        faults += [
            Fault(self._where, "no such entry", f"the entry {anchor[:12]}…, noted elsewhere", fix)
            for anchor in anchors
            if anchor not in known
        ]
        return faults

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
        if not inspect(connection).has_table(_TABLE.name):
            for statement in GUARDS[connection.dialect.name].create(_TABLE, connection.dialect):
                connection.exec_driver_sql(statement)
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


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in GUARDS:
        found = "no database URL" if parsed is None else parsed.get_backend_name()
        fix = "give one such as sqlite:////srv/ledger.db or postgresql+psycopg://user@host/name"
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
    return create_engine(parsed, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=arguments)


def _next(last: Entry | None, act: str, actor: str, subjects: dict[str, str], reason: str, key: str) -> Entry:
    content = {
        "seq": 1 if last is None else last.seq + 1,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "act": act,
        "actor": actor,
        "subjects": subjects,
        "reason": reason,
        "key": key,
    }
    before = GENESIS if last is None else last.hash
    return Entry(**content, prev_hash=before, hash=_hash(before, content))  # type: ignore[arg-type]


def _hash(before: str, content: Mapping[str, object]) -> str:
    return sha256_hex(before.encode() + canonical_json(content))


def _hash_of_row(row: Row[tuple[object, ...]]) -> str | None:
    content = {name: value for name, value in row._mapping.items() if name not in ("prev_hash", "hash")}
    try:
        content["subjects"] = json.loads(row.subjects)
    except ValueError:
        return None  # not what was written, whatever it is
    return _hash(row.prev_hash, content)


def _row(entry: Entry) -> dict[str, object]:
    return {**vars(entry), "subjects": canonical_json(entry.subjects).decode()}


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(**{**row._mapping, "subjects": json.loads(row.subjects)})


def _shown(subjects: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in subjects.items())[:200] or "nothing"
