"""Airflow's side of approving a policy: thin operators that call `augment_ops.pipeline`.

As in `stage_tasks`, the project's code is imported where it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowFailException
from stage_tasks import QuestionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

APPROVE, REJECT = "Approve", "Reject"


class EvidenceLink(BaseOperatorLink):
    """Button on a task: gallery and costs in MLflow."""

    name = "Gallery and costs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty before that."""
        return getattr(operator, "evidence_link", "")


class ProposePolicy(BaseOperator):
    """Puts the version that stands in the policy's file before its approvers, in the name of who triggered the run."""

    operator_extra_links = (EvidenceLink(),)
    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> dict[str, Any]:
        """Measure, render, publish; or find the version proposed already."""
        from augment_ops.errors import GovernanceError, InputError
        from augment_ops.pipeline.policy_acts import propose

        asked = context["params"]
        try:
            done = propose(_office(context), asked["policy"], asked["dataset"])
        except (GovernanceError, InputError) as refusal:
            raise AirflowFailException(str(refusal)) from None  # trying again would say the same
        self.evidence_link = done.link
        return {"policy_version": done.policy_version, "digest": done.digest, "link": done.link}


class AskAboutPolicy(QuestionOperator):
    """Asks the people whose approval counts in the environment, except who proposed it or triggered the run."""

    def prepare(self, context: Context) -> None:
        """Ask with the costs, the limitations and the gallery."""
        from augment_ops.pipeline.policy_acts import question

        office, asked = _office(context), context["params"]
        put = question(office, asked["policy"], asked["environment"], asked["days"])
        self.assigned_users = [{"id": person.id, "name": person.name} for person in put.people]
        link = context["ti"].xcom_pull(task_ids="propose")["link"]
        self.body = "\n\n".join([*put.lines, f"[Gallery and costs in MLflow]({link})"])


class RecordAnswer(BaseOperator):
    """Enters what the person answered; an approval is signed by this Airflow, which has checked who they are."""

    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> dict[str, str]:
        """Approve or reject in the name of who answered."""
        from augment_ops.errors import GovernanceError, InputError

        answer = context["ti"].xcom_pull(task_ids="ask")
        person = answer.get("responded_by_user") or {}
        by = str(person.get("id") or person.get("name") or "")
        reason = str((answer.get("params_input") or {}).get("reason") or "answered in the Airflow UI")
        chosen = answer["chosen_options"][0]
        try:
            _record(context, by, chosen, reason)
        except (GovernanceError, InputError) as refusal:
            raise AirflowFailException(str(refusal)) from None
        self.log.info("%s: %s, by %s", context["params"]["policy"], chosen, by)
        return {"chosen": chosen, "by": by}


def _record(context: Context, by: str, chosen: str, reason: str) -> None:
    from augment_ops.governance.keys import ensure, witness_path
    from augment_ops.pipeline.policy_acts import AIRFLOW, approve, reject

    asked, triggered_by = context["params"], context["dag_run"].triggering_user_name
    office = _office(context, by)
    if chosen != APPROVE:
        reject(office, asked["policy"], asked["environment"], reason)
        return
    key = ensure(witness_path(office.settings.home))
    approve(
        office, asked["policy"], asked["environment"], reason=reason, days=asked["days"], key=key, witness=AIRFLOW,
        not_by=(triggered_by,) if triggered_by else (),
    )  # fmt: skip


def _office(context: Context, actor: str = "") -> Any:
    from augment_ops.pipeline.office import Office
    from augment_ops.pipeline.policy_acts import AIRFLOW
    from augment_ops.settings import Settings

    # What people do here is signed by this Airflow, which has seen them log in.
    return Office(Settings.from_environment(), actor or context["dag_run"].triggering_user_name or "schedule", AIRFLOW)
