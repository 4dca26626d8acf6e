"""Signatures of the installation under the entries of a ledger, and which keys a ledger knows.

A signature lies in a table of its own, so that a ledger made before there were any goes on as it is: from its first
signed entry on, every entry has to be signed. The key of that entry is the ledger's first; another one counts from an
`enroll` entry of a key that counts, to its `retire` entry. A signature covers the entry's hash, hence all entries
before it, and what the clock of the machine said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, RowMapping, String, Table, select

from augment_ops.errors import Fault
from augment_ops.governance.chain import TABLE, Entry
from augment_ops.governance.keys import Key, fingerprint, verifies

ENROLL, RETIRE = "enroll", "retire"  # acts about keys; their idempotency key is `<act>:<public key>`
WHO = "find out who entered it, and how: the ledger's table was written past augment-ops, or by an older version of it"

SIGNATURES = Table(
    "ledger_signature",
    MetaData(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("signer", String(64), nullable=False),
    Column("clock", String(32), nullable=False),
    Column("signature", String(88), nullable=False),
)

# Rows of the ledger with their signatures, where they have one.
SIGNED = select(
    TABLE,
    SIGNATURES.c.hash.label("signed_hash"),
    SIGNATURES.c.signer,
    SIGNATURES.c.clock,
    SIGNATURES.c.signature,
).select_from(TABLE.outerjoin(SIGNATURES, SIGNATURES.c.seq == TABLE.c.seq))


def signature_row(entry: Entry, key: Key, clock: str) -> dict[str, Any]:
    """The row that signs an entry.

    Args:
        clock: what this machine's clock says, UTC; the entry's own time where that did not have to follow another.
    """
    signature = key.sign(_message(entry.hash, clock))
    return {"seq": entry.seq, "hash": entry.hash, "signer": key.public, "clock": clock, "signature": signature}


class Signers:
    """Which keys count, followed over the rows of a ledger in order.

    Ed25519 takes about 0.1 ms a signature, and the last one binds everything before it. So `see` checks the last of
    each stretch under one key, and those under acts about keys; whoever appends has checked the one before.

    Args:
        where: names the ledger.
        keys: keys that the caller knows to count. Where there are some, the ledger's first key has to be one of them.
        every: check all signatures.
    """

    def __init__(self, where: str, keys: frozenset[str], *, every: bool = False) -> None:
        self._where, self._keys, self._every = where, keys, every
        self._known, self._retired = set(keys), set[str]()
        self._signing = False
        self._stretch: RowMapping | None = None  # its newest entry

    def see(self, row: RowMapping) -> list[Fault]:
        """What is wrong with the signature of the next row, or the stretch that it ends."""
        signer = row["signer"]
        if signer is None:
            place, expected = f"{self._where}, entry {row['seq']}", "the signature of an installation"
            return [Fault(place, "no signature", expected, WHO)] if self._signing else []
        if not self._signing:
            self._signing = True
            self._known |= set() if self._keys else {signer}
        faults = []
        if self._stretch is not None and self._stretch["signer"] != signer:
            faults += self.end()
        self._stretch = row
        if signer not in self._known or signer in self._retired:
            faults.append(_unknown(self._where, row))
        elif row["signed_hash"] != row["hash"]:
            faults.append(_wrong(self._where, row))
        if self._every or row["act"] in (ENROLL, RETIRE):
            faults += self.end()
        if not faults:
            self._follow(row)
        return faults

    def end(self) -> list[Fault]:
        """What is wrong with the newest signature that was seen and not checked."""
        row, self._stretch = self._stretch, None
        return [] if row is None or holds(row) else [_wrong(self._where, row)]

    def _follow(self, row: RowMapping) -> None:
        act, _, public = str(row["key"]).partition(":")
        if act != row["act"]:
            return
        if act == ENROLL:
            self._known.add(public)
        elif act == RETIRE:
            self._retired.add(public)


def holds(row: RowMapping) -> bool:
    """Whether the signature of a row is that of its key under its hash."""
    texts = (row["hash"], row["signer"], row["clock"], row["signature"])
    if not all(isinstance(text, str) for text in texts) or row["signed_hash"] != row["hash"]:
        return False
    return verifies(row["signer"], row["signature"], _message(row["hash"], row["clock"]))


def newest_fault(connection: Connection, where: str, newest: RowMapping, keys: frozenset[str]) -> Fault | None:
    """What is wrong with the signature of the newest entry, without reading the others."""
    if newest["signer"] is None:
        signing = first_signer(connection) is not None
        expected = "the signature of an installation"
        return Fault(f"{where}, entry {newest['seq']}", "no signature", expected, WHO) if signing else None
    if not holds(newest):
        return _wrong(where, newest)
    return None if counts(connection, newest["signer"], keys) else _unknown(where, newest)


def counts(
    connection: Connection,
    public: str,
    keys: frozenset[str],
    before: int | None = None,
    asked: frozenset[str] = frozenset(),
) -> bool:
    """Whether a key may sign, by what the ledger has entered about keys.

    Args:
        before: number of the entry that it signs; the next one by default.
        asked: keys that this answer is for already.
    """
    retired = _entered(connection, RETIRE, public)
    if retired is not None and (before is None or retired["seq"] < before):
        return False
    if public in keys or (not keys and first_signer(connection) in (None, public)):
        return True
    enrolled = None if public in asked else _entered(connection, ENROLL, public)
    if enrolled is None or not holds(enrolled):
        return False
    if before is not None and enrolled["seq"] >= before:
        return False
    return counts(connection, enrolled["signer"], keys, enrolled["seq"], asked | {public})


def first_signer(connection: Connection) -> str | None:
    """The key of the first signed entry; None in a ledger without signatures."""
    return connection.execute(select(SIGNATURES.c.signer).order_by(SIGNATURES.c.seq).limit(1)).scalar()


def _entered(connection: Connection, act: str, public: str) -> RowMapping | None:
    query = SIGNED.where(TABLE.c.key == f"{act}:{public}", TABLE.c.act == act)
    return connection.execute(query).mappings().first()


def _message(hashed: str, clock: str) -> bytes:
    return f"augment-ops ledger entry\n{hashed}\n{clock}".encode()


def _wrong(where: str, row: Mapping[str, Any] | RowMapping) -> Fault:
    found = f"a signature that is not of {str(row['signer'])[:60]}"
    return Fault(f"{where}, entry {row['seq']}", found, "a signature of its key under this entry", WHO)


def _unknown(where: str, row: Mapping[str, Any] | RowMapping) -> Fault:
    found = f"a signature with the key {fingerprint(str(row['signer']))} ({str(row['signer'])[:60]})"
    expected = "a key that counted then: the ledger's first, or one that was enrolled and not retired"
    return Fault(f"{where}, entry {row['seq']}", found, expected, WHO)


Signer = Callable[[], Key]  # asked when the first entry is made: whoever only reads needs no key
