"""Proposing a version: what it leaves behind, and that being refused or cut off leaves nothing half."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import GovernanceError, PolicyError
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle import acts as policy_acts
from augment_ops.lifecycle.acts import end, propose
from augment_ops.lifecycle.standing import standing
from augment_ops.policy.library import load

POLICY = "digits-robust"
VERSION = "digits-robust/1.0.0"


def test_a_proposal_leaves_copy_entries_and_a_registered_version(desk: Any) -> None:
    from mlflow import MlflowClient

    assert desk.acts() == [("publish", "pat"), ("propose", "pat"), ("root", "olga")]
    copy = desk.settings.policies / "published" / POLICY / "1.0.0.yaml"
    assert load(desk.settings.policies, f"{POLICY}@1.0.0").text == copy.read_text()
    (evidence,) = [entry.subjects for entry in desk.workspace().ledger.entries() if entry.act == "propose"]
    (version,) = MlflowClient(desk.settings.mlflow_uri).search_model_versions(f"name='policy.{POLICY}'")
    assert version.tags["augment_ops.policy_digest"] == evidence["policy"]
    assert version.tags["augment_ops.profile_digest"] == evidence["evidence.profile"]
    assert version.tags["augment_ops.preview_digest"] == evidence["evidence.preview"]
    assert "6 and 9" in version.tags["augment_ops.limitations"]


def test_proposing_twice_measures_and_enters_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_acts, "profile", lambda policy, **told: pytest.fail("measured again"))
    before = desk.workspace().ledger.entries()
    again = propose(desk.workspace("cy"), POLICY, "digits")
    assert desk.workspace().ledger.entries() == before
    assert again.evidence == policy_acts.Proposed(VERSION, again.digest, again.evidence, "", "", "").evidence
    desk.approve("cy")  # who only repeated it is not its author


@pytest.mark.parametrize("cut", ["_register", "_publish", "keep_published", "append"])
def test_a_proposal_that_was_cut_off_is_completed_by_the_next(
    draft: Any, proposed: Any, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Killed after this effect and before the next."""
    from mlflow import MlflowClient

    evidence = dict(standing(proposed.workspace(), load(proposed.settings.policies, POLICY), "dev").evidence)
    cost, seen = policy_acts.documents(proposed.workspace().store, evidence)
    shutil.copytree(Path(proposed.settings.store), Path(draft.settings.store), dirs_exist_ok=True)
    draft.edit(("p95_ms: 1.0", "p95_ms: 100.0"))
    monkeypatch.setattr(policy_acts, "profile", lambda policy, **told: cost)
    monkeypatch.setattr(policy_acts, "preview", lambda policy, store, dataset, **told: seen)
    with monkeypatch.context() as patch:
        place, name = (Ledger, "append") if cut == "append" else (policy_acts, cut)
        genuine: Callable[..., Any] = getattr(place, name)

        def killed(*args: Any, **more: Any) -> Any:
            genuine(*args, **more)
            if cut != "append" or args[1] == "propose":
                raise KeyboardInterrupt

        patch.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            propose(draft.workspace(), POLICY, "digits")
    done = propose(draft.workspace(), POLICY, "digits")
    assert done.evidence == evidence
    assert Path(done.copy).is_file()
    assert draft.acts() == [("publish", "pat"), ("propose", "pat")]
    assert len(MlflowClient(draft.settings.mlflow_uri).search_model_versions(f"name='policy.{POLICY}'")) == 1


def test_a_policy_over_its_budget_is_not_proposed(draft: Any) -> None:
    draft.edit(("p95_ms: 1.0", "p95_ms: 0.000001"))
    with pytest.raises(PolicyError, match=r"budget\.p95_ms") as caught:
        propose(draft.workspace(), POLICY, "digits")
    assert "cheaper" in caught.value.faults[0].fix
    assert draft.acts() == [("refuse", "pat")]
    assert not (draft.settings.policies / "published").exists()
    assert not (draft.settings.home / "mlflow").exists()


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ("- OneOf: {transforms: [{Rotate: {limit: 60, p: 1.0}}, {HorizontalFlip: {p: 1.0}}], p: 0.1}", "[-60, 60]|60"),
        ("- Rotate: {limit: 30, p: 0.01}\n  - Rotate: {limit: 30, p: 0.01}", "can reach 60 in all"),
        ("- RandAugment: {num_ops: 3, magnitude: 30}", "chain|Rotate|\\["),
    ],
    ids=["container", "chain", "family"],
)
def test_limits_bind_every_path_and_every_door(draft: Any, steps: str, found: str) -> None:
    path = draft.edit()
    path.write_text(f"{path.read_text().partition('transforms:')[0]}transforms:\n  {steps}\n")
    for door in (lambda: propose(draft.workspace(), POLICY, "digits"), draft.admit, lambda: draft.admit("dev")):
        with pytest.raises(PolicyError, match=found) as caught:
            door()
        assert all("narrow" in f.fix or "remove" in f.fix for f in caught.value.faults)
    # Once for each way: to a proposal, and to a run however often it is tried.
    assert draft.acts() == [("refuse", "pat")] * 2


def test_another_content_under_a_proposed_version_leaves_no_copy(desk: Any) -> None:
    """Somebody who takes the copy away as well still meets the ledger."""
    shutil.rmtree(desk.settings.policies / "published")
    desk.edit(("[-30, 30]", "[-31, 31]"))
    with pytest.raises(GovernanceError, match="as it was published") as caught:
        propose(desk.workspace(), POLICY, "digits")
    assert "new version" in caught.value.faults[0].fix
    assert not (desk.settings.policies / "published").exists()
    assert desk.acts()[-1] == ("refuse", "pat")
    for environment in ("dev", "staging", "production"):
        found, fix = desk.refused(environment)
        assert "content" in found
        assert "new version" in fix


def test_an_altered_copy_is_refused_when_it_is_used(desk: Any) -> None:
    copy = desk.settings.policies / "published" / POLICY / "1.0.0.yaml"
    copy.write_text(copy.read_text().replace("[-30, 30]", "[-31, 31]"))
    assert "content" in desk.refused("dev", f"{POLICY}@1.0.0")[0]


@pytest.mark.parametrize("act", ["revoke", "deprecate"])
def test_a_version_that_was_ended_is_not_proposed_again(desk: Any, act: str) -> None:
    end(desk.workspace("ada"), POLICY, act, reason="7 and 1 confused")
    with pytest.raises(GovernanceError, match="7 and 1 confused") as caught:
        propose(desk.workspace(), POLICY, "digits")
    assert caught.value.faults[0].fix == "propose a new version"
    with pytest.raises(GovernanceError, match="7 and 1 confused"):
        desk.approve()
