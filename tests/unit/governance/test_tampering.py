"""Somebody who owns the database and knows the code: a thousand ways to change the past, each of them found."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.governance import Ledger
from augment_ops.governance.chain import TABLE, Entry, chained, row_of

N = 30
KINDS = ("edit", "edit and hash again", "delete", "swap", "insert", "truncate")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Entry]]:
    """A ledger's file, and what it holds."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}")
    for number in range(N):
        subjects = {"model": f"{number:064x}", "version": f"digits/{number}"}
        ledger.append("promote", f"person-{number % 3}", subjects, f"reason {number}", f"run-{number}")
    return path.read_bytes(), ledger.entries()


def rewritten(connection: sqlite3.Connection, entries: list[Entry]) -> None:
    """The table without any of its constraints, filled anew."""
    connection.execute("DROP TABLE ledger")
    connection.execute(f"CREATE TABLE ledger ({', '.join(TABLE.columns.keys())})")
    for entry in entries:
        row = row_of(entry)
        connection.execute(
            f"INSERT INTO ledger ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
        )


def content(entry: Entry, **other: object) -> dict[str, object]:
    """What an entry is made of, with something else in it."""
    return {k: v for k, v in {**vars(entry), **other}.items() if k not in ("seq", "prev_hash", "hash")}


def tampered(kind: str, entries: list[Entry], chance: random.Random) -> list[Entry]:
    found, at = list(entries), chance.randrange(N)
    entry = found[at]
    if kind.startswith("edit"):
        field = chance.choice(["at", "act", "actor", "subjects", "reason", "software", "key"])
        value = {"model": "x"} if field == "subjects" else f"{getattr(entry, field)}!"
        if kind == "edit":
            found[at] = replace(entry, **{field: value})
        else:  # and so the next entry's link is wrong, or the head that was noted
            found[at] = chained(found[at - 1] if at else None, content(entry, **{field: value}))
    elif kind == "delete":
        del found[at]
    elif kind == "swap":
        other = (at + chance.randrange(1, N)) % N
        found[at], found[other] = replace(found[other], seq=entry.seq), replace(entry, seq=found[other].seq)
    elif kind == "insert":
        forged = chained(entry, content(entry, key="forged", reason="forged"))
        found[at + 1 :] = [forged, *(replace(later, seq=later.seq + 1) for later in found[at + 1 :])]
    else:
        del found[at:]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_found(whole: tuple[bytes, list[Entry]], tmp_path: Path, kind: str) -> None:
    file, entries = whole
    chance = random.Random(kind)
    anchors = {entries[-1].hash: "a report"}
    path = tmp_path / "ledger.db"
    for _ in range(170):
        path.write_bytes(file)
        changed = tampered(kind, entries, chance)
        with sqlite3.connect(path) as connection:
            rewritten(connection, changed)
        connection.close()
        faults = [fault for fault in Ledger(f"sqlite:///{path}").verify(anchors) if "trigger" not in fault.found]
        if kind == "insert" and changed[:N] == entries:
            assert faults == []  # appended as anybody may who is let in; and nothing that was noted is gone
            continue
        assert faults, (kind, changed)


def test_the_ledger_before_is_whole(whole: tuple[bytes, list[Entry]], tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(whole[0])
    faults = Ledger(f"sqlite:///{path}").verify({whole[1][-1].hash: "a report"})
    assert faults == []


@pytest.mark.parametrize("column", TABLE.columns.keys())
@pytest.mark.parametrize("value", [None, 7.5, "text", b"\\x00bytes"])
def test_what_is_of_another_type_is_a_fault_and_no_crash(
    whole: tuple[bytes, list[Entry]], tmp_path: Path, column: str, value: object
) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(whole[0])
    with sqlite3.connect(path) as connection:
        rewritten(connection, whole[1])
        connection.execute(f"UPDATE ledger SET {column} = ? WHERE seq = 5", (value,))
    connection.close()
    faults = Ledger(f"sqlite:///{path}").verify({whole[1][-1].hash: "a report"})
    assert [fault for fault in faults if "entry" in fault.where]
