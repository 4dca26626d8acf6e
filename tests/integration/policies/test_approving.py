"""Who may approve, how often, and that forged, expired and misplaced approvals do not count."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import ActRefused, AugmentOpsError, GovernanceError
from augment_ops.governance import database
from augment_ops.governance.keys import Key, ensure, witness_path
from augment_ops.governance.statements import approval_of, is_policy_approval
from augment_ops.lifecycle.acts import end, question
from augment_ops.services import doctor
from augment_ops.workspace import Workspace

POLICY = "digits-robust"
PEOPLE = ("ada", "bob", "cy")


def test_an_approved_version_is_admitted(desk: Any) -> None:
    assert desk.refused()[0] == "no approval that counts"
    desk.approve()
    admitted = desk.admit()
    assert (admitted.published, admitted.standing.state, set(admitted.standing.counted)) == (True, "approved", {"ada"})


def test_approving_twice_is_entered_once(desk: Any) -> None:
    first = desk.approve(days=30)
    assert desk.approve(days=20) == first
    assert desk.acts().count(("approve", "ada")) == 1
    longer = desk.approve(days=60)
    assert longer.seq > first.seq
    assert len(desk.admit().standing.approvals) == 2


def test_the_witness_signs_for_who_answered(desk: Any) -> None:
    signed = desk.approve("bob", key=desk.keys["airflow"], witness="airflow", not_by=("ada",))
    assert (signed.approval.approver, signed.approval.witness) == ("bob", "airflow")
    assert set(desk.admit().standing.counted) == {"bob"}


@pytest.mark.parametrize(
    ("asked", "found", "fix"),
    [
        ({"by": "dan"}, "dan, who is not ml-lead", "ask ada, bob, cy"),
        ({"by": "ada", "key": "bob"}, "ed25519:", "added to ada's keys"),
        ({"by": "ada", "key": "ada", "witness": "airflow"}, "ed25519:", "added to witnesses.airflow"),
        ({"by": "ada", "key": "airflow"}, "ed25519:", "added to ada's keys"),
        ({"by": "ada", "key": "ada", "witness": "jenkins"}, "ed25519:", "added to witnesses.jenkins"),
        ({"by": "ada", "not_by": ("ada",)}, "ada, who proposed it or asked for it", "ask bob, cy"),
        ({"by": "ada", "environment": "staging"}, "environment staging, which asks for none", "choose another"),
        ({"by": "ada", "environment": "producton"}, "'producton'", "Did you mean production"),
        ({"by": "ada", "days": 61}, "61 days", "for a shorter time"),
    ],
)
def test_who_may_not_approve_is_told_why_and_entered(desk: Any, asked: dict[str, Any], found: str, fix: str) -> None:
    asked = dict(asked)
    if "key" in asked:
        asked["key"] = desk.keys[asked["key"]]
    by = asked.pop("by")
    for _ in range(2):
        with pytest.raises(AugmentOpsError) as caught:
            desk.approve(by, **asked)
        (fault,) = caught.value.faults
        assert found in fault.found
        assert fix in fault.fix
        assert caught.value.exit_code == (2 if {"environment", "days"} & set(asked) else 1)
    assert desk.acts().count(("refuse", by)) == 1
    assert ("approve", by) not in desk.acts()


def test_the_author_does_not_approve(draft: Any, desk: Any) -> None:
    with pytest.raises(GovernanceError, match="a draft") as caught:
        draft.approve()
    assert caught.value.faults[0].fix == f"augment-ops policy propose {POLICY}"
    _propose_again(desk, "ada")
    with pytest.raises(GovernanceError, match="ada, who proposed it") as caught:
        desk.approve("ada")
    assert caught.value.faults[0].fix == "ask bob, cy to approve it"
    put = question(desk.workspace("bob"), POLICY, "production", 30)
    assert [person.id for person in put.people] == ["cy"]


def _propose_again(desk: Any, by: str) -> None:
    """As after a loss of evidence."""
    last = [entry for entry in desk.workspace().ledger.entries() if entry.act == "propose"][-1]
    desk.workspace().ledger.append("propose", by, last.subjects, last.reason, f"propose:{by}")


def test_nobody_is_left_to_ask(desk: Any) -> None:
    for by in PEOPLE:
        _propose_again(desk, by)
    with pytest.raises(GovernanceError, match="ada, bob, cy, pat") as caught:
        question(desk.workspace(), POLICY, "production", 30)
    assert "approvers.yaml" in caught.value.faults[0].fix


def test_nobody_is_asked_where_an_answer_would_not_count(desk: Any) -> None:
    here = Workspace(desk.settings, "pat", "airflow")
    assert question(here, POLICY, "production", 30).people
    assert _diagnosis(desk) == "ok"
    witness_path(desk.settings.keys).unlink()
    ensure(witness_path(desk.settings.keys))  # of a new machine, listed nowhere
    here = Workspace(desk.settings, "pat", "airflow")
    with pytest.raises(ActRefused, match="key of the witness airflow") as caught:
        question(here, POLICY, "production", 30)
    assert "augment-ops governance init" in caught.value.faults[0].fix
    assert _diagnosis(desk) == "warn"


def _diagnosis(desk: Any) -> str:
    (found,) = [finding for finding in doctor.examine(desk.settings) if finding.check == "witness"]
    return found.outcome


def test_two_approvers_where_the_file_says_so(desk: Any) -> None:
    desk.write(production="state: approved, role: ml-lead, approvers: 2, discovery: refuse")
    desk.approve("ada")
    assert desk.refused()[0] == "1 that counts"
    desk.approve("bob")
    assert set(desk.admit().standing.counted) == {"ada", "bob"}


def test_an_expired_approval_does_not_count(desk: Any) -> None:
    now = datetime.now(UTC)
    signed = desk.approve("ada", days=30)
    old = replace(
        signed.approval,
        given=(now - timedelta(days=31)).isoformat(timespec="seconds"),
        expires=(now - timedelta(seconds=1)).isoformat(timespec="seconds"),
    )
    end(desk.workspace("ada"), POLICY, "revoke", reason="for the test", environment="production")
    _enter(desk, replace(signed, approval=old, signature=desk.keys["ada"].sign(old.message())))
    assert "it expired on" in desk.refused()[0]


def _enter(desk: Any, signed: Any, **columns: str) -> None:
    entered = {"actor": signed.approval.approver, "reason": signed.approval.reason, **columns}
    desk.workspace().ledger.append(
        "approve", entered["actor"], signed.subjects(), entered["reason"], f"forged:{signed}"
    )


@pytest.mark.parametrize(
    ("forge", "found"),
    [
        (lambda s, k: replace(s, signature="AAAA"), "it was altered"),
        (lambda s, k: replace(s, approval=replace(s.approval, expires="2999-01-01T00:00:00+00:00")), "it was altered"),
        (lambda s, k: replace(s, key=k["dan"].public, signature=k["dan"].sign(s.approval.message())), "none of ada"),
        (lambda s, k: replace(s, approval=replace(s.approval, approver="bob")), "entry of bob"),
        (lambda s, k: _falsely_witnessed(s, k["dan"]), "none of the witness airflow"),
        (lambda s, k: s, "it repeats entry"),
    ],
    ids=["no signature", "longer", "own key", "other person", "false witness", "copied"],
)
def test_a_forged_entry_does_not_count(desk: Any, forge: Callable[..., Any], found: str) -> None:
    signed = desk.approve()
    end(desk.workspace("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    _enter(desk, forge(signed, desk.keys))
    assert found in desk.refused()[0]
    assert desk.workspace().ledger.verify() == [], "the chain alone would not have shown it"


def _falsely_witnessed(signed: Any, key: Key) -> Any:
    approval = replace(signed.approval, witness="airflow")
    return replace(signed, approval=approval, key=key.public, signature=key.sign(approval.message()))


def test_an_approval_of_another_environment_or_version_does_not_serve(desk: Any) -> None:
    desk.write(production="state: approved, role: ml-lead, discovery: refuse")
    text = (desk.settings.policies / "environments.yaml").read_text()
    asking = text.replace("state: proposed", "state: approved, role: ml-lead")
    (desk.settings.policies / "environments.yaml").write_text(asking)
    desk.sign()
    signed = desk.approve(environment="staging")
    assert desk.admit("staging").standing.state == "approved"
    subjects = {**signed.subjects(), "environment": "production"}
    desk.workspace().ledger.append("approve", "ada", subjects, signed.approval.reason, "forged")
    assert "it was altered" in desk.refused()[0]
    text = desk.edit(("version: 1.0.0", "version: 1.0.1")).read_text()
    assert "version: 1.0.1" in text
    assert "draft" in desk.refused("staging")[0]


def test_an_entry_taken_out_of_the_ledger_is_found_before_anything_trains(desk: Any) -> None:
    """A revocation is not signed. With it gone the approval would count again."""
    desk.approve()
    end(desk.workspace("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    desk.approve("cy", key=desk.keys["cy"])
    with closing(sqlite3.connect(desk.settings.home / "ledger.db")) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM ledger WHERE act = 'revoke'")
        for _, statement in triggers:
            connection.execute(statement)
    connection.close()
    found, fix = desk.refused()
    assert "number" in found
    assert "backup" in fix
    assert desk.admit("dev").standing.state == "proposed"  # where no approval decides


@pytest.mark.parametrize("how", ["an older copy", "its end cut off", "an older copy, and the home's witness"])
def test_a_ledger_rolled_back_behind_a_revocation_admits_nothing(desk: Any, how: str) -> None:
    """Without the revocation the approval would count again, and the chain that is left is whole."""
    path, witness = desk.settings.home / "ledger.db", desk.settings.home / "witness" / "heads.jsonl"
    desk.approve()
    assert "the ledger's youngest outside witness: none" in desk.admit().ledger[0]
    older, noted = path.read_bytes(), witness.read_bytes()
    end(desk.workspace("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    desk.workspace().tracker.open_run(
        "digits", "run-1", tags={"augment_ops.ledger_head": desk.workspace().ledger.head()}
    )
    if how == "its end cut off":
        with closing(sqlite3.connect(path)) as connection, connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for table in ("ledger", "ledger_signature"):
                connection.execute(f"DELETE FROM {table} WHERE seq = (SELECT max(seq) FROM {table})")
            for _, statement in triggers:
                connection.execute(statement)
        connection.close()
    else:
        path.write_bytes(older)
    if how.endswith("witness"):
        witness.write_bytes(noted)  # and so MLflow alone knows
    assert "no such entry" in desk.refused()[0]


def test_a_witness_that_does_not_answer_admits_nothing_above_dev(desk: Any, tmp_path: Path) -> None:
    desk.approve()
    (tmp_path / "taken").write_text("in the way")
    away = replace(desk, settings=replace(desk.settings, witnesses=(str(tmp_path / "taken"),)))
    assert "Not a directory" in away.refused()[0]
    assert away.admit("dev").ledger == ()


def test_the_ledger_holds_what_was_signed(desk: Any) -> None:
    signed = desk.approve()
    (entry,) = [entry for entry in desk.workspace().ledger.entries() if is_policy_approval(entry)]
    assert approval_of(entry) == signed


def test_a_locked_ledger_leaves_nothing_half_recorded(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_LOCK_WAIT_S", 0.1)
    before = desk.acts()
    lock = sqlite3.connect(desk.settings.home / "ledger.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")  # reading stays possible, as while another process writes
    try:
        with pytest.raises(GovernanceError, match="locked") as caught:
            desk.approve()
        assert "locked" in caught.value.faults[0].fix
        with pytest.raises(GovernanceError, match="locked"):
            end(desk.workspace("ada"), POLICY, "revoke", reason="a doubt")
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert desk.acts() == before
    assert desk.refused()[0] == "no approval that counts"
    desk.approve()
    assert desk.acts() == [*before, ("approve", "ada")]
