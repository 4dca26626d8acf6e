"""Somebody who owns the database and knows the code: a thousand ways to change the past, each of them found."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import Fault, GovernanceError
from augment_ops.governance import Ledger
from augment_ops.governance.chain import TABLE, Entry, chained, row_of
from augment_ops.governance.keys import Key
from augment_ops.governance.signatures import SIGNATURES, signature_row
from augment_ops.governance.witness import FileWitness

N = 30
KINDS = ("edit", "edit and hash again", "delete", "swap", "insert", "truncate")
# After the last head that anybody but the witness has noted, with the triggers as they were.
TAIL = ("cut off", "older copy", "older copy, grown", "forged", "forged, own key", "forged, signature of another entry",
        "edited and signed", "unsigned", "trigger beside ours", "trigger of another text")  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, key: Key) -> tuple[list[bytes], list[Entry], bytes]:
    """A ledger's file after each entry, what it holds, and what its witness does."""
    folder = tmp_path_factory.mktemp("ledger")
    path = folder / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}", signer=lambda: key, witnesses=[FileWitness(folder)])
    files = []
    for number in range(N):
        subjects = {"model": f"{number:064x}", "version": f"digits/{number}"}
        ledger.append("promote", f"person-{number % 3}", subjects, f"reason {number}", f"run-{number}")
        files.append(path.read_bytes())
    return files, ledger.entries(), (folder / "heads.jsonl").read_bytes()


Whole = tuple[list[bytes], list[Entry], bytes]


def fill(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
        )


def rewritten(connection: sqlite3.Connection, entries: list[Entry]) -> None:
    """The table without any of its constraints, filled anew."""
    connection.execute("DROP TABLE ledger")
    connection.execute(f"CREATE TABLE ledger ({', '.join(TABLE.columns.keys())})")
    fill(connection, "ledger", map(row_of, entries))


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


def amiss(ledger: Ledger, anchors: dict[str, str]) -> list[Fault]:
    """What is found beside the guards, which a table filled anew has not."""
    return [fault for fault in ledger.verify(anchors) if ", table " not in fault.where]


