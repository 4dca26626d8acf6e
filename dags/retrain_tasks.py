"""Airflow's side of trainings that alerts start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

ORIGIN = "{dag_run.dag_id}/{dag_run.run_id}"  # how the ledger names a run of the monitor


class StartTrainings(BaseOperator):
    """Starts a run of `train_and_promote` for each alert that calls for one.

    What is to be started comes from ledger and store, and is entered in the ledger before it is started: an XCom of the
    task before would be the word of whoever may edit it. Airflow makes a run of one id once, so that starting one again
    does nothing.

    Args:
        trigger_dag_id: the DAG that trains.
    """

    ui_color = "#fef3e0"

    def __init__(self, *, trigger_dag_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trigger_dag_id = trigger_dag_id

    def execute(self, context: Context) -> list[str]:
        """Start what is not started yet; skipped where there is nothing to start. Returns ids of runs."""
        from augment_ops.identity import SCHEDULE
        from augment_ops.pipeline.cause import ALERT
        from augment_ops.production.causes import enter_start
        from augment_ops.production.retraining import PLAN, in_markdown, planned
        from augment_ops.settings import Settings
        from augment_ops.shown import own_addresses
        from augment_ops.workspace import open_ledger, open_store

        settings = Settings.from_environment()
        ledger, run = open_ledger(settings), context["dag_run"]
        wanted = planned(ledger.read((ALERT, PLAN)), open_store(settings))
        if not wanted:
            raise AirflowSkipException("no alert calls for a training")
        ours = own_addresses(settings)
        for alert, training in wanted:
            actor = run.triggering_user_name or SCHEDULE
            enter_start(ledger, alert, training, actor=actor, origin=ORIGIN.format(dag_run=run))
            self.log.info("%s calls for a training: %s", alert.key, training.note)
            self._start(training.run_id, training.params, in_markdown(alert, training, ours))
        return [training.run_id for _, training in wanted]

    def _start(self, run_id: str, conf: dict[str, Any], note: str) -> None:
        # What `TriggerDagRunOperator` has Airflow's task runner send, which it can do once a task: mapping it over
        # several needs an XCom.
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        asked = TriggerDagRun(dag_id=self.trigger_dag_id, run_id=run_id, conf=conf, note=note, logical_date=None)
        answer = SUPERVISOR_COMMS.send(asked)
        if not isinstance(answer, ErrorResponse):
            self.log.info("run %s of %s was started", run_id, self.trigger_dag_id)
        elif answer.error == ErrorType.DAGRUN_ALREADY_EXISTS:
            self.log.info("run %s of %s was started before", run_id, self.trigger_dag_id)
        else:
            raise AirflowRuntimeError(answer)
