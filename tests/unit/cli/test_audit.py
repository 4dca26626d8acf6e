"""`augment-ops audit …` over a ledger on SQLite, without MLflow's registry."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.governance.keys import ensure
from augment_ops.governance.ledger import Ledger
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store
from support.command_line import Call

DIGEST = sha256_hex(b"a policy")


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    made = open_ledger(settings)
    made.append("publish", "pat", {"policy": DIGEST, "policy_version": "digits-robust/1.0.0"}, "Grüße", "a")
    made.append("promote", "ada", {"version": "digits/1", "previous": "none", "environment": "dev"}, "PASS", "b")
    made.append("promote", "bob", {"version": "digits/2", "previous": "1", "environment": "dev"}, "PASS", "c")
    return made


def test_entries_are_listed_for_people_and_for_machines(call: Call, ledger: Ledger) -> None:
    code, shown, _ = call("audit", "log")
    assert code == 0
    first, *others = shown.splitlines()
    assert len(others) == 2
    assert "publish" in first
    assert first.endswith("— Grüße")
    assert DIGEST[:12] in first
    assert DIGEST not in first
    entries = [json.loads(line) for line in call("audit", "log", "--json")[1].splitlines()]
    assert [(e["act"], e["actor"], e["hash"]) for e in entries] == [(e.act, e.actor, e.hash) for e in ledger.entries()]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("--act", "promote"), ["b", "c"]), (("--actor", "ada"), ["b"]), (("--about", "digits/2"), ["c"]),
        (("--about", DIGEST), ["a"]), (("--about", "digits-robust"), ["a"]),
        (("--since", "2020-01-01"), ["a", "b", "c"]), (("--until", "2020-01-01"), []),
        (("--act", "promote", "--actor", "pat"), []),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("ledger")
def test_entries_are_chosen(call: Call, words: tuple[str, ...], keys: list[str]) -> None:
    code, out, _ = call("audit", "log", "--json", *words)
    assert (code, [json.loads(line)["key"] for line in out.splitlines()]) == (0, keys)


@pytest.mark.usefixtures("ledger")
def test_a_time_that_is_none_is_one_clear_error(call: Call) -> None:
    for words in (("--since", "yesterday"), ("--until", "2026-13-01")):
        code, out, err = call("audit", "log", *words)
        assert (code, out) == (2, "")
        assert f"{words[0]}: found '{words[1]}'; expected a date or a time in UTC" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--act", "frobnicate"), "--act: found 'frobnicate'; expected one that the ledger knows: publish, propose"),
        (("--act", "promot"), "Did you mean promote?"), (("--actor", "ada.lee"), "Did you mean ada?"),
        (("--about", "digits-robst"), "Did you mean digits-robust?"), (("--about", "digit/2"), "digits/2?"),
        (("--act", "x", "--actor", "y"), "2 faults"),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("ledger")
def test_a_filter_that_nothing_can_answer_is_bad_input(call: Call, words: tuple[str, ...], said: str) -> None:
    code, out, err = call("audit", "log", *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.usefixtures("ledger")
def test_an_empty_answer_is_said_to_be_one(call: Call) -> None:
    assert call("audit", "log", "--until", "2020-01-01") == (0, "", "no entry of the ledger answers to all of that\n")
    assert call("audit", "log", "--act", "revoke")[0] == 0  # there is such an act, though nobody has done it
    assert call("audit", "log", "--about", "fashion-robust")[0] == 0  # a policy of the library


@pytest.mark.usefixtures("ledger")
def test_who_was_champion(call: Call) -> None:
    code, out, _ = call("audit", "champions", "digits", "--json")
    assert (code, [reign["version"] for reign in json.loads(out)]) == (0, ["1", "2"])
    assert json.loads(call("audit", "champions", "digits", "--environment", "production", "--json")[1]) == []
    code, out, err = call("audit", "champions", "digits", "--environment", "prod")
    assert (code, out, "Did you mean production?" in err) == (2, "", True)


@pytest.mark.parametrize("words", [("audit", "champions"), ("champion", "show"), ("champion", "restore")], ids=" ".join)
@pytest.mark.usefixtures("ledger")
def test_a_data_set_that_nobody_knows_is_bad_input_and_one_without_a_champion_is_not(
    call: Call, settings: Settings, words: tuple[str, ...]
) -> None:
    code, out, err = call(*words, "digit")
    assert (code, out) == (2, "")
    assert "data set: found 'digit', of which no run and no champion is known" in err
    assert "Did you mean digits?" in err
    ingest("digits", open_store(settings), name="clothes", max_samples=40)
    if words == ("audit", "champions"):
        assert call(*words, "clothes") == (0, "clothes has had no champion\n", "")
    else:
        assert "of which no run" not in call(*words, "clothes")[2]


@pytest.mark.usefixtures("ledger")
def test_a_key_is_enrolled_and_retired(call: Call, settings: Settings) -> None:
    key = ensure(settings.home / "another.pem").public
    for act in ("enroll", "retire"):
        code, out, err = call("audit", act, key, "--reason", "a second machine", "--json")
        assert code == 0, err
        entry = open_ledger(settings).find(f"{act}:{key}")
        assert entry is not None
        assert json.loads(out) == {"entry": entry.seq, "hash": entry.hash}
    code, out, err = call("audit", "enroll", "ed25519:nothing", "--reason", "a typing error")
    assert (code, out) == (2, "")
    assert "copy it from the message" in err


def test_verifying_says_how_far_it_is(call: Call, ledger: Ledger) -> None:
    told: list[tuple[int, int | None, str]] = []
    ledger.audit(advance=lambda *far: told.append(far))
    assert told == [(3, 3, "")]
    assert "verifying the ledger …\n" in call("audit", "verify")[2]
    assert "verifying" not in call("audit", "verify", "--quiet")[2]


def test_the_tables_are_made_before_anything_is_entered(call: Call, settings: Settings) -> None:
    assert json.loads(call("audit", "create", "--json")[1]) == {"entries": 0}
    assert open_ledger(settings).size() == 0


def test_an_altered_ledger_takes_nothing_more(call: Call, settings: Settings, ledger: Ledger) -> None:
    path = settings.ledger.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER ledger_no_update")
        connection.execute("UPDATE ledger SET actor = 'eve' WHERE seq = 2")
    key = ensure(settings.home / "another.pem").public
    code, out, err = call("audit", "enroll", key, "--reason", "a second machine")
    assert (code, out) == (3, "")
    assert "ledger_no_update" in err
    assert ledger.size() == 3
