"""Deprecating and revoking, which are for good."""

from __future__ import annotations

from typing import Any

import pytest

from augment_ops.errors import AugmentOpsError, InputError
from augment_ops.lifecycle.acts import end
from augment_ops.lifecycle.standing import standing
from augment_ops.policy.library import load

POLICY = "digits-robust"


def test_revoking_twice_is_entered_once_and_is_for_good(desk: Any) -> None:
    desk.approve()
    for reason in ("7 and 1 confused", "once more"):
        end(desk.workspace("bob"), POLICY, "revoke", reason=reason)
    assert desk.acts().count(("revoke", "bob")) == 1
    for environment in ("dev", "staging", "production"):
        found, fix = desk.refused(environment)
        assert "revoked by bob" in found
        assert f"policy history {POLICY}" in fix


def test_approvals_of_one_environment_are_revoked_and_given_again(desk: Any) -> None:
    for _ in range(2):
        desk.approve()
        desk.admit()
        for _ in range(2):
            end(desk.workspace("bob"), POLICY, "revoke", reason="a doubt", environment="production")
        assert "it was revoked" in desk.refused()[0]
        assert desk.admit("staging").standing.state == "proposed"
    assert [act for act, _ in desk.acts()][3:] == ["approve", "revoke"] * 2


def test_deprecated_is_refused_in_production_and_a_warning_below(desk: Any) -> None:
    desk.approve()
    end(desk.workspace("pat"), POLICY, "deprecate", reason="1.1.0 is better")
    for environment in ("dev", "staging"):
        assert desk.admit(environment).warnings == ("deprecated by pat: 1.1.0 is better",)
    assert "deprecated by pat" in desk.refused()[0]


@pytest.mark.parametrize(
    ("actor", "act", "environment", "found"),
    [
        ("mallory", "revoke", "", "mallory, who holds no role"),
        ("ada", "revoke", "production", "no approval"),
        ("ada", "revoke", "producton", "'producton'"),
    ],
)
def test_what_cannot_be_ended(desk: Any, actor: str, act: str, environment: str, found: str) -> None:
    with pytest.raises(AugmentOpsError, match=found) as caught:
        end(desk.workspace(actor), POLICY, act, reason="why not", environment=environment)
    assert caught.value.faults[0].fix
    assert ("revoke", actor) not in desk.acts()


def test_a_draft_cannot_be_ended_but_changed(draft: Any) -> None:
    with pytest.raises(InputError, match="a draft") as caught:
        end(draft.workspace("ada"), POLICY, "revoke", reason="why not")
    assert caught.value.faults[0].fix == "change the file"


def test_a_version_is_revoked_whatever_became_of_file_and_limits(desk: Any) -> None:
    """The moment when it matters most: limits were narrowed because of it, or somebody changed it."""
    desk.approve()
    proposed = standing(desk.workspace(), load(desk.settings.policies, POLICY), "production").digest
    limits = desk.settings.policies / "limits" / "general.yaml"
    limits.write_text(limits.read_text().replace("max_rotation_deg: 45", "max_rotation_deg: 4"))
    desk.edit(("p: 0.6}", "p: 0.61}"))
    end(desk.workspace("bob"), POLICY, "revoke", reason="too much tilt")
    (entry,) = [entry for entry in desk.workspace().ledger.entries() if entry.act == "revoke"]
    assert entry.subjects["policy"] == proposed
    assert standing(desk.workspace(), load(desk.settings.policies, POLICY), "dev").state == "revoked"
