"""Signed acts: every field counts, and nothing that was signed once says something twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.governance.acts import ROOT, Act, act_of, counted, why_not
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger

SAID = Act("rollback", "ada", {"version": "digits/1", "previous": "2"}, "worse on sevens", "rollback:digits:3")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def _enter(ledger: Ledger, said: Act, signer: Any) -> Entry:
    return ledger.append(said.act, said.actor, said.signed(signer), said.reason, said.once)


def test_an_act_counts_with_its_signature(workspace: Any, ledger: Ledger) -> None:
    entry = _enter(ledger, SAID, workspace.keys["ada"])
    assert act_of(entry) == SAID
    assert why_not(entry, workspace.approvals) is None
    assert _enter(ledger, SAID, workspace.keys["ada"]) == entry  # cut off and done again, it is the same entry


@pytest.mark.parametrize(
    "changed",
    [
        {"act": "promote"}, {"actor": "bob"}, {"reason": "better"}, {"key": "rollback:digits:4"},
        {"subjects": {"version": "digits/9"}}, {"subjects": {"previous": "3"}}, {"subjects": {"more": "x"}},
        {"subjects": {"witness": "airflow"}}, {"subjects": {"key": "bob"}}, {"subjects": {"signature": "AAAA"}},
    ],
    ids=str,
)  # fmt: skip
def test_each_field_is_signed(workspace: Any, ledger: Ledger, changed: dict[str, Any]) -> None:
    entry = _enter(ledger, SAID, workspace.keys["ada"])
    more = {name: workspace.keys[v].public if name == "key" else v for name, v in changed.get("subjects", {}).items()}
    forged = replace(entry, **{**changed, "subjects": {**entry.subjects, **more}})
    assert why_not(forged, workspace.approvals) is not None


def test_only_a_registered_key_counts(workspace: Any, ledger: Ledger) -> None:
    entry = _enter(ledger, SAID, workspace.keys["bob"])
    assert "none of ada" in str(why_not(entry, workspace.approvals))
    unsigned = ledger.append("rollback", "ada", {"version": "digits/1"}, "", "another")
    assert why_not(unsigned, workspace.approvals) == "it is not signed"
    witnessed = replace(SAID, actor="admin", witness="airflow", once="third")
    assert why_not(_enter(ledger, witnessed, workspace.keys["airflow"]), workspace.approvals) is None
    workspace.write(witnesses=False)
    assert "the witness airflow" in str(why_not(ledger.entries()[-1], workspace.approvals))


def test_signatures_began_with_the_rules(workspace: Any, ledger: Ledger) -> None:
    for number, act in enumerate(("rollback", "decide", ROOT, "rollback", "decide")):
        ledger.append(act, "ada", {}, "", str(number))
    signed = _enter(ledger, SAID, workspace.keys["ada"])
    for environment in ("dev", "production", "prodution"):
        ledger.append("rollback", "ada", {"environment": environment}, "", environment)
    found = list(counted(ledger.read(), workspace.approvals, ["rollback"]))
    assert [entry.seq for entry in found] == [1, 2, 3, 5, signed.seq, signed.seq + 1]
