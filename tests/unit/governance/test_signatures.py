"""Signatures of entries: from the first signed entry on, all of them, by keys that the ledger knows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger
from augment_ops.governance.chain import chained, row_of
from augment_ops.governance.keys import Key
from augment_ops.governance.signatures import ENROLL, RETIRE, signature_row
from augment_ops.governance.witness import FileWitness


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url: str, key: Key) -> Ledger:
    return Ledger(url, signer=lambda: key)


def forge(url: str, act: str, forger: Key | None, subjects: dict[str, str] | None = None, key: str = "forged") -> None:
    """Append as whoever may insert into the tables and knows the code; signed where there is a key."""
    last = Ledger(url).entries()[-1]
    content = {
        "at": last.at,
        "act": act,
        "actor": "ada",
        "subjects": subjects or {},
        "reason": "",
        "software": "",
        "key": key,
    }
    entry = chained(last, content)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        rows = [("ledger", row_of(entry))]
        if forger is not None:
            rows.append(("ledger_signature", signature_row(entry, forger, entry.at)))
        for table, row in rows:
            names, places = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", [*row.values()])
    connection.close()


def test_every_entry_is_signed(ledger: Ledger) -> None:
    for name in "abc":
        ledger.append("promote", "ada", {}, "", name)
    found = ledger.audit(every_signature=True)
    assert (found.faults, found.signed, found.size) == ([], 3, 3)


def test_an_unsigned_entry_after_a_signed_one_is_found_and_nothing_follows_it(ledger: Ledger, url: str) -> None:
    ledger.append("promote", "ada", {}, "", "a")
    forge(url, "approve", None)
    (fault,) = ledger.verify()
    assert (fault.where[-7:], fault.found) == ("entry 2", "no signature")
    with pytest.raises(GovernanceError, match="no signature"):
        ledger.append("promote", "ada", {}, "", "b")


def test_an_entry_signed_with_a_key_that_nobody_enrolled_is_found(ledger: Ledger, url: str, other_key: Key) -> None:
    ledger.append("promote", "ada", {}, "", "a")
    forge(url, "approve", other_key)
    (fault,) = ledger.verify()
    assert "a key that counted then" in fault.expected
    with pytest.raises(GovernanceError, match="a key that counted then"):
        ledger.append("promote", "ada", {}, "", "b")


def test_nobody_enrolls_their_own_key(ledger: Ledger, url: str, other_key: Key) -> None:
    ledger.append("promote", "ada", {}, "", "a")
    forge(url, ENROLL, other_key, {"installation": other_key.public}, f"{ENROLL}:{other_key.public}")
    assert ledger.verify()
    with pytest.raises(GovernanceError):
        Ledger(url, signer=lambda: other_key).append("approve", "eve", {}, "", "b")


class Pretender(Key):
    """Signs with one key and says that it was another."""

    def __init__(self, real: Key, public: str) -> None:
        self.sign, self.public = real.sign, public  # type: ignore[method-assign]


@pytest.mark.parametrize("signed", ["by nobody", "by itself", "in another name"])
def test_an_enrolment_that_nobody_who_counts_has_signed_lets_nobody_in(
    ledger: Ledger, url: str, key: Key, other_key: Key, signed: str
) -> None:
    """Also where what follows it is signed well."""
    ledger.append("promote", "ada", {}, "", "a")
    public = {"installation": other_key.public}
    forger = {"by nobody": None, "by itself": other_key, "in another name": Pretender(other_key, key.public)}[signed]
    forge(url, ENROLL, forger, public, f"{ENROLL}:{other_key.public}")
    forge(url, "approve", other_key)
    assert ledger.verify()
    with pytest.raises(GovernanceError, match="a key that counted then"):
        ledger.append("promote", "ada", {}, "", "b")


def test_whoever_is_enrolled_later_has_enrolled_nobody_before(
    ledger: Ledger, url: str, key: Key, other_key: Key
) -> None:
    third = Key(Ed25519PrivateKey.from_private_bytes(b"t" * 32))
    ledger.append("promote", "ada", {}, "", "a")
    forge(url, ENROLL, third, key=f"{ENROLL}:{other_key.public}")
    forge(url, ENROLL, key, key=f"{ENROLL}:{third.public}")
    with pytest.raises(GovernanceError, match="a key that the ledger knows"):
        Ledger(url, signer=lambda: other_key).append("promote", "bob", {}, "", "b")
    assert ledger.verify()


def test_a_signature_moved_from_another_entry_is_found(ledger: Ledger, url: str) -> None:
    ledger.append("promote", "ada", {}, "", "a")
    forge(url, "approve", None)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        (hashed,) = connection.execute("SELECT hash FROM ledger WHERE seq = 2").fetchone()
        connection.execute(
            "INSERT INTO ledger_signature SELECT 2, ?, signer, clock, signature FROM ledger_signature", (hashed,)
        )
    connection.close()
    (fault,) = ledger.verify()
    assert "a signature that is not of" in fault.found
    with pytest.raises(GovernanceError, match="a signature that is not of"):
        ledger.append("promote", "ada", {}, "", "b")


def test_another_installation_writes_once_it_is_enrolled_until_it_is_retired(
    ledger: Ledger, url: str, key: Key, other_key: Key
) -> None:
    other = Ledger(url, signer=lambda: other_key)
    ledger.append("promote", "ada", {}, "", "a")
    with pytest.raises(GovernanceError, match=f"audit enroll {other_key.public}".replace("+", r"\+")):
        other.append("promote", "bob", {}, "", "b")
    public = {"installation": other_key.public}
    ledger.append(ENROLL, "ada", public, "", f"{ENROLL}:{other_key.public}")
    other.append("promote", "bob", {}, "", "b")
    ledger.append("promote", "ada", {}, "", "c")
    other.append("promote", "bob", {}, "", "d")
    ledger.append(RETIRE, "ada", public, "", f"{RETIRE}:{other_key.public}")
    with pytest.raises(GovernanceError, match="a key that the ledger knows"):
        other.append("promote", "bob", {}, "", "e")
    assert ledger.audit(every_signature=True).faults == []
    forge(url, "approve", other_key)
    assert [fault.where[-7:] for fault in ledger.verify()] == ["entry 7"]


def test_an_older_ledger_goes_on_and_is_signed_from_then_on(url: str, key: Key) -> None:
    old = Ledger(url)
    for name in "ab":
        old.append("promote", "ada", {}, "", name)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("DROP TABLE ledger_signature")  # as the version before left it
    connection.close()
    ledger = Ledger(url, signer=lambda: key)
    assert ledger.verify() == []
    ledger.append("promote", "ada", {}, "", "c")
    found = ledger.audit()
    assert (found.faults, found.signed, found.size) == ([], 1, 3)
    with pytest.raises(GovernanceError, match="its entries are signed"):
        Ledger(url).append("promote", "ada", {}, "", "d")


@pytest.mark.parametrize("forger", ["nobody", "another"])
def test_signatures_that_were_taken_away_are_missed(
    url: str, tmp_path: Path, key: Key, other_key: Key, forger: str
) -> None:
    """Else a ledger would look like one of the time before signatures, or like another installation's own."""
    ledger = Ledger(url, signer=lambda: key, witnesses=[FileWitness(tmp_path / "elsewhere")])
    entries = [ledger.append("promote", "ada", {}, "", name) for name in "ab"]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("DROP TABLE ledger_signature")
    connection.close()
    Ledger(url).size()  # makes it again
    if forger == "another":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            for entry in entries:
                row = signature_row(entry, other_key, entry.at)
                connection.execute("INSERT INTO ledger_signature VALUES (?, ?, ?, ?, ?)", [*row.values()])
        connection.close()
    assert Ledger(url).verify() == []  # nothing in it tells
    faults = ledger.verify()
    assert len(faults) == 2
    assert all("with which witness" in fault.expected for fault in faults)


def test_a_signature_without_its_entry_is_found(ledger: Ledger, url: str) -> None:
    for name in "ab":
        ledger.append("promote", "ada", {}, "", name)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ledger_no_delete'").fetchone()
        connection.execute("DROP TRIGGER ledger_no_delete")
        connection.execute("DELETE FROM ledger WHERE seq = 2")
        connection.execute(trigger)
    connection.close()
    (fault,) = ledger.verify()
    assert fault.expected == "entry 2, which is signed"


def test_keys_that_the_caller_knows_have_to_hold_the_first(ledger: Ledger, url: str, key: Key, other_key: Key) -> None:
    ledger.append("promote", "ada", {}, "", "a")
    assert ledger.audit(keys=frozenset({key.public, other_key.public})).faults == []
    (fault,) = ledger.audit(keys=frozenset({other_key.public})).faults
    assert "a key that counted then" in fault.expected
    known = Ledger(url, signer=lambda: other_key, keys=frozenset({key.public, other_key.public}))
    known.append("promote", "bob", {}, "", "b")  # as where the first machine's key was lost
    assert known.verify() == []
    with pytest.raises(GovernanceError, match="a key that counted then"):
        ledger.append("promote", "ada", {}, "", "c")
