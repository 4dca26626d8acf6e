"""Heads with an authority's timestamp: whose word counts, for which head, and how backdated entries are found."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance import Ledger, dating, timestamps
from augment_ops.governance.keys import Key
from augment_ops.governance.witness import FileWitness, Head, open_witness
from support.timestamping import LocalAuthority, local_authority

Clock = Callable[[timedelta], None]
FIRST = Head(seq=1, hash="a" * 64, signer="", at="2026-11-28T12:00:00+00:00")


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[LocalAuthority]:
    with local_authority(tmp_path / "authority") as found:
        yield found


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set this machine's clock so far ahead."""
    return lambda by: monkeypatch.setattr("augment_ops.governance.clock.now", lambda: datetime.now(UTC) + by)


@pytest.fixture(params=["file", "objects"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "elsewhere") if request.param == "file" else "memory://stamped/heads"
    memory = fsspec.filesystem("memory")
    if memory.exists("/stamped"):
        memory.rm("/stamped", recursive=True)


def lines(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "timestamps" / "heads.jsonl"


def test_each_head_is_kept_with_a_token_and_comes_back_with_the_authoritys_time(
    authority: LocalAuthority, keep: str, url: str, key: Key
) -> None:
    witness = open_witness(authority.witness(keep))
    assert witness.outside
    ledger = Ledger(url, signer=lambda: key, witnesses=[witness])
    entries = [ledger.append("promote", "ada", {}, "", name) for name in "abc"]
    assert len(authority.asked) == 3  # once an entry
    found = list(open_witness(authority.witness(keep)).heads())
    assert [(head.seq, head.hash, head.signer) for head in found] == [(e.seq, e.hash, key.public) for e in entries]
    assert all(abs(datetime.now(UTC) - datetime.fromisoformat(head.at)) < timedelta(minutes=5) for head in found)
    assert (ledger.believed().entries, ledger.audit().warnings) == (entries, [])


def test_the_newest_are_read_and_no_more(
    authority: LocalAuthority, keep: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamps, "READ", 2)
    witness = open_witness(authority.witness(keep))
    for seq in (999, 1000, 1001):  # from two folders of objects
        witness.note(Head(seq=seq, hash=f"{seq:064x}", signer="", at="2026-11-28T12:00:00+00:00"))
    assert [head.seq for head in witness.heads()] == [1000, 1001]


def changed(path: Path, **values: object) -> None:
    *before, last = path.read_text().splitlines()
    path.write_text("\n".join([*before, json.dumps({**json.loads(last), **values})]) + "\n")


@pytest.mark.parametrize("change", [{"hash": "f" * 64}, {"seq": 7}, {"signer": "ed25519:other"}, {"token": ""}])
def test_a_token_is_for_exactly_its_head(
    authority: LocalAuthority, url: str, tmp_path: Path, change: dict[str, object]
) -> None:
    ledger = Ledger(url, witnesses=[open_witness(authority.witness(str(tmp_path / "elsewhere")))])
    ledger.append("promote", "ada", {}, "", "a")
    changed(lines(tmp_path), **change)
    (fault,) = ledger.verify()
    assert "which is no head of a ledger" in fault.found
    assert "timestamps of http://127.0.0.1" in fault.where


def test_the_token_of_somebody_else_does_not_count(authority: LocalAuthority, url: str, tmp_path: Path) -> None:
    said = list[str]()
    known = tmp_path / "known.pem"
    known.write_bytes(authority.root.read_bytes())
    ledger = Ledger(
        url, witnesses=[open_witness(authority.witness(str(tmp_path / "elsewhere"), known))], say=said.append
    )
    ledger.append("promote", "ada", {}, "", "a")
    authority.renew()
    ledger.append("promote", "ada", {}, "", "b")
    assert [line for line in said if "its timestamp does not hold" in line]
    assert len(lines(tmp_path).read_text().splitlines()) == 1
    # Nor does one that was put beside the others by hand.
    elsewhere = open_witness(authority.witness(str(tmp_path / "forged")))
    Ledger(url, witnesses=[elsewhere]).audit()
    forged = (tmp_path / "forged" / "timestamps" / "heads.jsonl").read_text()
    with lines(tmp_path).open("a") as file:
        file.write(forged)
    (fault,) = ledger.verify()
    assert "entry 2: its timestamp does not hold" in fault.found


def other_question(authority: LocalAuthority) -> Callable[[bytes], bytes]:
    return lambda _: authority.token(authority.asked[0])


@pytest.mark.parametrize(
    "answers",
    [
        lambda _: lambda _: b"",
        lambda _: lambda _: b"<html>welcome</html>",
        lambda authority: lambda query: authority.token(query)[:-1],
        lambda authority: lambda query: authority.token(query[:-8] + b"nonsense"),
        other_question,
        lambda authority: lambda query: authority.token(query[:-4] + bytes([query[-4] ^ 1]) + query[-3:]),
    ],
    ids=["error", "page", "cut off", "refusal", "another question", "another nonce"],
)  # fmt: skip
def test_nonsense_is_said_and_named_and_the_entry_made(
    authority: LocalAuthority, url: str, tmp_path: Path, answers: Callable[[LocalAuthority], Callable[[bytes], bytes]]
) -> None:
    said = list[str]()
    ledger = Ledger(url, witnesses=[open_witness(authority.witness(str(tmp_path / "elsewhere")))], say=said.append)
    ledger.append("promote", "ada", {}, "", "a")
    good, authority.answers = authority.answers, answers(authority)
    ledger.append("promote", "ada", {}, "", "b")
    assert [line for line in said if "entry 2" in line and "a witness that answers" in line]
    (sighting,) = ledger.audit().sightings
    assert (sighting.seq, sighting.lacking) == (1, 1)
    authority.answers = good
    ledger.audit()  # tells it
    (sighting,) = ledger.audit().sightings
    assert (sighting.seq, sighting.lacking) == (2, 0)


def test_an_authority_that_is_away_keeps_no_entry_from_being_made(url: str, tmp_path: Path) -> None:
    with local_authority(tmp_path / "authority") as authority:
        witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    said = list[str]()
    ledger = Ledger(url, witnesses=[witness], say=said.append)
    entry = ledger.append("promote", "ada", {}, "", "a")
    assert ledger.entries() == [entry]
    assert any("timestamps of http://127.0.0.1" in line for line in said)
    (sighting,) = ledger.audit().sightings
    assert (sighting.seq, sighting.lacking) == (0, 1)


@pytest.mark.parametrize(("answer", "said"), [(b"", "status 503"), (b"0" * 50_000, "no answer of at most 12000 bytes")])
def test_an_answer_that_cannot_be_one_is_not_looked_into(
    authority: LocalAuthority, tmp_path: Path, answer: bytes, said: str
) -> None:
    witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    authority.answers = lambda _: answer
    with pytest.raises(GovernanceError, match=said):
        witness.note(FIRST)


def test_an_answer_in_small_pieces_is_not_waited_for(
    authority: LocalAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    monkeypatch.setattr("augment_ops.governance.authority.time", SimpleNamespace(monotonic=iter((0.0, 3.1)).__next__))
    with pytest.raises(GovernanceError, match="within 3 s"):
        witness.note(FIRST)


def test_an_authority_that_never_answers_is_not_waited_for(
    authority: LocalAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augment_ops.governance.authority._WAIT_S", 0.05)
    witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    released = threading.Event()

    def hanging(query: bytes) -> bytes:
        released.wait(60)
        return authority.token(query)

    authority.answers = hanging
    try:
        with pytest.raises(GovernanceError, match="timed out"):
            witness.note(FIRST)
    finally:
        released.set()
    assert list(witness.heads()) == []


def test_a_ledger_written_anew_and_backdated_is_found(
    authority: LocalAuthority, url: str, tmp_path: Path, ahead: Clock
) -> None:
    """With the tokens, its heads are not there; without them, the new ones are of today."""
    witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    ledger = Ledger(url, witnesses=[witness])
    for name in "abc":
        ledger.append("revoke", "ada", {}, "", name)
    ahead(timedelta(days=-30))
    anew = f"sqlite:///{tmp_path / 'anew.db'}"
    for name in "abc":
        Ledger(anew).append("approve", "ada", {}, "", name)
    ahead(timedelta(0))
    found = Ledger(anew, witnesses=[witness]).audit()
    assert [fault.found for fault in found.faults] == ["no such entry"] * 3

    lines(tmp_path).unlink()
    forged = Ledger(anew, witnesses=[witness])
    forged.append("approve", "ada", {}, "", "d")  # makes the newest one true
    found = forged.audit()
    assert found.faults == []
    (warning,) = found.warnings
    assert warning.startswith("entries 1 to 4 say ")
    assert "nothing proves it older" in warning


def test_entries_before_the_tokens_that_are_read_are_not_judged(
    authority: LocalAuthority, url: str, tmp_path: Path, ahead: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (timestamps, dating):
        monkeypatch.setattr(module, "READ", 2)
    ahead(timedelta(days=-30))
    Ledger(url).append("approve", "ada", {}, "", "a")
    ahead(timedelta(0))
    ledger = Ledger(url, witnesses=[open_witness(authority.witness(str(tmp_path / "elsewhere")))])
    ledger.append("approve", "ada", {}, "", "b")
    assert len(ledger.audit().warnings) == 1
    ledger.append("approve", "ada", {}, "", "c")
    assert ledger.audit().warnings == []


def test_a_clock_that_is_ahead_is_said_then_named_then_refused(
    authority: LocalAuthority, url: str, tmp_path: Path, ahead: Clock
) -> None:
    said = list[str]()
    witness = open_witness(authority.witness(str(tmp_path / "elsewhere")))
    ledger = Ledger(url, witnesses=[witness], say=said.append)
    assert witness.time() is None  # it is not asked twice for one entry
    ahead(timedelta(hours=2))
    ledger.append("approve", "ada", {}, "", "a")
    assert any("as the authority has it" in line for line in said)
    assert any("entry 1 says" in line and "stamped it before" in line for line in ledger.audit().warnings)
    if timestamps._SINCE_BOOT is not None:
        with pytest.raises(GovernanceError, match="a clock that says"):
            ledger.append("approve", "ada", {}, "", "b")
        assert ledger.size() == 1
    assert len(authority.asked) == 1


def test_without_the_library_one_is_told_what_to_install(
    authority: LocalAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(InputError, match=r"augment-ops\[timestamps\]"):
        open_witness(authority.witness(str(tmp_path)))


@pytest.mark.parametrize(
    "uri",
    [
        "tsa+https://authority.example/tsr",
        "tsa+https://authority.example/tsr?keep=/mnt/x",
        "tsa+https://authority.example/tsr?keep=here&certificate=/etc/tsa.pem",
        "tsa+https://authority.example/tsr?keep=/mnt/x&certificate=tsa.pem",
        "tsa+https://[authority/tsr?keep=/mnt/x&certificate=/etc/tsa.pem",
    ],
)
def test_a_witness_of_another_form_is_bad_input(uri: str) -> None:
    with pytest.raises(InputError, match=r"AUGMENT_OPS_WITNESSES: found tsa.*whole paths both"):
        open_witness(uri)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_holds_no_certificate_is_bad_input(
    authority: LocalAuthority, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="AUGMENT_OPS_WITNESSES: found certificate="):
        open_witness(authority.witness(str(tmp_path), path))


def test_no_password_of_the_authority_is_shown(authority: LocalAuthority, tmp_path: Path) -> None:
    uri = authority.witness(str(tmp_path)).replace("//", "//ada:secret@", 1)
    assert "secret" not in open_witness(uri).name
    with pytest.raises(InputError) as caught:
        open_witness(uri.replace("certificate", "other"))
    assert "secret" not in str(caught.value)


def test_what_it_keeps_below_the_state_folder_is_nowhere_else(authority: LocalAuthority, tmp_path: Path) -> None:
    assert not open_witness(authority.witness(str(tmp_path / "home" / "x")), tmp_path / "home").outside


def test_heads_without_a_token_may_lie_beside_it(authority: LocalAuthority, url: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    ledger = Ledger(url, witnesses=[FileWitness(elsewhere), open_witness(authority.witness(str(elsewhere)))])
    ledger.append("promote", "ada", {}, "", "a")
    assert ledger.verify() == []
    assert "token" not in (elsewhere / "heads.jsonl").read_text()
