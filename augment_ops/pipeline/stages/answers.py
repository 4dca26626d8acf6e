"""A person's answer about a model: signed where it was given, checked where it counts."""

from __future__ import annotations

from datetime import UTC, datetime

from augment_ops.content import digest_of
from augment_ops.errors import GovernanceError
from augment_ops.gate.decision import Decision
from augment_ops.governance.approvals import AUTO, Approvals
from augment_ops.governance.keys import ensure, load, witness_path
from augment_ops.governance.model_approval import ModelAnswer, SignedAnswer
from augment_ops.lifecycle.acts import AIRFLOW
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided

_ACTS = {"approve": "Approve", "reject": "Reject"}


def why_nobody(ctx: Context, decided: Decided) -> str:
    """Why no person is asked about a run; empty where one is."""
    if decided.decision.verdict != "PASS":
        return f"the gate said {decided.decision.verdict}: there is nothing to approve"
    if decided.version == decided.champion_version:
        return f"version {decided.version}, the same model, is champion already: an answer would change nothing"
    if ctx.params.approval == AUTO:
        return f"approval auto in {ctx.params.environment}: the gate decides alone"
    return ""


def witnessed(
    ctx: Context, decision: Decision, version: str | None, *, chosen: str, by: str, reason: str, at: str
) -> dict[str, str]:
    """What the stage `approve` is given: an answer, signed by this installation, which has seen it given.

    To be called only by whoever has read the answer from the service that knows who is logged in there.

    Args:
        version: registered number of the candidate.
        by: user name; at: ISO 8601 with a zone.
    """
    asked = about(ctx, decision, version)
    answer = ModelAnswer(**asked, chosen=chosen, by=by, reason=reason, at=at, witness=AIRFLOW)
    return answer.signed(ensure(witness_path(ctx.settings.keys))).fields()


def about(ctx: Context, decision: Decision, version: str | None) -> dict[str, str]:
    """What an answer has to be about: the fields that the run decides."""
    params = ctx.params
    return {
        "run": ctx.run.id,
        "decision": digest_of(decision),
        "version": f"{ctx.dataset}/{version}",
        "environment": params.environment,
        "role": params.approval,
    }


def check_answer(ctx: Context, signed: SignedAnswer, asked: dict[str, str]) -> None:
    """See that this person gave this answer to this question.

    Where the environment is protected, approvers.yaml has to name the key of who signed. Elsewhere the
    word of this installation's own Airflow counts without, so that trying things out needs no set-up.

    Raises:
        GovernanceError: they did not, as far as anybody can tell.
    """
    approvals = Approvals.load(ctx.settings.policies)
    path, local = witness_path(ctx.settings.keys), None
    if not approvals.is_protected(ctx.params.environment) and path.is_file():
        local = load(path).public
    signed.check(asked, approvals, local, datetime.now(UTC))


def entered_answer(ctx: Context) -> SignedAnswer:
    """The newest answer that the ledger has for this run.

    Raises:
        GovernanceError: it has none.
    """
    entry = next((e for e in reversed(ctx.provenance.entries) if e.act in _ACTS), None)
    if entry is None:
        raise GovernanceError(
            f"run {ctx.run.id}: approval",
            "no entry of a person's answer",
            "the answer, as the ledger has it",
            "run the stage approve again",
        )
    said = {**entry.subjects, "by": entry.actor, "reason": entry.reason, "chosen": _ACTS[entry.act]}
    return SignedAnswer.from_fields(said)
