"""A version takes the place of the champion step by step: a task a step, and a person where the environment asks."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TriggerRule
from alert_channels import RolloutFailed
from rollout_tasks import (
    LOOKED_S,
    AskAboutRollout,
    RecordRolloutAnswer,
    RolloutEnd,
    RolloutStep,
    StartRollout,
    UntilAsked,
)
from run_form import OPTIONAL, displays, names
from stage_tasks import ANSWERED
from task_guide import TASKS, document

PARAMS = {
    "dataset": Param(
        "digits", type="string", minLength=1, title="Data set", description="Name of a data set that has a champion."
    ),
    "environment": Param(
        "production",
        type="string",
        enum=["production", "staging", "dev"],
        title="Environment",
        description="Whose champion the version is compared with, and may take the place of.",
    ),
    "version": Param(
        None,
        type=OPTIONAL,
        pattern="^[0-9]*$",
        title="Version",
        description="Number of the registered version. Empty is the last that a run let in.",
    ),
    "rules": Param(
        None,
        type=OPTIONAL,
        enum=[None, *names("rollout")],
        values_display=displays("rollout"),
        title="Rules",
        description="Steps and conditions. Empty is those that policies/environments.yaml names, else `default`.",
    ),
    "reason": Param(
        None, type=OPTIONAL, title="Reason", description="Why it is rolled out now; the ledger and the pages keep it."
    ),
}
# A sensor that waits gives its place to others; a rollout may take weeks, and its rules say how many.
_WAITS = {"mode": "reschedule", "poke_interval": LOOKED_S, "timeout": timedelta(days=366).total_seconds()}

with DAG(
    dag_id="rollout",
    description="A version beside the champion, step by step, until it is champion or goes back.",
    schedule=None,
    catchup=False,
    tags=["augment-ops"],
    params=PARAMS,
    default_args={
        "owner": "augment-ops",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "on_failure_callback": RolloutFailed(),
    },
) as dag:
    start = StartRollout(task_id="start")
    steps = RolloutStep.partial(
        task_id="step",
        doc_md=TASKS["rollout"]["step"].markdown,
        map_index_template="{{ task.step['name'] }}",
        **_WAITS,
    ).expand(step=start.output)
    asked = UntilAsked(task_id="until_asked", **_WAITS)
    ask = AskAboutRollout(task_id="ask", subject="Let this version answer everything?", **ANSWERED)
    record = RecordRolloutAnswer(task_id="record")
    end = RolloutEnd(task_id="end", trigger_rule=TriggerRule.NONE_FAILED, **_WAITS)
    start >> asked >> ask >> record >> end
    steps >> end
    document(dag)