def all_found(whole: Whole, path: Path, kind: str, times: int) -> None:
    """The chain and what one report noted are enough: no signature is looked at."""
    files, entries, _ = whole
    chance = random.Random(kind)
    anchors = {entries[-1].hash: "a report"}
    for _ in range(times):
        path.write_bytes(files[-1])
        changed = tampered(kind, entries, chance)
        with closing(sqlite3.connect(path)) as connection, connection:
            rewritten(connection, changed)
            connection.execute("DROP TABLE ledger_signature")
        connection.close()
        faults = amiss(Ledger(f"sqlite:///{path}"), anchors)
        if kind == "insert" and changed[:N] == entries:
            assert faults == []  # appended: without signatures and witnesses nothing tells
            continue
        assert faults, (kind, changed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_found(whole: Whole, tmp_path: Path, kind: str) -> None:
    all_found(whole, tmp_path / "ledger.db", kind, 25)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_one_of_a_thousand_changes_is_found(whole: Whole, tmp_path: Path, kind: str) -> None:
    all_found(whole, tmp_path / "ledger.db", kind, 170)


def tail_tampered(kind: str, whole: Whole, path: Path, chance: random.Random, other: Key) -> None:
    """Leave a changed file in `path`, by somebody without the installation's key and without its witness."""
    files, entries, _ = whole
    keep = chance.randrange(1, N)
    path.write_bytes(files[keep - 1] if kind.startswith(("cut", "older")) else files[-1])
    url = f"sqlite:///{path}"
    entry = entries[chance.randrange(N)]
    if kind == "older copy, grown":
        # Their own code signs nothing, so signatures go too.
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE ledger_signature")
        connection.close()
        for number in range(chance.randrange(1, N)):
            Ledger(url).append("promote", "eve", {"model": f"{number:064x}"}, "", f"new-{number}")
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        if kind.startswith("forged"):
            act = chance.choice(["approve", "promote", "revoke", "enroll"])
            forged = chained(entries[-1], content(entry, act=act, key=f"{act}:{other.public}"))
            fill(connection, "ledger", [row_of(forged)])
            signature = signature_row(forged, other, forged.at)
            if kind.endswith("of another entry"):
                connection.execute(
                    "INSERT INTO ledger_signature SELECT ?, ?, signer, clock, signature FROM ledger_signature "
                    "WHERE seq = ?",
                    (forged.seq, forged.hash, entry.seq),
                )
            elif kind.endswith("own key"):
                fill(connection, "ledger_signature", [signature])
        elif kind == "edited and signed":
            last = chained(entries[-2], content(entries[-1], actor="eve"))
            connection.execute("DELETE FROM ledger WHERE seq = ?", (N,))
            connection.execute("DELETE FROM ledger_signature WHERE seq = ?", (N,))
            fill(connection, "ledger", [row_of(last)])
            fill(connection, "ledger_signature", [signature_row(last, other, last.at)])
        elif kind == "unsigned":
            connection.execute("DELETE FROM ledger_signature WHERE seq >= ?", (keep + 1,))
        if kind == "trigger of another text":
            name, _ = triggers.pop(chance.randrange(len(triggers)))
            triggers.append((name, f"CREATE TRIGGER {name} BEFORE UPDATE ON ledger BEGIN SELECT 1; END"))
        for _, sql in triggers:
            connection.execute(sql)
        if kind == "trigger beside ours":
            table, when = chance.choice([TABLE, SIGNATURES]).name, chance.choice(["BEFORE", "AFTER"])
            what = chance.choice(["INSERT", "UPDATE", "DELETE"])
            connection.execute(f"CREATE TRIGGER t{keep} {when} {what} ON {table} BEGIN SELECT RAISE(IGNORE); END")
    connection.close()


def all_of_the_tail_found(whole: Whole, folder: Path, kind: str, times: int, keys: tuple[Key, Key]) -> None:
    """Verification finds it, and the installation enters nothing more."""
    chance = random.Random(kind)
    path = folder / "ledger.db"
    (folder / "heads.jsonl").write_bytes(whole[2])
    for _ in range(times):
        tail_tampered(kind, whole, path, chance, keys[1])
        ledger = Ledger(f"sqlite:///{path}", signer=lambda: keys[0], witnesses=[FileWitness(folder)])
        assert ledger.verify(), kind
        with pytest.raises(GovernanceError):
            ledger.believed()
        with pytest.raises(GovernanceError):
            ledger.append("revoke", "ada", {}, "", "next")


@pytest.mark.parametrize("kind", TAIL)
def test_every_change_of_the_tail_is_found(whole: Whole, tmp_path: Path, key: Key, other_key: Key, kind: str) -> None:
    all_of_the_tail_found(whole, tmp_path, kind, 8, (key, other_key))


@pytest.mark.slow
@pytest.mark.parametrize("kind", TAIL)
def test_every_one_of_a_thousand_changes_of_the_tail_is_found(
    whole: Whole, tmp_path: Path, key: Key, other_key: Key, kind: str
) -> None:
    all_of_the_tail_found(whole, tmp_path, kind, 100, (key, other_key))


def test_the_ledger_before_is_whole(whole: Whole, tmp_path: Path, key: Key) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(whole[0][-1])
    (tmp_path / "heads.jsonl").write_bytes(whole[2])
    ledger = Ledger(f"sqlite:///{path}", signer=lambda: key, witnesses=[FileWitness(tmp_path)])
    found = ledger.audit({whole[1][-1].hash: "a report"}, every_signature=True)
    assert (found.faults, found.heads, found.signed) == ([], N, N)
    assert ledger.append("revoke", "ada", {}, "", "next").seq == N + 1


@pytest.mark.parametrize("column", [*TABLE.columns.keys(), "signer", "clock", "signature"])
@pytest.mark.parametrize("value", [None, 7.5, "text", b"\\x00bytes"])
def test_what_is_of_another_type_is_a_fault_and_no_crash(
    whole: Whole, tmp_path: Path, column: str, value: object
) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(whole[0][-1])
    table = "ledger" if column in TABLE.columns else "ledger_signature"
    with closing(sqlite3.connect(path)) as connection, connection:
        rewritten(connection, whole[1])
        connection.execute("CREATE TABLE loose AS SELECT * FROM ledger_signature")
        connection.execute("DROP TABLE ledger_signature")
        connection.execute("ALTER TABLE loose RENAME TO ledger_signature")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE seq = 5", (value,))
    connection.close()
    audited = Ledger(f"sqlite:///{path}").audit({whole[1][-1].hash: "a report"}, every_signature=True)
    assert [fault for fault in audited.faults if "entry" in fault.where]
