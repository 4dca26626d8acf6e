"""Airflow's side of the stages: thin operators that call `augment_ops.pipeline` and pass references on.

This module and the DAG files import only the standard library and Airflow at the top: the project's code costs seconds
to import and is imported where it runs.
"""

from __future__ import annotations

import dataclasses
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseOperator, BaseOperatorLink, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from alert_channels import tell
from retrain_tasks import ORIGIN
from second_person import answer_to, touched_by

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from augment_ops.governance.approvals import Person
    from augment_ops.pipeline.context import Context as StageContext
    from augment_ops.pipeline.outputs import Decided
    from augment_ops.pipeline.parameters import RunParams
    from augment_ops.settings import Settings


class MlflowLink(BaseOperatorLink):
    """Button on a task: its run in MLflow."""

    name = "MLflow run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty before that."""
        return getattr(operator, "mlflow_link", "")


class ReportLink(BaseOperatorLink):
    """Button on the last task: the page of the report by itself; the tab of the run shows it in a frame."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty before that."""
        return getattr(operator, "report_link", "")


class RefusedLink(BaseOperatorLink):
    """Button on a task that was refused: why, and what to do."""

    name = "Why it stopped"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty where it was not refused."""
        return getattr(operator, "refused_link", "")


class DriftLink(BaseOperatorLink):
    """Button on the monitor's task: the page of the worst window that it judged, else of the newest."""

    name = "Drift report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty before that."""
        return getattr(operator, "drift_link", "")


