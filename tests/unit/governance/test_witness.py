"""Heads that are noted elsewhere: what a witness keeps, and what is known by it of a ledger that was cut off."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance import Ledger
from augment_ops.governance.keys import Key
from augment_ops.governance.witness import FileWitness, Head, ObjectWitness, Witness, open_witness

AT = "2026-11-28T12:00:00+00:00"


def head(seq: int) -> Head:
    return Head(seq=seq, hash=f"{seq:064x}", signer="ed25519:x", at=AT)


@pytest.fixture(params=["file", "objects"])
def witness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Witness]:
    yield open_witness(f"file://{tmp_path}/elsewhere" if request.param == "file" else "memory://bucket/heads")
    memory = fsspec.filesystem("memory")
    if memory.exists("/bucket"):
        memory.rm("/bucket", recursive=True)


def test_heads_come_back_in_order(witness: Witness) -> None:
    assert list(witness.heads()) == []
    for seq in (1, 2, 999, 1000, 1001, 70_000):
        witness.note(head(seq))
    found = list(witness.heads())
    assert [h.seq for h in found] == [1, 2, 999, 1000, 1001, 70_000]
    assert [h.hash for h in found] == [head(h.seq).hash for h in found]
    assert found[-1] == head(70_000)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def cut_off(path: Path, after: int) -> None:
    """As somebody does who owns the file: entries and signatures are gone, the triggers are there."""
    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in kept:
        connection.execute(f"DROP TRIGGER {name}")
    for table in ("ledger", "ledger_signature"):
        connection.execute(f"DELETE FROM {table} WHERE seq > ?", (after,))
    for _, sql in kept:
        connection.execute(sql)
    connection.commit()
    connection.close()


def test_each_entry_is_noted_at_once_and_a_cut_end_is_found(
    witness: Witness, url: str, tmp_path: Path, key: Key
) -> None:
    ledger = Ledger(url, signer=lambda: key, witnesses=[witness])
    entries = [ledger.append("revoke", "ada", {}, "", name) for name in "abc"]
    assert [(h.seq, h.hash) for h in witness.heads()] == [(e.seq, e.hash) for e in entries]
    assert ledger.believed().entries == entries
    cut_off(tmp_path / "ledger.db", 2)
    (fault,) = ledger.verify()
    assert (fault.found, witness.name in fault.expected) == ("no such entry", True)
    with pytest.raises(GovernanceError, match="no such entry"):
        ledger.believed()


def test_nothing_is_entered_after_an_end_that_was_cut_off(url: str, tmp_path: Path, key: Key) -> None:
    """Else the next entries would be noted, and hide it."""
    ledger = Ledger(url, signer=lambda: key, witnesses=[FileWitness(tmp_path / "elsewhere")])
    for name in "abc":
        ledger.append("revoke", "ada", {}, "", name)
    cut_off(tmp_path / "ledger.db", 2)
    for name in ("d", "a"):  # neither a new one nor one that is there
        with pytest.raises(GovernanceError, match="cut off or rolled back"):
            ledger.append("revoke", "ada", {}, "", name)
    assert ledger.size() == 2


def test_an_older_copy_of_the_file_that_grew_again_is_found(url: str, tmp_path: Path, key: Key) -> None:
    path, elsewhere = tmp_path / "ledger.db", tmp_path / "elsewhere"
    ledger = Ledger(url, signer=lambda: key, witnesses=[FileWitness(elsewhere)])
    ledger.append("approve", "ada", {}, "", "a")
    older = path.read_bytes()
    ledger.append("revoke", "ada", {}, "", "b")
    path.write_bytes(older)
    grown = Ledger(url, signer=lambda: key)  # whoever rolled it back runs our own code, without the witness
    for name in "cde":
        grown.append("promote", "eve", {}, "", name)
    assert grown.verify() == []
    (fault,) = ledger.verify()
    assert fault.found == "no such entry"


def test_a_witness_that_is_away_keeps_no_entry_from_being_made_and_is_told_later(url: str, tmp_path: Path) -> None:
    elsewhere, said = tmp_path / "elsewhere", list[str]()
    ledger = Ledger(url, witnesses=[FileWitness(elsewhere)], say=said.append)
    elsewhere.write_text("in the way")
    entry = ledger.append("promote", "ada", {}, "", "a")
    assert ledger.entries() == [entry]
    assert any("a witness that answers" in line for line in said)
    assert any("a witness that answers" in fault.expected for fault in ledger.verify())  # it fails closed
    elsewhere.unlink()
    after = ledger.append("promote", "ada", {}, "", "b")  # stands for both
    assert [h.hash for h in FileWitness(elsewhere).heads()] == [after.hash]
    assert ledger.verify() == []


def test_verification_tells_a_witness_what_it_lacks(witness: Witness, url: str) -> None:
    Ledger(url).append("promote", "ada", {}, "", "a")
    last = Ledger(url).append("promote", "ada", {}, "", "b")
    ledger = Ledger(url, witnesses=[witness])
    (sighting,) = ledger.audit().sightings
    assert (sighting.seq, sighting.lacking) == (0, 2)
    (sighting,) = ledger.audit().sightings
    assert (sighting.seq, sighting.lacking) == (2, 0)
    assert [h.hash for h in witness.heads()] == [last.hash]


def test_who_was_killed_before_noting_does_so_when_trying_again(url: str, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "elsewhere")
    Ledger(url, witnesses=[witness]).append("promote", "ada", {}, "", "a")
    Ledger(url).append("promote", "ada", {}, "", "b")
    again = Ledger(url, witnesses=[witness]).append("promote", "ada", {}, "", "b")
    assert [h.hash for h in witness.heads()][-1] == again.hash


def test_what_is_no_head_is_a_fault(url: str, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "elsewhere")
    ledger = Ledger(url, witnesses=[witness])
    ledger.append("promote", "ada", {}, "", "a")
    with (tmp_path / "elsewhere" / "heads.jsonl").open("a") as file:
        file.write('{"seq": 1}\n')
    (fault,) = ledger.verify()
    assert "which is no head of a ledger" in fault.found


def test_a_line_that_a_dying_machine_left_is_no_fault(url: str, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "elsewhere")
    ledger = Ledger(url, witnesses=[witness])
    first = ledger.append("promote", "ada", {}, "", "a")
    with (tmp_path / "elsewhere" / "heads.jsonl").open("a") as file:
        file.write('{"seq":2,"hash":"ab')
    assert (witness.newest(), ledger.verify()) == (next(witness.heads()), [])
    second = ledger.append("promote", "ada", {}, "", "b")
    assert [h.hash for h in witness.heads()][-1:] == [second.hash]
    assert first.hash in [h.hash for h in witness.heads()]
    assert ledger.verify() == []


def test_the_newest_of_a_long_file_are_read_from_its_end(tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "elsewhere")
    for seq in range(1, 301):  # more than is read of it
        witness.note(head(seq))
    assert (witness.newest(), witness.last(2)) == (head(300), [head(299), head(300)])
    long = [replace(head(seq), token="x" * 16_000) for seq in range(301, 304)]
    for one in long:
        witness.note(one)
    assert (witness.newest(), witness.last(2)) == (long[-1], long[-2:])
    with (tmp_path / "elsewhere" / "heads.jsonl").open("ab") as file:
        file.write(2 * (b"x" * 16_300 + b" cut off\n"))
    assert witness.newest() is None  # the end of a line is no head


def test_the_file_is_for_its_owner_alone(url: str, tmp_path: Path) -> None:
    Ledger(url, witnesses=[FileWitness(tmp_path / "elsewhere")]).append("promote", "ada", {}, "", "a")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "elsewhere", tmp_path / "elsewhere" / "heads.jsonl")]
    assert modes == [0o700, 0o600]


def test_an_object_that_names_no_entry_is_a_fault(url: str) -> None:
    memory = fsspec.filesystem("memory")
    witness = ObjectWitness("memory://other/heads")
    ledger = Ledger(url, witnesses=[witness])
    for name in "ab":
        ledger.append("promote", "ada", {}, "", name)
    memory.pipe_file("/other/heads/heads/000000000/000.json", b"{}")
    try:
        (fault,) = ledger.verify()
        assert "which is no head of a ledger" in fault.found
    finally:
        memory.rm("/other", recursive=True)


def test_a_scheme_that_is_none_is_bad_input() -> None:
    with pytest.raises(InputError, match=r"AUGMENT_OPS_WITNESSES: found nowhere://x"):
        open_witness("nowhere://x")
