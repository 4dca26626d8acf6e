"""What each environment admits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import PolicyError
from augment_ops.lifecycle.admission import admission_inputs
from augment_ops.policy.library import load

POLICY = "digits-robust"


def test_a_draft_is_for_dev(draft: Any) -> None:
    assert draft.admit("dev").standing.state == "draft"
    draft.initialise()
    for environment in ("staging", "production"):
        found, fix = draft.refused(environment)
        assert found == "a draft"
        assert fix == f"augment-ops policy propose {POLICY}"


def test_a_family_that_its_limits_narrow_further_is_admitted_anew(draft: Any) -> None:
    """The policy's own file is as it was: a run that goes on would keep what it drew from before."""
    policies = draft.settings.policies
    (policies / "augment" / "wide.yaml").write_text(
        "name: wide\nversion: 1.0.0\nmodality: image\ndomain: general\nowner: tests\ndescription: As published.\n"
        "budget: {p95_ms: 100.0, at: [8, 8, 1]}\ntransforms: [TrivialAugment: {limits: domain}]\n"
    )
    before = admission_inputs(draft.workspace(), "wide", "dev")
    assert admission_inputs(draft.workspace(), "wide", "dev") == before
    limits = policies / "limits" / "general.yaml"
    limits.write_text(limits.read_text().replace("max_rotation_deg: 45", "max_rotation_deg: 30"))
    assert admission_inputs(draft.workspace(), "wide", "dev") != before


@pytest.mark.parametrize("link", ["nowhere", "0a" * 16, "in the bin", "of another"])
def test_a_discovery_link_leads_to_the_run_that_found_this_policy(draft: Any, link: str) -> None:
    from mlflow import MlflowClient

    draft.initialise()
    tracker = draft.workspace().tracker
    run = tracker.open_run("searches", f"search:{link}")
    client = MlflowClient(tracker.uri)
    name = run.run_id if link in ("in the bin", "of another") else link
    draft.edit(("discovered_by: null", f"discovered_by: {{method: density-matching, mlflow_run: {name}}}"))
    policy = load(draft.settings.policies, POLICY)
    client.set_tag(run.run_id, "augment_ops.discovered_policy_digest", policy.digest)
    if link == "in the bin":
        assert draft.admit("dev").warnings == ()
        client.delete_run(run.run_id)
    elif link == "of another":
        client.set_tag(run.run_id, "augment_ops.discovered_policy_digest", "e" * 64)
    (warning,) = draft.admit("dev").warnings
    assert "which is not there" in warning or "which found eeeeeeeeeeee…" in warning
    found, fix = draft.refused()
    assert warning.removeprefix("discovered_by: ") in found
    assert "correct the link in a new version" in fix


def test_a_file_elsewhere_cannot_pose_as_a_published_version(desk: Any, tmp_path: Path) -> None:
    desk.approve()
    text = (desk.settings.policies / "augment" / f"{POLICY}.yaml").read_text()
    path = tmp_path / f"{POLICY}.yaml"
    path.write_text(text)
    assert desk.admit(name=str(path)).standing.state == "approved"  # the same content is the same policy
    path.write_text(text.replace("[-30, 30]", "[-44, 44]"))
    with pytest.raises(PolicyError, match=rf"{path}:\d+: transforms\[0\]\.Affine\.rotate\[0\]"):
        desk.admit("dev", str(path))
