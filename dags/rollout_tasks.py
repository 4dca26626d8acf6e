"""Airflow's side of a rollout: thin operators that start it, show its steps, ask a person and wait for its end.

As in `stage_tasks`, the project's code is imported where it runs. A service drives its rollout by itself; where none
does, the task of the step that runs does, once a minute. What came of it is read from the ledger and from nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
from retrain_tasks import ORIGIN
from second_person import answer_to, touched_by
from stage_tasks import APPROVE, QuestionOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from augment_ops.rollout.state import Rollout
    from augment_ops.workspace import Workspace

LOOKED_S = 60.0  # between two looks of a task
_LATER = timedelta(minutes=5)  # until a step is looked at that is not the next one
_FRESH = timedelta(seconds=20)  # a driver that has looked since then goes on


class StartRollout(BaseOperator):
    """Begins the rollout in the name of who triggered the run; finds it again where it was begun before."""

    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Begin, and name the steps: each has a task of its own."""
        from augment_ops.errors import REFUSALS
        from augment_ops.rollout.evidence import rules_of
        from augment_ops.rollout.starting import start
        from augment_ops.rollout.story import kind_of

        asked, workspace = context["params"], _workspace(context)
        try:
            rollout = _find(context, workspace) or start(
                workspace,
                asked["dataset"],
                reason=asked["reason"] or "",
                environment=asked["environment"],
                version=asked["version"] or "",
                rules=asked["rules"] or "",
                origin=ORIGIN.format(dag_run=context["dag_run"]),
            )
        except REFUSALS as refusal:
            raise AirflowFailException(str(refusal)) from None  # trying again would say the same
        steps = rules_of(workspace.store, rollout).steps
        self.log.info("rollout %s of version %s beside %s", rollout.id, rollout.challenger, rollout.champion)
        return [{"index": index, "name": f"{one.name}: {kind_of(one)}"} for index, one in enumerate(steps)]


