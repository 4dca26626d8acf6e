"""A rollout in Airflow: a task a step, and a person who lets it go on; no service drives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.cli.runs import run_pipeline
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout.state import Rollout, entries_of, rollouts
from augment_ops.services import stack
from augment_ops.workspace import Workspace
from support import rollouts as written
from support.tables import gate_of_equals, rules_of_few_frauds, transactions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DAG, DATASET, STAGING, LEAD = "rollout", "payments", "staging", "ml-lead"
REASON, RUN_S = "Looked at the rare class.", 900.0


@pytest.fixture(scope="module")
def rolling(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The stack, with two versions of which the second waits for its rollout in an environment that asks a person."""
    policies = running.settings.policies
    environments = policies / "environments.yaml"
    before = environments.read_text()
    (policies / "rollout" / "quick.yaml").write_text(written.RULES)
    for folder in ("stress", "gates"):
        rules_of_few_frauds(policies / folder / "transactions.yaml")
    gate_of_equals(policies / "gates" / "transactions.yaml")
    asks_nobody = before.replace("policy: {state: proposed, discovery: warn}", _DRAFT)
    environments.write_text(asks_nobody)
    table = tmp_path_factory.mktemp("data") / "payments.csv"
    transactions(4_800).to_csv(table, index=False)
    try:
        for seed in (7, 5):
            _run(table, seed)
        environments.write_text(asks_nobody.replace(_STAGING_BY_ITSELF, _STAGING_BY_A_PERSON))
        stacked = running.of(DAG)
        running.eventually(lambda: stacked.admin.has_dag(DAG) or None, f"the DAG {DAG}", RUN_S)
        yield stacked
    finally:
        environments.write_text(before)


_DRAFT = "policy: {state: draft, discovery: warn}\n    rollout: quick"
_STAGING_BY_ITSELF = "staging:\n    approvals: [auto, ml-lead]"
_STAGING_BY_A_PERSON = "staging:\n    approvals: [ml-lead]"


def _run(table: Path, seed: int) -> None:
    rules = dict.fromkeys(("gate", "suite", "quality", "drift"), "transactions")
    asked = {
        "dataset": str(table),
        "modality": "tabular",
        "columns": "label=fraud,subject=customer,time=moment,id=transaction",
        "policy": "transactions-robust",
        "environment": STAGING,
        "epochs": 1,
        "seed": seed,
        **rules,
    }
    found = run_pipeline(asked, f"seed{seed}", quiet=True)
    assert found["verdict"] == "PASS", found["summary"]


def _workspace(rolling: Any) -> Workspace:
    return Workspace(replace(rolling.settings, mlflow_uri=stack.tracking_uri(rolling.settings)), "tester")


def _begun(rolling: Any) -> Rollout | None:
    found = rollouts(entries_of(book_of(_workspace(rolling)), DATASET), DATASET)
    return found[-1] if found and not found[-1].outcome else None


def test_a_version_passes_its_steps_and_a_lead_lets_it_answer_everything(rolling: Any) -> None:
    workspace = _workspace(rolling)
    run = rolling.trigger(dataset=DATASET, environment=STAGING, reason="a better one")
    begun = rolling.eventually(lambda: _begun(rolling), "the rollout", RUN_S, 0.1)
    assert begun.by == "admin"
    written.compare(workspace, begun.id, 0, dataset=DATASET)
    rolling.eventually(lambda: ((now := _begun(rolling)) is not None and now.step == 1) or None, "its canary", RUN_S)
    written.halves(workspace, begun.id, dataset=DATASET)
    rolling.wait_for_question(run, "ask", RUN_S)
    (question,) = rolling.admin.questions(DAG, run)
    assert LEAD in question.assigned
    with rolling.login(LEAD) as lead:
        lead.answer(DAG, run, "ask", "Approve", {"reason": REASON})
    assert rolling.wait_for_end(run, RUN_S) == "success", rolling.complaints(run)
    assert rolling.champion(DATASET, STAGING) == "2"
    ended = rollouts(entries_of(book_of(workspace), DATASET), DATASET)[-1]
    assert (ended.outcome, [one.actor for one in ended.approvals]) == ("promoted", [LEAD])
