"""An append-only record of governed acts: each entry carries the hash of the one before it, and is signed.

The database itself refuses UPDATE and DELETE (triggers), one writer appends at a time, each entry is read back, and its
hash noted with the witnesses at once. `audit` recomputes the chain and holds it against what the witnesses know;
`believed` gives the entries that it was recomputed over, so that what decides is what was verified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, insert, literal_column, select

from augment_ops import __version__
from augment_ops.errors import Fault, GovernanceError, InputError
from augment_ops.governance import clock
from augment_ops.governance.chain import GENESIS, TABLE, Entry, chained, entry_of, row_of
from augment_ops.governance.database import TABLES, Database
from augment_ops.governance.guards import guard_faults
from augment_ops.governance.keys import Key
from augment_ops.governance.signatures import (
    SIGNATURES,
    SIGNED,
    Signer,
    Signers,
    counts,
    first_signer,
    newest_fault,
    signature_row,
)
from augment_ops.governance.verify import RESTORE, Audited, Heads, check_chain, head_of
from augment_ops.governance.witness import Head, Witness
from augment_ops.progress import Advance, unheard

_NO_ANCHORS: Mapping[str, str] = MappingProxyType({})
_PAGE = 10_000  # entries that are read at a time
_LOG = logging.getLogger(__name__)


class Ledger:
    """The ledger at a SQLAlchemy URL (SQLite or PostgreSQL); the tables are made on first use.

    Every method raises GovernanceError where the database is damaged, locked for too long, or out of reach.

    Args:
        signer: gives the key of this installation when an entry is made; without one, entries are not signed, and a
            ledger whose entries are is read only.
        keys: public keys of installations that the caller knows; where there are some, the ledger's first key has to
            be one of them.
        witnesses: where each new entry is noted.
        say: tells a person what is no error, one line.
    """

    def __init__(
        self,
        url: str,
        *,
        signer: Signer | None = None,
        keys: frozenset[str] = frozenset(),
        witnesses: Sequence[Witness] = (),
        say: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._database = Database(url)
        self._where = self._database.where
        self._signer, self._keys, self._witnesses, self._say = signer, keys, tuple(witnesses), say

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """Enter an act, or return the entry that this key already has.

        A witness that does not answer is said; the next head that reaches it stands for this entry as well.

        Raises:
            GovernanceError: the key belongs to another act or to other subjects; the newest entry, the triggers or a
                witness show that the ledger was altered; this machine's key or clock does not count.
        """
        with self._database.answering(f"enter {act}"), self._database.writing() as connection:
            newest = self._intact(connection)
            known = connection.execute(select(TABLE).where(TABLE.c.key == key)).mappings().first()
            if known is not None:
                entry = self._same(entry_of(known), act, subjects)
            else:
                last = None if newest is None else entry_of(newest)
                content = {
                    "act": act,
                    "actor": actor,
                    "subjects": dict(subjects),
                    "reason": reason,
                    "software": f"augment-ops {__version__}",
                    "key": key,
                }
                newest = self._enter(connection, last, content)
                entry = entry_of(newest)
        if newest is not None:
            told = self._witnesses if known is None else self._lagging(newest)
            self._note(head_of(newest), told)
        return entry

    def create(self, grant: str = "") -> None:
        """Make the tables where they are not there, as their owner.

        Args:
            grant: role that may then insert and select, and nothing else; PostgreSQL alone has any.

        Raises:
            InputError: a role for SQLite.
        """
        if grant and self._database.dialect != "postgresql":
            fix = "leave it out: who may write a SQLite ledger, the file's mode says"
            raise InputError("role", f"{grant} for {self._database.dialect}", "none", fix)
        with self._database.answering("make its tables"), self._database.reading() as connection:
            if grant:
                role = connection.dialect.identifier_preparer.quote(grant)
                names = ", ".join(table.name for table in TABLES)
                connection.exec_driver_sql(f"GRANT INSERT, SELECT ON {names} TO {role}")

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return list(self.read())

    def read(self, acts: Collection[str] = ()) -> Iterator[Entry]:
        """The entries one after the other, oldest first, however many there are; nothing is verified.

        Args:
            acts: only those of these acts; by default all.
        """
        query = select(TABLE).where(TABLE.c.act.in_(acts)) if acts else select(TABLE)
        with self._database.answering("list the entries"):
            yield from map(entry_of, self._rows(query))

    def find(self, key: str) -> Entry | None:
        """The entry under a key, found by the index of keys; None where nothing was entered under it."""
        with self._database.answering("find an entry"), self._database.reading() as connection:
            row = connection.execute(select(TABLE).where(TABLE.c.key == key)).mappings().first()
        return None if row is None else entry_of(row)

    def entries_under(self, prefix: str) -> list[Entry]:
        """The entries whose key begins with `prefix`, oldest first; found by the index of keys where there is one."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        query = select(TABLE).order_by(TABLE.c.seq)
        database = self._database
        with database.answering(f"list the entries of {prefix}"), database.reading() as connection:
            # PostgreSQL orders text as a language does, unless it is told to go by characters.
            key = TABLE.c.key.collate("C") if connection.dialect.name == "postgresql" else TABLE.c.key
            return [entry_of(row) for row in connection.execute(query.where(key >= prefix, key < end)).mappings()]

    def head(self) -> str:
        """Hash of the newest entry, for anchoring elsewhere; that of the empty ledger where there is none."""
        with self._database.answering("read the head"), self._database.reading() as connection:
            newest = connection.execute(select(TABLE.c.hash).order_by(TABLE.c.seq.desc()).limit(1)).scalar()
        return GENESIS if newest is None else str(newest)

    def size(self) -> int:
        """How many entries there are."""
        with self._database.answering("count the entries"), self._database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(TABLE)).scalar_one())

    def verify(self, anchors: Mapping[str, str] = _NO_ANCHORS) -> list[Fault]:
        """What `audit` finds wrong; nothing where the list is empty."""
        return self.audit(anchors).faults

    def believed(self, anchors: Mapping[str, str] = _NO_ANCHORS) -> Audited:
        """The entries to decide by, verified as they are read.

        Args:
            anchors: hashes of entries → where they were noted, beside what this ledger's own witnesses know.

        Raises:
            GovernanceError: `audit` finds something wrong, or a witness does not answer.
        """
        found = self.audit(anchors, collect=True)
        if found.faults:
            raise GovernanceError.of("the ledger that this is decided by", found.faults)
        return found

    def audit(
        self,
        anchors: Mapping[str, str] = _NO_ANCHORS,
        *,
        keys: frozenset[str] | None = None,
        every_signature: bool = False,
        collect: bool = False,
        advance: Advance = unheard,
    ) -> Audited:
        """Recompute the chain, check triggers and signatures, and hold it against every noted head.

        Where all is well, a witness that lacks the newest entry is told of it.

        Args:
            anchors: as in `believed`; each must still be in the ledger.
            keys: in place of those that this ledger was opened with.
            every_signature: check each of them, not only the last of each stretch under one key.
            collect: keep the entries.
            advance: called with how many entries are verified, of how many.
        """
        with self._database.answering("verify the chain"):
            heads = Heads(self._witnesses, anchors)  # before the rows: what is noted meanwhile is in none of both
            with self._database.reading() as connection:
                faults = guard_faults(connection, self._where, TABLES)
                signed = connection.execute(select(func.max(SIGNATURES.c.seq))).scalar() or 0
                warnings = _may_change(connection, self._where)
                size = connection.execute(select(func.max(TABLE.c.seq))).scalar() or 0
            known = self._keys if keys is None else keys
            signers = Signers(self._where, known, every=every_signature)
            rows = _counted(self._rows(SIGNED), size, advance)
            found = check_chain(self._where, rows, heads, signers, collect=collect)
            faults += found.faults
            if isinstance(signed, int) and signed > found.size:
                faults.append(Fault(self._where, f"{found.size} entries", f"entry {signed}, which is signed", RESTORE))
        if found.tip is not None and (future := clock.ahead(found.tip.at, clock.now())):
            warnings.append(future)
        if found.tip is not None and not faults:
            lagging = {sighting.witness for sighting in found.sightings if sighting.lacking}
            self._note(found.tip, [witness for witness in self._witnesses if witness.name in lagging])
        return replace(found, faults=faults, warnings=[*found.warnings, *warnings])

    def _rows(self, query: Select[Any]) -> Iterator[RowMapping]:
        """Rows in order, page by page: a cursor over all of them would hold a transaction open."""
        after: int | None = None
        with self._database.reading() as connection:
            while True:
                part = query.order_by(TABLE.c.seq).limit(_PAGE)
                if after is not None:
                    part = part.where(TABLE.c.seq > after)
                page = connection.execute(part).mappings().all()
                yield from page
                if len(page) < _PAGE:
                    return
                after = page[-1]["seq"]

    def _intact(self, connection: Connection) -> RowMapping | None:
        """The newest entry, where nothing that can be seen at once speaks against the ledger."""
        faults = guard_faults(connection, self._where, TABLES)
        newest = _newest_of(connection)
        if newest is not None and (fault := newest_fault(connection, self._where, newest, self._keys)):
            faults.append(fault)
        for witness in self._witnesses:
            with self._saying():
                head = witness.newest()
                if head is not None and not _has(connection, head):
                    faults.append(_rolled_back(self._where, witness.name, head))
        if faults:
            raise GovernanceError.of("the ledger, into which nothing was entered", faults)
        return newest

    def _enter(self, connection: Connection, last: Entry | None, content: dict[str, Any]) -> RowMapping:
        """Insert an entry and its signature; the row as the database gives it back."""
        key, own = self._key(connection), clock.now()
        at = clock.entry_time(self._where, own, None if last is None else last.at, self._outside_time(connection))
        if last is not None and (future := clock.ahead(last.at, own)):
            self._say(f"{self._where}: {future}")
        entry = chained(last, {"at": at, **content})
        connection.execute(insert(TABLE).values(row_of(entry)))
        expected = {**row_of(entry), "signed_hash": None, "signer": None, "clock": None, "signature": None}
        if key is not None:
            signature = signature_row(entry, key, own.isoformat(timespec="microseconds"))
            connection.execute(insert(SIGNATURES).values(signature))
            expected |= {"signed_hash": entry.hash, **{k: v for k, v in signature.items() if k not in ("seq", "hash")}}
        found = connection.execute(SIGNED.where(TABLE.c.seq == entry.seq)).mappings().first()
        if found is None or dict(found) != expected:
            raise GovernanceError(
                f"{self._where}, entry {entry.seq}",
                "nothing" if found is None else "something else",
                "the entry that was inserted: the database swallows or changes what it is given",
                "augment-ops audit verify; docs/runbooks/ledger-altered.md. Nothing was entered",
            )
        return found

    def _key(self, connection: Connection) -> Key | None:
        """The key to sign with.

        Raises:
            GovernanceError: there is none and the ledger has signatures, or it is one that the ledger does not know.
        """
        if self._signer is None:
            if first_signer(connection) is None:
                return None
            fix = "open it with the installation's key (augment_ops.workspace.open_ledger)"
            raise GovernanceError(self._where, "no key to sign with", "one: its entries are signed", fix)
        key = self._signer()
        if not counts(connection, key.public, self._keys):
            raise GovernanceError(
                self._where,
                f"this installation's key {key.public}",
                "a key that the ledger knows",
                "restore the one that was used here (AUGMENT_OPS_KEYS) from a backup; or, where this is another "
                f"machine, on one whose key it knows: augment-ops audit enroll {key.public} --reason …",
            )
        return key

    def _outside_time(self, connection: Connection) -> datetime | None:
        if connection.dialect.name == "postgresql":
            found: datetime = connection.execute(select(literal_column("clock_timestamp()"))).scalar_one()
            return found
        times = (witness.time() for witness in self._witnesses if witness.outside)
        return next((time for time in times if time is not None), None)

    def _lagging(self, newest: RowMapping) -> list[Witness]:
        """The witnesses that are seen at once to lack the newest entry: who made it was killed before noting it."""
        found = []
        for witness in self._witnesses:
            with self._saying():
                known = witness.newest()
                found += [witness] if known is not None and known.seq < newest["seq"] else []
        return found

    def _note(self, head: Head, witnesses: Iterable[Witness]) -> None:
        at = clock.now().isoformat(timespec="seconds")
        for witness in witnesses:
            with self._saying():
                witness.note(replace(head, at=at))

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """What a witness refuses is said, and keeps no entry from being made: verification asks it again."""
        try:
            yield
        except GovernanceError as silent:
            self._say(str(silent))

    def _same(self, entry: Entry, act: str, subjects: Mapping[str, str]) -> Entry:
        if (entry.act, entry.subjects) != (act, dict(subjects)):
            raise GovernanceError(
                f"{self._where}, key {entry.key}",
                f"{act} of {_shown(subjects)}",
                f"{entry.act} of {_shown(entry.subjects)}, as entry {entry.seq} says",
                "start a new run: what is entered under a key never changes",
            )
        return entry


