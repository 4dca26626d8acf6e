"""From a data set to a promoted or refused model: the stages of `augment_ops.pipeline`, wired."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup, TriggerRule
from alert_channels import RunFailed
from run_form import form
from stage_tasks import ANSWERED, AskForApproval, ReportOperator, StageOperator
from task_guide import document

from augment_ops.pipeline.graph import GROUPS, RETRIES, RETRY_DELAY_S, STAGES, Stage, edges
from augment_ops.pipeline.parameters import parameters

ASK = "ask_approval"

# How a stage's task differs from the others: what is skipped before it is no failure.
SPECIAL: dict[str, dict[str, Any]] = {
    "approve": {"answer_of": ASK, "skip_unless": "approved", "trigger_rule": TriggerRule.NONE_FAILED},
    "promote": {"skip_unless": "passed", "trigger_rule": TriggerRule.NONE_FAILED},
    "report": {"trigger_rule": TriggerRule.NONE_FAILED},
}
OPERATORS: dict[str, type[StageOperator]] = {"report": ReportOperator}


def wire(stages: Sequence[Stage]) -> None:
    """A task for each stage, below its heading after those that it comes after; the question before its answer."""
    tasks: dict[str, BaseOperator] = {}
    for group in dict.fromkeys(stage.group for stage in stages):
        with _heading(group):
            for stage in stages:
                if stage.group == group:
                    tasks |= _tasks(stage.name)
    for earlier, later in edges(stages):
        tasks[earlier] >> tasks[later]
        if "answer_of" in SPECIAL.get(later, {}):
            tasks[earlier] >> tasks[ASK] >> tasks[later]


def _heading(group: str) -> AbstractContextManager[object]:
    return TaskGroup(group, prefix_group_id=False, tooltip=GROUPS[group]) if group else nullcontext()


def _tasks(stage: str) -> dict[str, BaseOperator]:
    special = SPECIAL.get(stage, {})
    asked = {ASK: _question()} if "answer_of" in special else {}
    return asked | {stage: OPERATORS.get(stage, StageOperator)(stage=stage, **special)}


def _question() -> BaseOperator:
    return AskForApproval(task_id=ASK, subject="Promote this model to champion?", **ANSWERED)


with DAG(
    dag_id="train_and_promote",
    description="Quality checks, augmentation, training, stress test, gate, promotion.",
    schedule=None,
    catchup=False,
    max_active_runs=4,  # a run that waits for a person's answer must not hold up the others
    tags=["augment-ops"],
    params=form(parameters()),
    default_args={
        "owner": "augment-ops",
        # A service that comes back is worth waiting for; a refusal fails at once and is not retried.
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=RETRY_DELAY_S),
        "on_failure_callback": RunFailed(),
    },
) as dag:
    wire(STAGES)
    document(dag)
