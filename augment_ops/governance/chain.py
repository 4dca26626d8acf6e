"""An entry of the ledger, and the hash that chains it to the one before.

The hash is that of the entry's text as it stands in the database, so verifying needs to parse nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import Column, Integer, MetaData, RowMapping, String, Table, Text

from augment_ops.content import canonical_json, sha256_hex

GENESIS = "0" * 64  # what the first entry carries in place of a hash before it

TABLE = Table(
    "ledger",
    MetaData(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("act", String(64), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("subjects", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("software", String(64), nullable=False),
    Column("key", String(255), nullable=False, unique=True),
    # Unique: even two writers without a lock could not grow two branches from one entry.
    Column("prev_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One governed act.

    Attributes:
        seq: 1, 2, 3 … without a gap.
        at: UTC, ISO 8601 with microseconds; never before the entry that precedes it.
        act: what was done, such as `promote`.
        subjects: what it was done to: names to digests or versions.
        software: what entered it, name and version.
        key: idempotency key; the same key is never entered twice.
        hash: sha256 over `prev_hash` and the canonical JSON of everything above it.
    """

    seq: int
    at: str
    act: str
    actor: str
    subjects: dict[str, str]
    reason: str
    software: str
    key: str
    prev_hash: str
    hash: str


def chained(last: Entry | None, content: dict[str, Any]) -> Entry:
    """The entry of `content` (all but seq and the hashes) that follows `last`."""
    before = GENESIS if last is None else last.hash
    content = {"seq": 1 if last is None else last.seq + 1, **content}
    hashed = hash_of(before, {**content, "subjects": canonical_json(content["subjects"]).decode()})
    return Entry(**content, prev_hash=before, hash=hashed)


def hash_of(before: str, row: Mapping[str, Any] | RowMapping) -> str:
    """The hash of an entry as its row in the database has it: subjects as text.

    Raises:
        TypeError, AttributeError: a column holds no text.
    """
    quoted = encode_basestring
    text = (
        f'{{"act":{quoted(row["act"])},"actor":{quoted(row["actor"])},"at":{quoted(row["at"])},'
        f'"key":{quoted(row["key"])},"reason":{quoted(row["reason"])},"seq":{row["seq"]},'
        f'"software":{quoted(row["software"])},"subjects":{row["subjects"]}}}'
    )
    return sha256_hex((before + text).encode())


def row_of(entry: Entry) -> dict[str, Any]:
    """The entry as the database keeps it."""
    return {**vars(entry), "subjects": canonical_json(entry.subjects).decode()}


def entry_of(row: RowMapping) -> Entry:
    """The entry that a row holds.

    Raises:
        ValueError: its subjects are not what was written.
    """
    return Entry(
        **{**{column.name: row[column.name] for column in TABLE.columns}, "subjects": json.loads(row["subjects"])}
    )
