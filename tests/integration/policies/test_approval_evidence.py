"""What an approval is bound to: one byte of it changes, and the approval does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import GovernanceError, PolicyError
from augment_ops.governance.keys import Key, ensure
from augment_ops.lifecycle import acts as policy_acts
from augment_ops.policy.library import load

POLICY = "digits-robust"


@pytest.mark.parametrize("what", ["profile", "preview", "gallery"])
@pytest.mark.parametrize("how", ["altered", "lost"])
def test_one_byte_of_the_evidence(desk: Any, what: str, how: str) -> None:
    desk.approve()
    evidence = dict(desk.admit().standing.evidence)
    digest = policy_acts.documents(desk.workspace().store, evidence)[1].gallery if what == "gallery" else evidence[what]
    path = Path(desk.settings.store) / "objects" / digest[:2] / digest
    content = path.read_bytes()
    path.chmod(0o600)
    path.unlink()
    if how == "altered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found, _ = desk.refused()
    assert "its evidence does not hold" in found
    assert "propose the version again" in found
    with pytest.raises(GovernanceError, match="evidence") as caught:
        desk.approve("bob")
    assert "augment-ops policy propose" in caught.value.faults[0].fix
    path.write_bytes(content)
    assert desk.admit().standing.state == "approved"


def test_evidence_of_another_policy_is_none(desk: Any) -> None:
    other = desk.edit(("version: 1.0.0", "version: 1.0.1"))
    policy = load(desk.settings.policies, POLICY)
    (last,) = [entry.subjects for entry in desk.workspace().ledger.entries() if entry.act == "propose"]
    subjects = {**last, "policy": policy.digest, "policy_version": f"{POLICY}/1.0.1"}
    desk.workspace().enter("propose", subjects, "borrowed", "borrowed")
    with pytest.raises(GovernanceError, match="is of another policy"):
        desk.approve()
    assert other.is_file()


def test_evidence_that_one_approval_lost_leaves_the_others(desk: Any) -> None:
    """bob approved on new evidence; that ada's is gone is no reason to stop."""
    desk.approve("ada")
    workspace, policy = desk.workspace(), load(desk.settings.policies, POLICY)
    evidence = dict(desk.admit().standing.evidence)
    cost, seen = policy_acts.documents(workspace.store, evidence)
    new = {
        "profile": policy_acts.keep(workspace.store, replace(cost, machine="another")),
        "preview": evidence["preview"],
    }
    subjects = {**policy_acts.subjects_of(policy), **policy_acts.evidence_subjects(new)}
    workspace.enter("propose", subjects, "again", "again")
    desk.approve("bob")
    workspace.store.remove(evidence["profile"])
    assert set(desk.admit().standing.counted) == {"bob"}
    assert seen.digest == policy.digest


@pytest.mark.parametrize("change", ["key", "role", "name"])
def test_the_approver_file_is_part_of_it(desk: Any, change: str, keys: dict[str, Key], tmp_path: Path) -> None:
    desk.approve()
    one = f'{{id: ada, name: ada, keys: ["{keys["ada"].public}"]}}'
    bob = f'{{id: bob, name: bob, keys: ["{keys["bob"].public}"]}}'
    new = {
        "key": one.replace(keys["ada"].public, ensure(tmp_path / "new.pem").public),
        "role": "",
        "name": one.replace("name: ada", "name: Ada L"),
    }[change]
    desk.write(approvers=", ".join(filter(None, (new, bob))))
    found, fix = desk.refused()
    assert "approvers.yaml was changed" in found or "does not hold the role" in found
    assert "augment-ops policy approve" in fix


def test_one_byte_of_the_policy(desk: Any) -> None:
    desk.approve()
    path = desk.edit(("limitations:", "limitations:  # a remark"))
    assert desk.admit().standing.state == "approved"  # comments are no content
    desk.edit(("p: 0.6}", "p: 0.61}"))
    with pytest.raises(PolicyError, match=rf"{path.name}:\d+: transforms\[3\]\.GaussNoise\.p") as caught:
        desk.admit()
    assert "give the changed policy a version above 1.0.0" in caught.value.faults[0].fix
