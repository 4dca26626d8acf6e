"""Airflow's side of approving a policy: thin operators that call `augment_ops.pipeline`.

As in `stage_tasks`, the project's code is imported where it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowFailException
from second_person import answer_to, touched_by
from stage_tasks import APPROVE, QuestionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from augment_ops.governance.approvals import Person
    from augment_ops.workspace import Workspace


class EvidenceLink(BaseOperatorLink):
    """Button on a task: gallery and costs in MLflow."""

    name = "Gallery and costs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """What the task found out while it ran; empty before that."""
        return getattr(operator, "evidence_link", "")


class ProposePolicy(BaseOperator):
    """Puts the version that stands in the policy's file before its approvers, in the name of who triggered the run.

    Refused before anything is measured or published where nobody could be asked whose answer counts.
    """

    operator_extra_links = (EvidenceLink(),)
    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> dict[str, Any]:
        """Measure, render, publish; or find the version proposed already."""
        from augment_ops.errors import GovernanceError, InputError
        from augment_ops.lifecycle.acts import check_askable, propose

        asked, workspace = context["params"], _workspace(context)
        try:
            check_askable(workspace, asked["policy"], asked["environment"], asked["days"])
            done = propose(workspace, asked["policy"], asked["dataset"])
        except (GovernanceError, InputError) as refusal:
            raise AirflowFailException(str(refusal)) from None  # trying again would say the same
        self.evidence_link = done.link
        return {"policy_version": done.policy_version, "digest": done.digest, "link": done.link}


class AskAboutPolicy(QuestionOperator):
    """Asks the people whose approval counts in the environment, except who proposed it or touched the run."""

    def prepare(self, context: Context) -> None:
        """Ask with the costs, the limitations and the gallery."""
        workspace = _workspace(context)
        people, self.body = _asked(context, workspace)
        self.assign(f"approval of {context['params']['policy']}", people, touched_by(workspace.settings, context))


def _asked(context: Context, workspace: Workspace) -> tuple[tuple[Person, ...], str]:
    """Who may answer, and the question in Markdown: the same as long as it is about the same."""
    from augment_ops.lifecycle.acts import POLICIES, question
    from augment_ops.policy.library import admit
    from augment_ops.shown import link, own_addresses
    from augment_ops.workspace import version_of

    asked = context["params"]
    put = question(workspace, asked["policy"], asked["environment"], asked["days"])
    version = version_of(admit(workspace.settings.policies, asked["policy"]))
    address = workspace.tracker.open_run(POLICIES, f"policy:{version}").url
    evidence = link("Gallery and costs in MLflow", address, own_addresses(workspace.settings))
    return put.people, "\n\n".join([*put.lines, evidence])


class RecordAnswer(BaseOperator):
    """Enters what the person answered; an approval is signed by this Airflow, which has checked who they are."""

    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> dict[str, str]:
        """Approve or reject in the name of who answered."""
        from augment_ops.errors import GovernanceError, InputError

        try:
            workspace = _workspace(context)
            answer = answer_to(workspace.settings, context, "ask", _asked(context, workspace)[1])
            _record(context, answer)
        except (GovernanceError, InputError) as refusal:
            raise AirflowFailException(str(refusal)) from None
        chosen, by = answer["chosen"], answer["by"]
        self.log.info("%s: %s, by %s", context["params"]["policy"], chosen, by)
        return {"chosen": chosen, "by": by}


def _record(context: Context, answer: dict[str, str]) -> None:
    from augment_ops.governance.keys import ensure, witness_path
    from augment_ops.lifecycle.acts import AIRFLOW, approve, reject

    asked, workspace = context["params"], _workspace(context, answer["by"])
    reason = answer["reason"]
    if answer["chosen"] != APPROVE:
        reject(workspace, asked["policy"], asked["environment"], reason)
        return
    key = ensure(witness_path(workspace.settings.keys))
    approve(
        workspace,
        asked["policy"],
        asked["environment"],
        reason=reason,
        days=asked["days"],
        key=key,
        witness=AIRFLOW,
        not_by=tuple(filter(None, answer["not_by"].split(","))),
    )


def _workspace(context: Context, actor: str = "") -> Workspace:
    from augment_ops.lifecycle.acts import AIRFLOW
    from augment_ops.settings import Settings
    from augment_ops.workspace import Workspace

    # What people do here is signed by this Airflow, which has seen them log in.
    return Workspace(
        Settings.from_environment(), actor or context["dag_run"].triggering_user_name or "schedule", AIRFLOW
    )