class RolloutStep(BaseSensorOperator):
    """Waits until a step has passed; fails with the reason where the challenger was rolled back in it.

    Args:
        step: `index` and `name`.
    """

    template_fields = ("step",)

    def __init__(self, *, step: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step

    def poke(self, context: Context) -> bool:
        """Whether it has passed."""
        workspace, index = _workspace(context), int(self.step["index"])
        rollout = _rollout(context, workspace)
        if index == rollout.step:
            rollout = _driven(workspace, rollout, self.log.info)
        if not rollout.outcome and index > rollout.step + 1:
            raise AirflowRescheduleException(datetime.now(UTC) + _LATER)
        return _has_passed(rollout, index)


class UntilAsked(BaseSensorOperator):
    """Waits until the rollout asks for a person; skips what follows where it asks for none."""

    def poke(self, context: Context) -> bool:
        """Whether it asks."""
        from augment_ops.rollout.acts import Approvers

        workspace = _workspace(context)
        rollout = _rollout(context, workspace)
        if rollout.asked and not rollout.outcome:
            return True
        if not Approvers.of(workspace, rollout.environment).demanded:
            raise AirflowSkipException(f"{rollout.environment} asks for nobody")
        if rollout.outcome or rollout.decided or rollout.approvals:
            raise AirflowSkipException(rollout.why or "somebody has let it go on already")
        return False


class AskAboutRollout(QuestionOperator):
    """Asks the people who may approve models in the environment, except who began the rollout or touched the run."""

    def prepare(self, context: Context) -> None:
        """Ask with what is known of its conditions."""
        from augment_ops.rollout.acts import Approvers

        workspace = _workspace(context)
        rollout = _rollout(context, workspace)
        roles = Approvers.of(workspace, rollout.environment).roles
        people = {person.id: person for role in roles for person in workspace.approvals.people(role)}
        self.body = _question(workspace, rollout)
        touched = [rollout.by, *touched_by(workspace.settings, context)]
        self.assign(f"approval of rollout {rollout.id}", people.values(), touched)


class RecordRolloutAnswer(BaseOperator):
    """Enters what the person answered, signed by this Airflow: it goes on, or it ends and the champion stays."""

    ui_color = "#e8f0fe"

    def execute(self, context: Context) -> dict[str, str]:
        """Approve or abort in the name of who answered."""
        from augment_ops.errors import GovernanceError, InputError
        from augment_ops.rollout.acts import abort, approve

        workspace = _workspace(context)
        rollout = _rollout(context, workspace)
        try:
            answer = answer_to(workspace.settings, context, "ask", _question(workspace, rollout))
            own, act = _workspace(context, answer["by"]), approve if answer["chosen"] == APPROVE else abort
            act(own, rollout.dataset, reason=answer["reason"], environment=rollout.environment)
        except (GovernanceError, InputError) as refusal:
            raise AirflowFailException(str(refusal)) from None
        self.log.info("rollout %s: %s, by %s", rollout.id, answer["chosen"], answer["by"])
        return {"chosen": answer["chosen"], "by": answer["by"]}


class RolloutEnd(BaseSensorOperator):
    """Waits until the rollout has ended: green where the challenger is champion, or was only to be compared."""

    def poke(self, context: Context) -> bool:
        """Whether it has ended."""
        workspace = _workspace(context)
        rollout = _driven(workspace, _rollout(context, workspace), self.log.info)
        if not rollout.outcome:
            return False
        self.log.info("%s: %s", rollout.outcome, rollout.why)
        if rollout.outcome == "rolled_back":
            self._show(workspace, rollout)
            raise AirflowFailException(rollout.why)
        if rollout.outcome not in ("promoted", "compared"):
            raise AirflowSkipException(f"{rollout.outcome}: {rollout.why}")
        return True

    def _show(self, workspace: Workspace, rollout: Rollout) -> None:
        """Show in MLflow what the ledger says; where no service does and MLflow is away, it stays in the ledger."""
        from augment_ops.errors import AugmentOpsError
        from augment_ops.rollout.showing import show_quarantines

        try:
            show_quarantines(workspace, rollout.dataset, rollout.environment)
        except AugmentOpsError as error:
            self.log.warning("MLflow does not show the quarantine: %s", error)


def _has_passed(rollout: Rollout, index: int) -> bool:
    """Whether a step has passed, of a rollout in it or beyond it."""
    if index < rollout.step or (rollout.outcome in ("promoted", "compared") and index == rollout.step):
        return True
    if not rollout.outcome:
        return False
    if rollout.outcome == "rolled_back" and index == rollout.step:
        raise AirflowFailException(rollout.why)
    raise AirflowSkipException(f"{rollout.outcome}: {rollout.why}")


def _driven(workspace: Workspace, rollout: Rollout, say: Callable[[str], None]) -> Rollout:
    """The rollout, taken on where no driver has looked for a while."""
    from augment_ops.errors import StoreError
    from augment_ops.rollout.drive import Driver
    from augment_ops.rollout.ending import again
    from augment_ops.rollout.evidence import progress

    try:
        seen = progress(workspace.store, rollout)
    except StoreError:
        seen = None
    # By whichever clock: one that is ahead would keep its driver alive here for as long.
    if seen is not None and abs(datetime.now(UTC) - datetime.fromisoformat(seen.at)) < _FRESH and not rollout.outcome:
        return rollout
    Driver(workspace, rollout.dataset, rollout.environment, say, whole=True).tick()
    return again(_book(workspace), rollout)


def _question(workspace: Workspace, rollout: Rollout) -> str:
    """What is asked, in Markdown: the same as long as it is about the same."""
    from augment_ops.rollout.evidence import evidence_in
    from augment_ops.shown import PARAGRAPH, markdown

    seen = evidence_in(workspace.store, rollout.asked)
    lines = [
        f"Version {rollout.challenger} of {markdown(rollout.dataset)} beside champion version {rollout.champion} in "
        f"{markdown(rollout.environment)}: rollout {rollout.id}, begun by {markdown(rollout.by)}.",
        *(markdown(reason, PARAGRAPH) for reason in seen.judgement.reasons),
        f"Evidence `{rollout.asked}`",
    ]
    return "\n\n".join(lines)


def _rollout(context: Context, workspace: Workspace) -> Rollout:
    """The rollout that this run began.

    Raises:
        AirflowFailException: it began none.
    """
    found = _find(context, workspace)
    if found is None:
        raise AirflowFailException("the ledger has no rollout that this run began: clear the task `start`")
    return found


def _find(context: Context, workspace: Workspace) -> Rollout | None:
    from augment_ops.rollout.state import entries_of, rollouts

    origin, dataset = ORIGIN.format(dag_run=context["dag_run"]), context["params"]["dataset"]
    every = rollouts(entries_of(_book(workspace), dataset), dataset)
    return next((one for one in every if one.acts[0].subjects.get("origin") == origin), None)


def _book(workspace: Workspace) -> Any:
    from augment_ops.lifecycle.book import book_of

    return book_of(workspace)


def _workspace(context: Context, actor: str = "") -> Workspace:
    from augment_ops.lifecycle.acts import AIRFLOW
    from augment_ops.settings import Settings
    from augment_ops.workspace import Workspace

    # What people do here is signed by this Airflow, which has seen them log in.
    return Workspace(
        Settings.from_environment(), actor or context["dag_run"].triggering_user_name or "schedule", AIRFLOW
    )
