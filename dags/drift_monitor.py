"""Watches production: judges every window that is due, alerts, and starts a training for each alert that calls for one.

The training is a run of `train_and_promote` whose id is made from the alert. Airflow makes a run of one id once,
however often it is asked, and keeps it queued while another runs; so a repeated alert, a busy pipeline or a scheduler
that was killed neither loses a training nor doubles it. What is started stands in the ledger: a run of such an id that
no alert stands behind is refused.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param
from retrain_tasks import StartTrainings
from run_form import OPTIONAL, names
from stage_tasks import WatchOperator
from task_guide import document

PARAMS = {
    "dataset": Param(
        "",
        type=OPTIONAL,
        title="Data set",
        description="Name of the data set whose prediction log is judged; empty judges all that have one.",
    ),
    "rules": Param(
        "",
        type=OPTIONAL,
        examples=names("drift"),
        title="Rules",
        description="Name in policies/drift/; empty takes the file named like the data set, else default.",
    ),
    "until": Param(
        "",
        type=OPTIONAL,
        title="Until",
        description="Judge what was due at this time (ISO 8601, UTC), for a replay of the past; empty is now.",
    ),
}

with DAG(
    dag_id="drift_monitor",
    description="Windows of production against their reference; alerts; one training for each that calls for it.",
    # Hourly, off the hour. What is due depends on the rules: a window of a day is judged once a day.
    schedule="7 * * * *",
    catchup=False,
    max_active_runs=1,
    tags=["augment-ops"],
    params=PARAMS,
    default_args={"owner": "augment-ops", "retries": 3, "retry_delay": timedelta(seconds=10)},
) as dag:
    watch = WatchOperator(
        task_id="watch",
        dataset="{{ params.dataset or '' }}",
        rules="{{ params.rules or '' }}",
        until="{{ params.until or '' }}",
    )
    # Whatever became of `watch`: a data set that cannot be watched keeps no training of another from being started.
    retrain = StartTrainings(task_id="retrain", trigger_dag_id="train_and_promote", trigger_rule="all_done")
    # A run is judged by its last tasks: this one does nothing, and fails with `watch`.
    faults = EmptyOperator(task_id="faults")
    watch >> [retrain, faults]
    document(dag)