class StageOperator(BaseOperator):
    """Runs one stage of the pipeline and hands on the reference of its output.

    Args:
        stage: name of the stage.
        answer_of: id of the task that asks the person whose answer the stage needs, or None.
        skip_unless: field of the output without which the task is shown as skipped (its output is kept all the same).
    """

    operator_extra_links = (MlflowLink(), RefusedLink())
    ui_color = "#e8f0fe"

    def __init__(
        self, *, stage: str, answer_of: str | None = None, skip_unless: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(task_id=stage, **kwargs)
        self.stage = stage
        self.answer_of = answer_of
        self.skip_unless = skip_unless

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage; a refusal, bad input or a failed training fails the task at once, the rest may be retried."""
        from augment_ops.errors import REFUSALS

        try:
            return self._execute(context)
        except REFUSALS as refusal:
            # Trying again would say the same: training is a function of its seed. Raised without its cause, which would
            # stand last in the log and hide it.
            raise AirflowFailException(str(refusal)) from None

    def _execute(self, context: Context) -> dict[str, Any]:
        from augment_ops.content import from_json
        from augment_ops.pipeline.execute import execute, output_type
        from augment_ops.settings import Settings
        from augment_ops.workspace import open_store

        settings = Settings.from_environment()
        run = context["dag_run"]
        if self.stage == "ingest":
            _begin(settings, context, self.log.warning, self._shown)
        answer = self._answer(settings, context)
        ref = execute(settings, run.run_id, self.stage, external=answer, say=self.log.info, shown=self._shown)
        self.log.info("%s: %s", ref.stage, ref.said)
        self.mlflow_link = ref.link
        output = from_json(output_type(self.stage), open_store(settings).get(ref.output))
        if self.skip_unless and not getattr(output, self.skip_unless):
            raise AirflowSkipException(getattr(output, "message", "") or getattr(output, "reason", ""))
        return dataclasses.asdict(ref)

    def _shown(self, address: str) -> None:
        self.log.info("why it stopped, and what to do: %s", address)
        if address.startswith("http"):
            self.refused_link = address

    def _answer(self, settings: Settings, context: Context) -> dict[str, str]:
        """What a person answered, where the run asks for one, signed by this Airflow, which has seen it given."""
        from augment_ops.pipeline.outputs import Decided
        from augment_ops.pipeline.stages.answers import why_nobody, witnessed

        if self.answer_of is None:
            return {}
        stage = _stage_of(settings, context)
        decided = stage.output("decide", Decided)
        if why_nobody(stage, decided):
            return {}
        said = answer_to(settings, context, self.answer_of, _asked(stage, decided))
        return witnessed(
            stage,
            decided.decision,
            decided.version,
            chosen=said["chosen"],
            by=said["by"],
            reason=said["reason"],
            at=said["at"],
        )


class ReportOperator(StageOperator):
    """The stage `report`: its page is one click away, its verdict one glance."""

    operator_extra_links = (ReportLink(), MlflowLink(), RefusedLink())

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the report; what it comes to travels with its reference."""
        from augment_ops.content import from_json
        from augment_ops.pipeline.outputs import Report
        from augment_ops.settings import Settings
        from augment_ops.workspace import open_store

        ref = super().execute(context)
        report = from_json(Report, open_store(Settings.from_environment()).get(ref["output"]))
        self.report_link = _page_of(context) or report.url
        self.log.info("%s: %s", report.verdict, report.summary)
        return {**ref, "verdict": report.verdict, "summary": report.summary, "promotion": report.promotion}


def _page_of(context: Context) -> str:
    """Where Airflow itself shows a run's report (plugins/run_report.py); empty where its address is not known."""
    run, base = context["dag_run"], os.environ.get("AIRFLOW__API__BASE_URL", "").rstrip("/")
    return f"{base}/augment-ops-report/{quote(run.dag_id, safe='')}/{quote(run.run_id, safe='')}" if base else ""


APPROVE, REJECT = "Approve", "Reject"
REASON = "reason"
# How a question is answered: whoever answers says why.
ANSWERED: dict[str, Any] = {
    "options": [APPROVE, REJECT],
    "params": {
        REASON: Param(
            None, type=["null", "string"], title="Reason", description="Why; ledger, report and MLflow keep it."
        )
    },
    "retries": 0,
}


class QuestionOperator(HITLOperator):
    """Asks people, who are found when the task runs, so that a change of policies/approvers.yaml counts at once."""

    @property
    def serialized_params(self) -> dict[str, dict[str, Any]]:
        """The fields of the form, each of which has to be filled in.

        As params of the task they may be empty: Airflow looks at those before anybody was asked.
        """
        fields: dict[str, dict[str, Any]] = super().serialized_params
        return {name: {**field, "schema": {**field["schema"], "type": "string"}} for name, field in fields.items()}

    def execute(self, context: Context) -> None:
        """Say what is to be decided, and wait."""
        from augment_ops.errors import AugmentOpsError

        try:
            self.prepare(context)
        except AugmentOpsError as error:
            raise AirflowFailException(str(error)) from None
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Hand on what was answered; without a reason it is asked again, for Airflow's server takes a form as it is."""
        answer = super().execute_complete(context, event)
        if not str(answer["params_input"].get(REASON) or "").strip():
            self.log.warning("an answer without a reason does not count: it is asked again")
            self.execute(context)
        return answer

    def assign(self, what: str, people: Iterable[Person], touched: Iterable[str]) -> None:
        """Ask those of the people who have nothing to do with the run.

        Raises:
            GovernanceError: there is no such person.
        """
        from augment_ops.errors import GovernanceError
        from augment_ops.governance.approvals import others

        concerned = list(dict.fromkeys(touched))
        asked = others(people, concerned)
        if not asked:
            raise GovernanceError(
                what,
                f"only {', '.join(concerned)}, who triggered the run, touched it or caused it",
                "another person who may approve it",
                "add one to policies/approvers.yaml, or let somebody else trigger the run",
            )
        self.assigned_users = [{"id": person.id, "name": person.name} for person in asked]

    @abstractmethod
    def prepare(self, context: Context) -> None:
        """Set whom to ask (`assigned_users`) and what (`body`)."""


class AskForApproval(QuestionOperator):
    """Asks the people who hold the run's approval role, except those who started it or touched it.

    Skipped where the gate said no, or decides alone.
    """

    def prepare(self, context: Context) -> None:
        """Ask where the run asks for a person."""
        from augment_ops.governance.approvals import Approvals
        from augment_ops.pipeline.outputs import Decided
        from augment_ops.pipeline.stages.answers import why_nobody
        from augment_ops.settings import Settings

        settings = Settings.from_environment()
        stage = _stage_of(settings, context)
        decided = stage.output("decide", Decided)
        why = why_nobody(stage, decided)
        if why:
            raise AirflowSkipException(why)
        role, touched = stage.params.approval, [stage.run.actor, *touched_by(settings, context)]
        self.assign(f"approval by {role}", Approvals.load(settings.policies).people(role), touched)
        self.body = _asked(stage, decided)


def _stage_of(settings: Settings, context: Context) -> StageContext:
    from augment_ops.pipeline.context import Context as StageContext

    return StageContext.of(settings, context["dag_run"].run_id)


def _asked(stage: StageContext, decided: Decided) -> str:
    """The question, in Markdown; the same for the same decision, so that an answer belongs to it and to no other."""
    from augment_ops.content import digest_of
    from augment_ops.pipeline.outputs import Prepared
    from augment_ops.report.brief import in_markdown
    from augment_ops.shown import link, own_addresses

    prepared, ours = stage.output("prepare_report", Prepared), own_addresses(stage.settings)
    pages = {
        "Report": prepared.url,
        "Gallery of augmented samples": prepared.gallery_url,
        "Change of policy": prepared.diff_url,
        "MLflow run": stage.parent.url,
    }
    links = " · ".join(link(name, url, ours) for name, url in pages.items() if url)
    return "\n\n".join([in_markdown(prepared.brief), links, f"Decision `{digest_of(decided.decision)}`"])


class WatchOperator(BaseOperator):
    """Judges every window of production that is due, for one data set or for all that have a prediction log.

    Returns the trainings that alerts call for, and leaves the alerts of this call in the XCom `alerts`, both as plain
    values for people to see: what is started comes from ledger and store (`StartTrainings`).

    Args:
        dataset: name, or empty for all; templated.
        rules: name in policies/drift/; empty takes the file named like the data set, else `default`; templated.
        until: ISO 8601; what was due then is judged; empty is now; templated.
    """

    template_fields = ("dataset", "rules", "until")
    operator_extra_links = (DriftLink(), MlflowLink())
    ui_color = "#fef3e0"

    def __init__(self, *, dataset: str = "", rules: str = "", until: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.rules = rules
        self.until = until

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Watch; a data set that cannot be watched fails the task after the others were watched."""
        from augment_ops.errors import AugmentOpsError, InputError
        from augment_ops.monitoring.telemetry.alerts import message_of
        from augment_ops.production.monitor import moment_of, monitor, monitored_datasets
        from augment_ops.settings import Settings
        from augment_ops.shown import PARAGRAPH, markdown

        settings = Settings.from_environment()
        run = context["dag_run"]
        actor, origin = run.triggering_user_name or "schedule", ORIGIN.format(dag_run=run)
        judged, alerts, trainings, faults = [], [], [], []
        for dataset in [self.dataset] if self.dataset else monitored_datasets(settings):
            try:
                own = (settings.policies / "drift" / f"{dataset}.yaml").is_file()
                rules = self.rules or (dataset if own else "default")
                now = moment_of(self.until)
                found = monitor(settings, dataset, rules, now=now, actor=actor, origin=origin, say=self.log.info)
            except AugmentOpsError as error:
                self.log.error("%s: %s", dataset, error)
                faults.append(error)
                continue
            judged += found.judged
            pages = {one.alert: one.page for one in found.judged}
            for alert in found.alerts:
                docs = os.environ.get("AUGMENT_OPS_DOCS", "")
                message = message_of(alert.kind, dataset, alert.message, pages.get(alert.key, ""), docs)
                alerts.append(message.data | {"key": alert.key, "not_told": tell(message, found.notify)})
            trainings += found.retrain
        if judged:
            worst = max(judged, key=lambda one: (bool(one.alert), one.start))
            self.drift_link, self.mlflow_link = worst.page, worst.link
        context["ti"].xcom_push(key="alerts", value=alerts)
        passing = [fault for fault in faults if not isinstance(fault, InputError)]
        if passing:
            raise passing[0]  # a service that comes back is worth another try
        if faults:
            raise AirflowFailException("; ".join(map(str, faults)))
        return [{"trigger_run_id": t.run_id, "conf": t.params, "note": markdown(t.note, PARAGRAPH)} for t in trainings]


def _begin(settings: Settings, context: Context, warn: Callable[[str], None], shown: Callable[[str], None]) -> None:
    """Begin the run as it was asked for, unknown keys included; what an alert is to have started, only if it did."""
    from augment_ops.lifecycle.acts import AIRFLOW
    from augment_ops.pipeline.begin import begin_run
    from augment_ops.pipeline.params import given
    from augment_ops.production.causes import check_start
    from augment_ops.workspace import open_ledger

    run = context["dag_run"]
    asked = {**dict(context["params"]), **(run.conf or {})}
    values = given(asked)
    actor = run.triggering_user_name or "schedule"

    def check(params: RunParams) -> None:
        check_start(open_ledger(settings), run.run_id, run.conf or {}, actor)

    base = os.environ.get("AIRFLOW__API__BASE_URL", "").rstrip("/")
    link = f"{base}/dags/{run.dag_id}/runs/{run.run_id}" if base else ""
    begin_run(settings, run.run_id, values, actor, check=check, warn=warn, link=link, witness=AIRFLOW, shown=shown)
