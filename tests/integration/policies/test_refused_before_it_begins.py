"""What would stop a run or an approval in the end stops it before anything is read, trained, published or asked."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from augment_ops.errors import ActRefused, AugmentOpsError, GovernanceError, InputError
from augment_ops.governance.keys import witness_path
from augment_ops.lifecycle.acts import check_askable, question
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.preflight import preflight
from augment_ops.workspace import Workspace

POLICY = "digits-robust"
PRODUCTION = {"policy": POLICY, "environment": "production", "approval": "ml-lead"}


def refused(
    desk: Any, witness: str = "", actor: str = "pat", kind: type[AugmentOpsError] = ActRefused, **asked: str
) -> list[str]:
    """What is found; the refusal is one entry of the ledger."""
    before = len(desk.acts())
    with pytest.raises(AugmentOpsError) as caught:
        preflight(desk.settings, parse_params({**PRODUCTION, **asked}), actor, witness)
    assert type(caught.value) is kind
    assert desk.acts()[before:] == [("refuse", actor)]
    assert all(fault.fix for fault in caught.value.faults)
    return [f"{fault.where}: {fault.found}" for fault in caught.value.faults]


def names_no_witness(desk: Any) -> None:
    path = desk.settings.policies / "approvers.yaml"
    path.write_text(path.read_text().split("witnesses:", maxsplit=1)[0])


def test_a_policy_that_its_environment_does_not_take_as_it_stands(draft: Any, desk: Any) -> None:
    (found,) = refused(draft, environment="staging", approval="auto")
    assert found == f"policy {POLICY} 1.0.0 in staging: a draft"
    preflight(desk.settings, parse_params({**PRODUCTION, "environment": "staging", "approval": "auto"}), "pat")
    (found,) = refused(desk)
    assert found.endswith("no approval that counts")


def test_all_that_an_environment_demands_is_said_at_once(draft: Any) -> None:
    found = refused(draft, kind=InputError, approval="auto", gate="medical")
    told = " ".join(found)
    assert "no root document" in told
    assert "no approval that counts" in told or "a draft" in told
    assert "--gate: medical" in told


def test_rules_that_cannot_be_trusted_are_no_answer(desk: Any) -> None:
    desk.approve()
    (desk.settings.policies / "governance.yaml").unlink()
    (found,) = refused(desk, kind=GovernanceError)
    assert "root document" in found


def test_a_witness_whose_word_does_not_count(desk: Any) -> None:
    desk.approve()
    preflight(desk.settings, parse_params(PRODUCTION), "pat", "airflow")
    names_no_witness(desk)
    desk.sign()
    (found,) = refused(desk, "airflow")
    assert found.startswith("key of the witness airflow: ed25519:")
    witness_path(desk.settings.keys).unlink()
    (found,) = refused(desk, "airflow")
    assert found == "key of the witness airflow: no key yet"
    assert not witness_path(desk.settings.keys).exists()
    preflight(desk.settings, parse_params(PRODUCTION), "pat")  # people sign themselves, with keys that are named


def test_nobody_who_could_answer(desk: Any) -> None:
    desk.approve("bob")
    desk.write(approvers=f'{{id: ada, name: ada, keys: ["{desk.keys["ada"].public}"]}}, {{id: bob, name: bob}}')
    told = " ".join(refused(desk, actor="ada"))
    assert "approval by ml-lead: no key of bob" in told  # who alone is left, and could not sign
    desk.write(approvers=f'{{id: ada, name: ada, keys: ["{desk.keys["ada"].public}"]}}')
    told = " ".join(refused(desk, actor="ada"))
    assert "approval by ml-lead: only ada, who starts the run" in told


def test_who_only_asks_what_would_be_refused_leaves_nothing(draft: Any) -> None:
    before = draft.acts()
    with pytest.raises(ActRefused, match="a draft"):
        preflight(draft.settings, parse_params({**PRODUCTION, "environment": "staging"}), "pat", enters_refusals=False)
    assert draft.acts() == before


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_nothing_is_published_for_a_question_that_nobody_could_answer(draft: Any, desk: Any, environment: str) -> None:
    workspace = Workspace(draft.settings, "pat", "airflow")
    if environment == "production":
        check_askable(workspace, POLICY, environment, 30)
        names_no_witness(draft)
    before = len(draft.acts())
    with pytest.raises(AugmentOpsError) as caught:
        check_askable(Workspace(draft.settings, "pat", "airflow"), POLICY, environment, 30)
    wanted = "governance init" if environment == "production" else "policies/environments.yaml"
    assert wanted in caught.value.faults[0].fix
    assert draft.acts()[before:] == [("refuse", "pat")]
    if environment == "production":  # nor is somebody asked who was proposed one before the key went
        shutil.copy(draft.settings.policies / "approvers.yaml", desk.settings.policies / "approvers.yaml")
        with pytest.raises(AugmentOpsError, match="key of the witness airflow"):
            question(Workspace(desk.settings, "pat", "airflow"), POLICY, environment, 30)
