"""What an approval says, and that nothing of it can be changed after it was signed."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from augment_ops.governance.chain import Entry, chained
from augment_ops.governance.keys import verifies
from augment_ops.governance.statements import PolicyApproval, SignedApproval, approval_of, is_policy_approval, why_not

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVIDENCE = {"profile": "1" * 64, "preview": "2" * 64}


def _signed(workspace: Any, by: str = "ada", witness: str = "", **changes: Any) -> SignedApproval:
    person = workspace.approvals.person(by)
    approval = PolicyApproval(
        policy_version="shapes/1.0.0",
        digest="d" * 64,
        evidence=EVIDENCE,
        environment="production",
        approver=by,
        approver_digest=person.digest,
        role="ml-lead",
        reason="seen",
        given=(NOW - timedelta(days=1)).isoformat(),
        expires=(NOW + timedelta(days=1)).isoformat(),
        witness=witness,
    )
    approval = replace(approval, **changes)
    key = workspace.keys[witness or by]
    return SignedApproval(approval, key.public, key.sign(approval.message()))


def _entry(signed: SignedApproval) -> Entry:
    told = signed.approval
    content = {
        "at": told.given, "act": "approve", "actor": told.approver, "subjects": signed.subjects(),
        "reason": told.reason, "software": "augment-ops 0", "key": "k",
    }  # fmt: skip
    return chained(None, content)


def test_an_approval_that_holds_counts(workspace: Any) -> None:
    for signed in (_signed(workspace), _signed(workspace, witness="airflow")):
        assert why_not(signed, workspace.approvals, NOW) is None


def test_the_ledger_gives_back_what_was_signed(workspace: Any) -> None:
    signed = _signed(workspace, witness="airflow", reason='„gesehen", 🙂\n')
    entry = _entry(signed)
    assert is_policy_approval(entry)
    assert approval_of(entry) == replace(signed, seq=1)


def _other(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [{}, {**value, "profile": "3" * 64}, {**value, "more": "3" * 64}, {"profile": value["profile"]}]
    return [f"{value}x", value[:-1] if value else "y", f" {value}"]


@pytest.mark.parametrize("field", [field.name for field in fields(PolicyApproval)])
def test_the_signature_covers_every_field(workspace: Any, field: str) -> None:
    signed = _signed(workspace)
    for other in _other(getattr(signed.approval, field)):
        changed = replace(signed.approval, **{field: other})
        assert not verifies(signed.key, signed.signature, changed.message()), f"{field}: {other!r}"
        assert why_not(replace(signed, approval=changed), workspace.approvals, NOW) is not None


def test_every_subject_of_the_entry_is_covered(workspace: Any) -> None:
    """As somebody who can write to the ledger's file would try: one value of the entry, all hashes after it mended."""
    entry = _entry(_signed(workspace, witness="airflow"))
    for name in entry.subjects:
        for changed in ({**entry.subjects, name: entry.subjects[name] + "0"}, _without(entry.subjects, name)):
            assert why_not(approval_of(replace(entry, subjects=changed)), workspace.approvals, NOW) is not None, name
    for column in ("actor", "reason"):
        forged = replace(entry, **{column: "bob"})
        assert why_not(approval_of(forged), workspace.approvals, NOW) is not None, column


def _without(subjects: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in subjects.items() if key != name}


def test_no_signature_serves_for_another_kind_of_statement(workspace: Any) -> None:
    assert b'"purpose":"augment-ops: approval of a policy, version 1"' in _signed(workspace).approval.message()


@pytest.mark.parametrize("by", ["bob", "dan"])
def test_nobody_signs_for_somebody_else(workspace: Any, by: str) -> None:
    genuine = _signed(workspace)
    key = workspace.keys[by]
    forged = replace(genuine, key=key.public, signature=key.sign(genuine.approval.message()))
    assert why_not(forged, workspace.approvals, NOW) == "its key is none of ada in approvers.yaml"
    hidden = replace(forged, key=genuine.key)
    assert "it was altered" in str(why_not(hidden, workspace.approvals, NOW))


def test_a_witness_needs_a_key_that_the_file_trusts(workspace: Any) -> None:
    """A person's key does not witness, a witness's does not sign for itself, and none counts once it is taken out."""
    said = _signed(workspace, witness="airflow")
    own = workspace.keys["ada"]
    forged = replace(said, key=own.public, signature=own.sign(said.approval.message()))
    assert why_not(forged, workspace.approvals, NOW) == "its key is none of the witness airflow in approvers.yaml"
    alone = _signed(workspace)
    service = workspace.keys["airflow"]
    forged = replace(alone, key=service.public, signature=service.sign(alone.approval.message()))
    assert why_not(forged, workspace.approvals, NOW) == "its key is none of ada in approvers.yaml"
    unknown = _signed(workspace, witness="airflow")
    unknown = replace(unknown, approval=replace(unknown.approval, witness="jenkins"))
    assert "the witness jenkins" in str(why_not(unknown, workspace.approvals, NOW))
    assert "the witness airflow" in str(why_not(said, workspace.write(witnesses=False), NOW))


def test_it_stops_counting_at_the_moment_it_expires(workspace: Any) -> None:
    signed = _signed(workspace)
    expires = NOW + timedelta(days=1)
    assert why_not(signed, workspace.approvals, expires - timedelta(microseconds=1)) is None
    assert why_not(signed, workspace.approvals, expires) == "it expired on 2026-05-02"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"given": "yesterday"}, "its times cannot be read"),
        ({"given": "2026-04-30T12:00:00"}, "its times cannot be read"),  # of which zone?
        ({"expires": ""}, "its times cannot be read"),
        ({"expires": "9999-99-99T00:00:00+00:00"}, "its times cannot be read"),
        ({"given": "2026-05-01T12:00:01+00:00"}, "which is still to come"),
        ({"given": "9999-12-31T00:00:00+00:00", "expires": "9999-12-31T23:59:59+00:00"}, "which is still to come"),
        ({"expires": "2026-05-01T14:00:00+02:00"}, "it expired"),  # noon in UTC
        ({"role": "auditor"}, "ada does not hold the role auditor any more"),
        ({"role": "queen"}, "ada does not hold the role queen any more"),
    ],
)
def test_signed_by_the_right_person_it_may_still_not_count(
    workspace: Any, changes: dict[str, str], reason: str
) -> None:
    found = why_not(_signed(workspace, **changes), workspace.approvals, NOW)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("key", "the entry of ada in approvers.yaml was changed since"),
        ("second key", "the entry of ada in approvers.yaml was changed since"),
        ("name", "the entry of ada in approvers.yaml was changed since"),
        ("gone", "ada does not hold the role ml-lead any more"),
    ],
)
def test_it_does_not_outlive_a_change_of_the_approver_file(workspace: Any, change: str, reason: str) -> None:
    said = [_signed(workspace), _signed(workspace, witness="airflow")]
    own, new = workspace.keys["ada"].public, workspace.keys["cy"].public
    bob = f'{{id: bob, name: bob, keys: ["{workspace.keys["bob"].public}"]}}'
    now = {
        "key": f'{{id: ada, name: ada, keys: ["{new}"]}}, {bob}',
        "second key": f'{{id: ada, name: ada, keys: ["{own}", "{new}"]}}, {bob}',
        "name": f'{{id: ada, name: Ada L, keys: ["{own}"]}}, {bob}',
        "gone": bob,
    }
    approvals = workspace.write(now[change])
    assert [why_not(signed, approvals, NOW) for signed in said] == [reason, reason]
