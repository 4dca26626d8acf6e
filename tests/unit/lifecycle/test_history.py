"""The story of a policy, as somebody reads it who was not there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from augment_ops.governance.keys import Key, ensure
from augment_ops.governance.statements import PolicyApproval, SignedApproval, evidence_subjects
from augment_ops.lifecycle.evidence import Preview, Profile, Step, keep
from augment_ops.lifecycle.history import history, lines
from augment_ops.policy.library import load
from augment_ops.policy.published import keep_published
from augment_ops.policy.spec import Policy
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, subjects_of
from support.places import POLICIES
from support.policies import policy_text

POLICY = policy_text("Rotate: {limit: 10, p: 0.5}", name="shapes")
MODEL = {"model": "a" * 64}


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return ensure(tmp_path / "ada.pem")


@pytest.fixture
def workspace(tmp_path: Path, key: Key) -> Workspace:
    policies = tmp_path / "home" / "policies"
    (policies / "augment").mkdir(parents=True)
    shutil.copytree(POLICIES / "limits", policies / "limits")
    shutil.copy(POLICIES / "environments.yaml", policies)
    (policies / "approvers.yaml").write_text(
        f'version: 1\nroles:\n  ml-lead: [{{id: ada, name: Ada, keys: ["{key.public}"]}}, {{id: bob, name: Bob}}]\n'
    )
    home = {"AUGMENT_OPS_HOME": str(tmp_path / "home"), "AUGMENT_OPS_POLICIES": str(policies)}
    return Workspace(Settings.from_environment(home), "ada")


def _published(workspace: Workspace, *changes: tuple[str, str]) -> Policy:
    text = POLICY
    for before, after in changes:
        text = text.replace(before, after)
    (workspace.settings.policies / "augment" / "shapes.yaml").write_text(text)
    policy = load(workspace.settings.policies, "shapes")
    keep_published(workspace.settings.policies, policy)
    return policy


def _evidence(workspace: Workspace, policy: Policy) -> dict[str, str]:
    step = Step("policy", 0.4, 0.5)
    cost = Profile(
        policy="shapes",
        version=policy.version,
        digest=policy.digest,
        engine="compiled",
        at=(8, 8, 1),
        budget_p95_ms=2.0,
        whole=step,
        steps=(),
        machine="a machine",
    )
    picture = workspace.store.put(b"a picture")
    seen = Preview(
        policy="shapes",
        version=policy.version,
        digest=policy.digest,
        engine="compiled",
        dataset="digits",
        snapshot="5" * 64,
        seed=7,
        samples=("x",),
        copies=1,
        rows=(),
        gallery=picture,
    )
    return {"profile": keep(workspace.store, cost), "preview": keep(workspace.store, seen)}


def _approval(workspace: Workspace, policy: Policy, key: Key, evidence: dict[str, str]) -> SignedApproval:
    ada = workspace.approvals.person("ada")
    assert ada is not None
    now = datetime.now(UTC)
    said = PolicyApproval(
        policy_version=f"shapes/{policy.version}",
        digest=policy.digest,
        evidence=evidence,
        environment="production",
        approver="ada",
        approver_digest=ada.digest,
        role="ml-lead",
        reason="gallery and costs seen",
        given=now.isoformat(),
        expires=(now + timedelta(days=30)).isoformat(),
    )
    return SignedApproval(said, key.public, key.sign(said.message()))


def test_it_says_who_did_what_why_and_what_came_of_it(workspace: Workspace, key: Key) -> None:
    def enter(act: str, actor: str, subjects: dict[str, str], reason: str) -> None:
        workspace.ledger.append(act, actor, subjects, reason, f"k{workspace.ledger.size()}")

    first = _published(workspace)
    evidence = _evidence(workspace, first)
    enter("refuse", "pat", subjects_of(first), "budget.p95_ms: p95 3 ms an image")
    enter("publish", "pat", subjects_of(first), first.description)
    enter("propose", "pat", {**subjects_of(first), **evidence_subjects(evidence)}, first.description)
    enter("reject", "bob", {**subjects_of(first), "environment": "production"}, "show it on maps")
    said = _approval(workspace, first, key, evidence)
    enter("approve", "ada", said.subjects(), said.approval.reason)
    forged = replace(said.approval, approver="bob")
    enter("approve", "bob", SignedApproval(forged, key.public, said.signature).subjects(), forged.reason)
    enter("train", "pat", {**subjects_of(first), **MODEL}, "candidate")
    enter("decide", "pat", {**MODEL, "version": "digits/3"}, "PASS: invariant")
    asked = {"decision": "b" * 64, "version": "digits/3", "environment": "staging"}
    enter("reject", "bob", asked, "sevens and ones confused")
    enter("approve", "ada", asked, "looks right")
    enter("approve", "ada", {**asked, "version": "digits/4"}, "of another policy")
    enter("promote", "ada", {**MODEL, "version": "digits/3", "previous": "2"}, "looks right")
    enter("promote", "ada", {"model": "c" * 64, "version": "digits/4", "previous": "3"}, "of another policy")
    enter("rollback", "bob", {**MODEL, "version": "digits/3", "previous": "4"}, "4 was wrong")
    out = {"version": "digits/3", "environment": "staging"}
    enter("admit", "pat", {**MODEL, **out}, "the gate alone")
    enter("rollout-start", "bob", {**MODEL, **out}, "as agreed")
    enter("rollout-step", "rollout", {**out, "step": "1"}, "nothing was broken")
    enter("rollout-end", "rollout", {**out, "outcome": "rolled_back"}, "slower")
    enter("deprecate", "pat", subjects_of(first), "1.1.0 tilts more")
    second = _published(workspace, ("1.0.0", "1.1.0"), ("limit: 10", "limit: 20"))
    enter("publish", "pat", subjects_of(second), second.description)
    lost = {"profile": "6" * 64, "preview": evidence["preview"]}
    enter("propose", "cy", {**subjects_of(second), **evidence_subjects(lost)}, second.description)
    enter("revoke", "ada", {**subjects_of(second), "environment": "production"}, "a doubt")
    enter("revoke", "ada", subjects_of(second), "7 and 1 confused")
    (workspace.settings.policies / "augment" / "shapes.yaml").write_text(
        POLICY.replace("1.0.0", "2.0.0").replace("  - Rotate", "  - HorizontalFlip: {p: 0.5}\n  - Rotate")
    )
    told = lines("shapes", history(workspace, "shapes"))
    expires = said.approval.expires[:10]
    shown = [line[18:] if line.startswith("  2") else line for line in told]
    assert [line for line in shown if not line.startswith("    ")] == [
        f"shapes 1.0.0 ({first.digest[:12]}): For tests.",
        "  pat: was refused: budget.p95_ms: p95 3 ms an image",
        "  pat: published it",
        "  pat: proposed it, p95 0.5 ms an image at 8×8×1 (budget 2 ms), shown on digits",
        "  bob: did not approve it for production: show it on maps",
        f"  ada: approved it for production until {expires}: gallery and costs seen",
        f"  bob: approved it for production until {expires}: gallery and costs seen"
        " (it does not count now: the entry of bob in approvers.yaml was changed since)",
        "  pat: the gate judged digits version 3: PASS: invariant",
        "  bob: rejected digits version 3 for staging: sevens and ones confused",
        "  ada: approved digits version 3 for staging: looks right",
        "  ada: made digits version 3 champion: looks right",
        "  bob: made digits version 3 champion again: 4 was wrong",
        "  pat: let digits version 3 into the rollouts of staging: the gate alone",
        "  bob: began to roll digits version 3 out in staging: as agreed",
        "  rollout: took digits version 3 to step 1 in staging: nothing was broken",
        "  rollout: ended the rollout of digits version 3 in staging (rolled_back): slower",
        "  pat: deprecated it: 1.1.0 tilts more",
        f"shapes 1.1.0 ({second.digest[:12]}): For tests.",
        "  pat: published it",
        "  cy: proposed it; its evidence is lost (no such object)",
        "  ada: revoked its approvals for production: a doubt",
        "  ada: revoked it: 7 and 1 confused",
        f"shapes 2.0.0 ({load(workspace.settings.policies, 'shapes').digest[:12]}): For tests.",
        "  nobody proposed it here, and no run has used it",
    ]
    changes = "\n".join(line for line in shown if line.startswith("    "))
    assert "    Rotate\n" in changes  # what the first version holds
    assert "10" in changes
    assert "20" in changes  # what the second changed
    assert "HorizontalFlip" in changes
