"""What people do with a rollout: let it go on where they are asked, pause, resume and end it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.errors import ActRefused, GovernanceError, InputError
from augment_ops.governance.audit import quarantined
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout.acts import abort, approve, pause_rollout, resume
from augment_ops.rollout.evidence import evidence_in
from augment_ops.rollout.state import entries_of
from augment_ops.workspace import Workspace
from support.rollouts import RULES, Told, begin, compare, in_name_of, last, workspace_of

NEEDS_A_PERSON = RULES.replace("share: 0.5, answers: 200", "share: 1.0, answers: 200")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path)


@pytest.fixture
def asked(workspace: Workspace) -> str:
    """A rollout in production, where a person is asked before the challenger answers everything."""
    rollout = begin(workspace, NEEDS_A_PERSON, "production")
    compare(workspace, rollout, 0)
    Told(workspace, "production").tick()
    return rollout


def test_a_person_is_asked_before_everything_goes_to_the_challenger(workspace: Workspace, asked: str) -> None:
    told = Told(workspace, "production")
    found = last(workspace)
    assert (found.state, found.step) == ("waits", 0)
    assert evidence_in(workspace.store, found.asked).judgement.action == "advance"
    assert "waits for a person" in next(workspace.ledger.read(("alert",))).reason
    compare(workspace, asked, 0, 10, first=400)
    told.tick()
    assert (last(workspace).state, len(last(workspace).acts)) == ("waits", 2)
    approve(workspace, "digits", reason="looked at it")
    told.tick()
    found = last(workspace)
    assert (found.state, found.step) == ("running", 1)
    assert [entry.actor for entry in found.approvals] == ["ada"]


def test_what_is_broken_while_a_person_is_asked_goes_back(workspace: Workspace, asked: str) -> None:
    compare(workspace, asked, 0, 800, same=0.0, first=400)
    approve(workspace, "digits", reason="looked at it")
    assert Told(workspace, "production").tick() is None
    assert last(workspace).outcome == "rolled_back"


def test_who_may_not_let_it_go_on_does_not(workspace: Workspace, asked: str, tmp_path: Path) -> None:
    with pytest.raises(ActRefused, match="expected one of ada, bob"):
        approve(in_name_of("carl", workspace), "digits", reason="mine")
    with pytest.raises(GovernanceError, match="key"):
        approve(replace(workspace, key=tmp_path / "bob.pem"), "digits", reason="with the key of another")
    subjects = {**last(workspace).acts[-1].subjects, "role": "ml-lead"}
    workspace.ledger.append("rollout-approve", "ada", subjects, "unsigned, past the commands", "forged")
    Told(workspace, "production").tick()
    assert (last(workspace).id, last(workspace).step) == (asked, 0)
    refused = list(workspace.ledger.read(("refuse",)))
    assert [entry.actor for entry in refused] == ["carl", "ada"]
    approve(in_name_of("bob", workspace), "digits", reason="looked at it")
    Told(workspace, "production").tick()
    assert last(workspace).step == 1


def test_who_began_it_does_not_let_it_go_on(workspace: Workspace, asked: str) -> None:
    del asked
    entries = list(workspace.ledger.read(("rollout-start",)))
    assert entries[0].actor == "carl"
    policies = workspace.settings.policies
    text = (policies / "approvers.yaml").read_text()
    (policies / "approvers.yaml").write_text(text.replace("id: ada, name: ada", "id: carl, name: ada"))
    with pytest.raises(ActRefused, match="carl, who triggered the run"):
        approve(in_name_of("carl", workspace), "digits", reason="mine")


def test_nobody_is_let_on_who_was_not_asked_about(workspace: Workspace) -> None:
    begin(workspace, NEEDS_A_PERSON, "production")
    with pytest.raises(ActRefused, match="expected a rollout that waits for a person"):
        approve(workspace, "digits", reason="in advance")


def test_people_pause_and_abort(workspace: Workspace) -> None:
    begin(workspace)
    found = pause_rollout(workspace, "digits", reason="looks odd")
    assert (found.state, found.paused, found.acts[-1].actor) == ("paused", "looks odd", "ada")
    assert pause_rollout(workspace, "digits", reason="again").acts == found.acts
    assert resume(workspace, "digits", reason="was the load").state == "running"
    with pytest.raises(ActRefused, match="expected a rollout that is paused"):
        resume(workspace, "digits", reason="twice")
    assert abort(workspace, "digits", reason="another one is better").outcome == "aborted"
    assert not quarantined(entries_of(book_of(workspace), "digits"))
    with pytest.raises(InputError, match="none that runs"):
        abort(workspace, "digits", reason="twice")
    with pytest.raises(InputError, match="Did you mean dev"):
        abort(workspace, "digits", reason="twice", environment="dv")