def _newest_of(connection: Connection) -> RowMapping | None:
    return connection.execute(SIGNED.order_by(TABLE.c.seq.desc()).limit(1)).mappings().first()


def _has(connection: Connection, head: Head) -> bool:
    query = select(TABLE.c.seq).where(TABLE.c.seq == head.seq, TABLE.c.hash == head.hash)
    return connection.execute(query).first() is not None


def _rolled_back(where: str, witness: str, head: Head) -> Fault:
    return Fault(
        where,
        "no such entry",
        f"entry {head.seq} ({head.hash[:12]}…), which {witness} has noted: the ledger was cut off or rolled back, "
        "or AUGMENT_OPS_LEDGER names another",
        f"{RESTORE}; where it is another one on purpose, move the witness's file away",
    )


def _counted(rows: Iterable[RowMapping], total: int, advance: Advance) -> Iterator[RowMapping]:
    for number, row in enumerate(rows, 1):
        yield row
        if number % _PAGE == 0 or number == total:
            advance(number, total, "")


def _may_change(connection: Connection, where: str) -> list[str]:
    """A warning where this role of the database could take the triggers away, or change what they guard."""
    if connection.dialect.name != "postgresql":
        return []
    query = f"SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = '{TABLE.name}'::regclass"
    if not connection.exec_driver_sql(query).scalar():
        return []
    return [f"{where}: this role owns the tables; let one work that may insert and select only (docs/governance.md)"]


def _shown(subjects: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in subjects.items())[:200] or "nothing"
