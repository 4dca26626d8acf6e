"""Who asks for a run and who answers it: Kubeflow Pipelines knows neither, so each signs with their own key.

A compiled pipeline cannot ask anybody, and no record of a run there says who started it: whoever may start one may
write any name into a parameter. So both are statements in the store, beside the records of the run, that count for
their signature: the request, which names the run and what it is asked; the answer, which names the gate's decision.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.errors import ActRefused, GovernanceError, InputError
from augment_ops.governance.acts import Act, trusted_keys
from augment_ops.governance.approvals import AUTO, Approvals, check_reason, others
from augment_ops.governance.keys import verifies
from augment_ops.governance.model_approval import ModelAnswer, SignedAnswer
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided, Prepared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import BEGIN
from augment_ops.pipeline.run import entry_key, folder_name
from augment_ops.pipeline.stages.answers import about, why_nobody
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, open_store

RUN_PREFIX = "kfp-"  # of every run that begins here: no other driver's is gone on with


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run that somebody asks for.

    Attributes:
        by: who asks.
        key, signature: theirs, over run, params and who asks.
        format: version of this document.
    """

    run: str
    params: dict[str, str | int | float | bool]
    by: str
    key: str
    signature: str
    format: int = 1
    NEWEST_FORMAT: ClassVar[int] = 1

    def holds(self, run_id: str, approvals: Approvals) -> bool:
        """Whether this is what a registered key of its author signed about that run."""
        message = _said(self.run, self.params, self.by).message()
        trusted = trusted_keys(approvals, self.by)
        return self.run == run_id and self.key in trusted and verifies(self.key, self.signature, message)


def _said(run_id: str, params: Mapping[str, Any], by: str) -> Act:
    return Act(BEGIN, by, {"run": run_id, "params": digest_of(params)}, "", entry_key(run_id, BEGIN))


def request(settings: Settings, params: RunParams, key: Path | None) -> Request:
    """Sign a request of this run in the name of who acts, and leave it where the run's first task looks for it.

    Raises:
        InputError: no such environment.
        ActRefused: the environment does not allow that approval, or nobody is named.
        GovernanceError: who acts has no registered key.
    """
    workspace = Workspace(settings, settings.actor, key=key)
    workspace.identify("requesting a run")
    workspace.approvals.check_way(params.environment, params.approval)
    run_id, asked, signer = f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}", asdict(params), workspace.signer()
    signature = signer.sign(_said(run_id, asked, settings.actor).message())
    made = Request(run=run_id, params=asked, by=settings.actor, key=signer.public, signature=signature)
    workspace.store.put_document(_document(run_id, "request"), canonical_json(made))
    return made


def requested(settings: Settings, run_id: str) -> Request | None:
    """The request of a run; None where nobody has left one.

    Raises:
        GovernanceError: it is not what a registered key of its author signed, or of another run.
    """
    found = open_store(settings).get_document(_document(run_id, "request"))
    if found is None:
        return None
    made = from_json(Request, found)
    if not made.holds(run_id, Approvals.load(settings.policies)):
        raise GovernanceError(
            f"request of run {run_id}",
            f"no signature of {made.by[:80]!r} under what it says",
            "a request that was signed with a key of its author in approvers.yaml, for this run",
            "ask for a new run: augment-ops kubeflow request; find out who wrote this one",
        )
    return made


def check_requested(params: RunParams, made: Request | None) -> None:
    """Refuse a run that a person is to approve and that nobody signed for, and one that was asked for otherwise.

    Raises:
        ActRefused: nobody signed that they ask for it.
        InputError: the request says other parameters.
    """
    if made is None:
        if params.approval == AUTO:
            return
        raise ActRefused(
            "run_id",
            f"no signed request for a run with approval {params.approval}",
            "a run that somebody signed for: Kubeflow does not say who started this one, and nobody approves their own",
            "run `augment-ops kubeflow request` with these parameters, and start the pipeline with what it prints",
        )
    asked = {**asdict(RunParams()), **made.params}  # one that came later had its default
    changed = [name for name, value in asdict(params).items() if asked[name] != value]
    if changed:
        raise InputError(
            "run parameters",
            f"others than {made.by} asked for ({', '.join(changed)})",
            f"those of the request of run {made.run}",
            "start the pipeline with the parameters that `augment-ops kubeflow request` printed",
        )


def question(settings: Settings, run_id: str) -> tuple[Context, Decided, Prepared]:
    """A run that waits for a person, what there is to decide, and what they are shown.

    Raises:
        InputError: there is no such run, its gate has not decided, or nobody is asked.
    """
    ctx = Context.of(settings, run_id)
    decided = ctx.output("decide", Decided)
    why = why_nobody(ctx, decided)
    if why:
        raise InputError(f"run {run_id}", why, "a run that waits for a person", "there is nothing to do")
    return ctx, decided, ctx.output("prepare_report", Prepared)


def answer(settings: Settings, run_id: str, chosen: str, reason: str, key: Path | None) -> SignedAnswer:
    """Sign an answer in the name of who acts, and leave it where the stage `approve` is brought it from.

    Args:
        chosen: `Approve` or `Reject`.
        reason: for the ledger.

    Raises:
        InputError: as `question`, or without a reason.
        GovernanceError: who acts has no registered key, does not hold the role, or asked for the run.
    """
    check_reason(f"answer about run {run_id}", reason)
    ctx, decided, _ = question(settings, run_id)
    workspace = Workspace(settings, settings.actor, key=key)
    workspace.identify("answering for a model")
    person = workspace.approvals.may_approve(ctx.params.approval, settings.actor, ctx.run.actor)
    signer, asked = workspace.signer(), about(ctx, decided.decision, decided.version)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    signed = ModelAnswer(**asked, chosen=chosen, by=person.id, reason=reason, at=at).signed(signer)
    ctx.store.put_document(_document(run_id, "answer"), canonical_json(_Answered(signed.fields())))
    return signed


def brought(ctx: Context) -> dict[str, str]:
    """What a person answered, for the stage `approve`, which checks it; nothing where nobody is asked.

    Raises:
        ActRefused: nobody has answered yet.
    """
    decided = ctx.output("decide", Decided)
    if why_nobody(ctx, decided):
        return {}
    found = ctx.store.get_document(_document(ctx.run.id, "answer"))
    if found is not None:
        return from_json(_Answered, found).fields
    role, asked_for = ctx.params.approval, ctx.run.actor
    people = [person.id for person in others(ctx.workspace.approvals.people(role), (asked_for,))]
    raise ActRefused(
        f"run {ctx.run.id}: approval",
        "no answer yet: the gate passed the candidate, and the run waits for a person",
        f"the signed answer of {' or '.join(people) or f'a second {role}'}, not of {asked_for}, who asked for the run",
        f"augment-ops kubeflow question {ctx.run.id} shows what there is to decide, and where the report is; then "
        f"augment-ops kubeflow approve {ctx.run.id} --reason …, or reject; then retry this run in Kubeflow",
    )


@dataclass(frozen=True)
class _Answered:
    """An answer, as the store keeps it."""

    fields: dict[str, str]
    format: int = 1
    NEWEST_FORMAT: ClassVar[int] = 1


def _document(run_id: str, name: str) -> str:
    return f"runs/{folder_name(run_id)}/{name}.json"
