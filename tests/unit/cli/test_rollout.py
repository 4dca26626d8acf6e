"""What the commands of rollouts take, say and end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.rollout.drive import Driver
from augment_ops.workspace import Workspace
from support.command_line import Call
from support.rollouts import RULES, begin, compare, crown, last, workspace_of


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> Workspace:
    """Ada's; the commands act in her name there."""
    del call
    found = workspace_of(tmp_path)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(found.settings.home))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(found.settings.policies))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ada")
    monkeypatch.setenv("AUGMENT_OPS_KEY", str(found.key))
    return found


def test_a_rollout_is_shown_with_its_steps_its_conditions_and_who_did_what(workspace: Workspace, call: Call) -> None:
    rollout = begin(workspace)
    code, out, _ = call("rollout", "status", "digits")
    assert (code, "version 2 beside champion version 1, running, step 0" in out) == (0, True)
    compare(workspace, rollout, 0)
    driver = Driver(workspace, "digits", "dev", print)
    driver.tick()
    code, out, _ = call("rollout", "status", "digits", "--environment", "dev")
    assert code == 0
    for told in (
        "shadow of 100%",
        "canary of 50%",
        "passed",
        "agreement",
        "all shadows",
        "holds",
        "carl began it: as agreed",
        "rollout began step 1",
    ):
        assert told in out, out
    code, out, _ = call("rollout", "status", "digits", "--json")
    (one,) = json.loads(out)
    assert (one["id"], one["state"], one["step"], one["challenger"]) == (rollout, "running", 1, "2")
    assert [step["stands"] for step in one["steps"]] == ["passed", "runs"]
    assert one["seen"]["judgement"]["action"] == "advance"
    assert {measured["condition"] for measured in one["seen"]["measured"]} == {"agreement", "errors"}


def test_what_people_do_is_entered_in_their_name(workspace: Workspace, call: Call) -> None:
    begin(workspace)
    code, out, _ = call("rollout", "pause", "digits", "--reason", "a wave of complaints")
    assert (code, "paused: a wave of complaints" in out) == (0, True)
    code, out, _ = call("rollout", "resume", "digits", "--reason", "were about the page", "--json")
    assert (code, json.loads(out)["state"]) == (0, "running")
    code, _, err = call("rollout", "approve", "digits", "--reason", "looks right")
    assert (code, "expected a rollout that waits for a person" in err) == (1, True)
    code, out, _ = call("rollout", "abort", "digits", "--reason", "a better one is trained")
    assert (code, "aborted: a better one is trained" in out) == (0, True)
    assert [entry.actor for entry in last(workspace).acts] == ["carl", "ada", "ada", "ada"]
    code, _, err = call("rollout", "abort", "digits", "--reason", "again")
    assert (code, "none that runs" in err) == (2, True)


def test_a_rollout_is_driven_until_it_ends(workspace: Workspace, call: Call) -> None:
    rollout = begin(workspace, RULES.replace("agreement: {at_least: 0.8}", "agreement: {at_least: 0.9}"))
    compare(workspace, rollout, 0, same=0.5)
    code, out, err = call("rollout", "drive", "digits", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "rolled_back")
    assert "rolled back. Agreement" in err
    code, out, _ = call("rollout", "status", "digits")
    assert "ended here" in out
    assert "rollout ended it: rolled back" in out


def test_what_is_broken_is_not_promoted_early(workspace: Workspace, call: Call) -> None:
    rollout = begin(workspace)
    compare(workspace, rollout, 0, same=0.1)
    code, _, err = call("rollout", "promote", "digits", "--reason", "hurry")
    assert (code, "expected no condition that is shown to be broken" in err) == (1, True)
    assert last(workspace).approvals == ()


def test_a_data_set_without_rollouts_has_none_and_an_unknown_one_is_refused(workspace: Workspace, call: Call) -> None:
    crown(workspace, "1", "none")
    assert call("rollout", "status", "digits")[:2] == (0, "digits has had no rollout\n")
    assert call("rollout", "status", "digits", "--json")[:2] == (0, "[]\n")
    code, _, err = call("rollout", "status", "digts")
    assert (code, "Did you mean digits" in err) == (2, True)
    code, _, err = call("rollout", "pause", "digits", "--reason", "none")
    assert (code, "augment-ops rollout start digits" in err) == (2, True)
