"""A policy put before its approvers in Airflow: who may answer, who may not, and what the ledger keeps of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from augment_ops.errors import ServiceError
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle.admission import admit_policy
from augment_ops.lifecycle.standing import standing
from augment_ops.policy.library import admit
from augment_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(900)

DAG, QUESTION, POLICY, OTHER = "approve_policy", "ask", "digits-robust", "fashion-robust"
LEAD, DEPUTY, REVIEWER, VIEWER = "ml-lead", "ml-deputy", "rita", "viewer"
REASON = "Gallery and costs seen."
RUN_S = 600.0


@pytest.fixture(scope="module")
def policies(running: Any) -> Any:
    stack = running.of(DAG)
    running.eventually(lambda: stack.admin.has_dag(DAG) or None, f"the DAG {DAG}", RUN_S)
    return stack


@pytest.fixture(scope="module")
def asked(policies: Any) -> str:
    """A run that the deputy, who holds the role, triggered."""
    with policies.login(DEPUTY) as deputy:
        run = deputy.trigger(DAG, {"policy": POLICY, "days": 30}).run_id
    policies.wait_for_question(run, QUESTION, RUN_S)
    return run


def entries_about(running: Any, run: str) -> list[tuple[str, str]]:
    found = Ledger(running.settings.ledger).entries()
    return [(entry.act, entry.actor) for entry in found if entry.subjects.get("run") == run]


def test_only_a_lead_who_did_not_ask_for_it_is_asked(policies: Any, asked: str) -> None:
    (question,) = policies.admin.questions(DAG, asked)
    assert question.assigned == (LEAD,)
    assert policies.links(asked, "propose")["Gallery and costs"].startswith(policies.mlflow)


def approvals_of(running: Any, policy: str) -> list[str]:
    found = Ledger(running.settings.ledger).entries()
    return [
        e.actor for e in found if e.act == "approve" and e.subjects.get("policy_version", "").startswith(f"{policy}/")
    ]


def test_an_answer_that_was_made_up_is_not_signed_and_the_question_is_asked_again(policies: Any, asked: str) -> None:
    policies.make_up(asked, QUESTION, "Approve", LEAD)
    assert policies.wait_for_end(asked, RUN_S) == "failed"
    assert approvals_of(policies, POLICY) == []
    ((by, reason),) = policies.refusals(asked)
    assert by == "admin"
    assert "nobody has answered it, Airflow's record says" in reason
    policies.admin.clear(DAG, asked, [QUESTION])
    policies.wait_for_question(asked, QUESTION, RUN_S)


def test_refused_attempts_stand_in_the_ledger_and_the_lead_can_approve(policies: Any, asked: str) -> None:
    for user in (VIEWER, REVIEWER, DEPUTY):
        with policies.login(user) as person, pytest.raises(ServiceError, match="403"):
            person.answer(DAG, asked, QUESTION, "Approve")
    assert entries_about(policies, asked)[1:] == [("refuse", VIEWER), ("refuse", REVIEWER), ("refuse", DEPUTY)]

    with policies.login(LEAD) as lead:
        lead.answer(DAG, asked, QUESTION, "Approve", {"reason": REASON})
    assert policies.wait_for_end(asked, RUN_S) == "success", policies.complaints(asked)

    (approval,) = [
        e
        for e in Ledger(policies.settings.ledger).entries()
        if e.act == "approve" and e.actor == LEAD and "policy_version" in e.subjects
    ]
    assert (approval.reason, approval.subjects["witness"], approval.subjects["environment"]) == (
        REASON,
        "airflow",
        "production",
    )
    lasts = datetime.fromisoformat(approval.subjects["expires"]) - datetime.now(UTC)
    assert 29 <= lasts.total_seconds() / 86_400 <= 30


def test_production_admits_the_policy_now_and_not_where_the_witness_is_not_trusted(policies: Any, asked: str) -> None:
    settings = policies.settings
    workspace = Workspace(settings, "admin")
    policy = admit(settings.policies, POLICY)
    assert tuple(admit_policy(workspace, policy, "production").standing.counted) == (LEAD,)

    shipped = Workspace(replace(settings, policies=policies.dags.parent / "policies"), "admin")  # names no witness
    assert standing(shipped, policy, "production").state == "draft"  # its word stands behind the proposal as well


def test_clearing_the_answer_enters_nothing_twice(policies: Any, asked: str) -> None:
    before = policies.state("digits")["ledger"]
    policies.clear(asked, ["propose", "record"])
    assert policies.wait_for_end(asked, RUN_S) == "success"
    assert policies.state("digits")["ledger"] == before
    assert Ledger(policies.settings.ledger).verify() == []


def test_mlflow_has_the_version_with_file_gallery_and_costs(policies: Any, asked: str) -> None:
    client = policies.client()
    (version,) = client.search_model_versions(f"name = 'policy.{POLICY}'")
    run = version.tags["augment_ops.evidence_run"]
    assert {entry.path for entry in client.list_artifacts(run, "policy")} == {
        f"policy/{name}" for name in ("gallery.png", "profile.json", "preview.json", f"{POLICY}-1.0.0.yaml")
    }
    assert run in version.description


def test_a_run_that_its_environment_does_not_take_is_refused_before_there_is_one(running: Any) -> None:
    before = running.admin.dag_runs(running.dag)
    with pytest.raises(
        ServiceError, match=rf"(?s)400 .*{OTHER} 1.1.0 in staging: found a draft.*policy propose {OTHER}"
    ):
        running.trigger(policy=OTHER, environment="staging")
    assert running.admin.dag_runs(running.dag) == before
    assert entries_of_refusal(running)[-1] == ("admin", f"{OTHER}/1.1.0", "staging")


def entries_of_refusal(running: Any) -> list[tuple[str, str, str]]:
    found = [entry for entry in Ledger(running.settings.ledger).entries() if entry.act == "refuse"]
    return [(e.actor, e.subjects.get("policy_version", ""), e.subjects.get("environment", "")) for e in found]


@pytest.mark.slow
def test_whoever_cleared_a_task_of_the_run_is_no_second_pair_of_eyes(policies: Any) -> None:
    with policies.login(REVIEWER) as reviewer:
        run = reviewer.trigger(DAG, {"policy": OTHER, "days": 30}).run_id
    policies.wait_for_question(run, QUESTION, RUN_S)
    with policies.login(LEAD) as lead:
        lead.clear(DAG, run, [QUESTION])
        policies.wait_for_question(run, QUESTION, RUN_S)
        lead.answer(DAG, run, QUESTION, "Approve", {"reason": REASON})  # Airflow asked them before
    assert policies.wait_for_end(run, RUN_S) == "failed"
    ((by, reason),) = policies.refusals(run)
    assert by == LEAD
    assert "had a hand in it (post_clear_task_instances" in reason

    # The answer to this try is none to the next, which nobody gives before the task is marked as done.
    policies.clear(run, [QUESTION])
    policies.wait_for_question(run, QUESTION, RUN_S)  # a task that is on its way would be asked in spite of the mark
    policies.ask("admin", "PATCH", f"dags/{DAG}/dagRuns/{run}/taskInstances/{QUESTION}", {"new_state": "success"})
    policies.clear(run, ["record"])
    assert policies.wait_for_end(run, RUN_S) == "failed"
    assert approvals_of(policies, OTHER) == []

    policies.admin.clear(DAG, run, [QUESTION])
    policies.wait_for_question(run, QUESTION, RUN_S)
    with policies.login(DEPUTY) as deputy:
        deputy.answer(DAG, run, QUESTION, "Approve", {"reason": REASON})
    assert policies.wait_for_end(run, RUN_S) == "success", policies.complaints(run)
    assert approvals_of(policies, OTHER) == [DEPUTY]
