"""What the approver is told of a run, gathered from its stages, its champion and the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from augment_ops.content import from_json
from augment_ops.errors import PolicyError, StoreError
from augment_ops.gate.compared import SideBySide, compared
from augment_ops.gate.decision import Decision, Evidence, Reason
from augment_ops.gate.grouping import grouped
from augment_ops.gate.rules import GateRules
from augment_ops.names import alert_named
from augment_ops.pipeline.cause import alert_behind
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided, ResolvedPolicy
from augment_ops.pipeline.replay import outcomes_of
from augment_ops.pipeline.run import record_of
from augment_ops.pipeline.stages.evaluation import incumbent
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.diff import compare
from augment_ops.policy.spec import Policy
from augment_ops.report.brief import Brief
from augment_ops.tracking import RegisteredVersion


def brief_of(ctx: Context) -> Brief:
    """The brief of a run whose gate has decided."""
    decided, resolved = ctx.output("decide", Decided), ctx.output("resolve_policy", ResolvedPolicy)
    champion, decision = incumbent(ctx), decided.decision
    state = f"{resolved.state} by {', '.join(resolved.approved_by)}" if resolved.approved_by else resolved.state
    return Brief(
        dataset=ctx.dataset,
        version=decided.version or "",
        champion=decided.champion_version or "",
        verdict=decision.verdict,
        summary=decision.summary,
        policy=f"{resolved.name} {resolved.version}, {state}",
        policy_before="" if champion is None else _named(champion),
        policy_changes=() if champion is None else _changes(ctx, champion, resolved.policy()),
        environment=ctx.params.environment,
        started_by=ctx.run.actor,
        because=_because(ctx, resolved.policy()),
        compared=_compared(ctx, decision),
        warnings=(*warnings_of(decision.reasons), *resolved.warnings),
    )


def warnings_of(reasons: Iterable[Reason]) -> list[str]:
    """What the gate warns of and lets through; reasons of one kind are one line."""
    return [f"{one.rule}: {one.message}" for one in grouped(one for one in reasons if one.outcome == "warn")]


def _named(champion: RegisteredVersion) -> str:
    return " ".join(champion.tags.get(f"augment_ops.{name}", "") for name in ("policy", "policy_version")).strip()


def _changes(ctx: Context, champion: RegisteredVersion, policy: Policy) -> tuple[str, ...] | None:
    """What differs from the champion's policy; None where its text is not kept here."""
    digest = champion.tags.get("augment_ops.policy_digest", "")
    if digest == policy.digest:
        return ()
    before = _resolved_by(ctx, champion.tags.get("augment_ops.pipeline_run", ""))
    if before is None or before.digest != digest:
        return None
    found = compare(before, policy, load_limits(ctx.settings.policies, policy.domain))
    return tuple(line for line in found.lines() if not line.startswith("digest "))


def _resolved_by(ctx: Context, run_id: str) -> Policy | None:
    """The policy that another run resolved, as its record names it: its digest says whether it is the one."""
    record = record_of(ctx.store, run_id, "resolve_policy")
    with suppress(StoreError, PolicyError):  # gone since, or of transforms that this program does not know
        return None if record is None else from_json(ResolvedPolicy, ctx.store.get(record.output)).policy()
    return None


def _because(ctx: Context, policy: Policy) -> str:
    """What started the run, where it was no person's own idea."""
    cause = alert_behind(ctx.ledger, ctx.run.id)
    if cause is not None:
        return f"{alert_named(cause.kind, cause.entry)} found: {cause.found}"
    found = policy.discovered_by
    return "" if found is None else f"a search found the policy: {found.method}, MLflow run {found.mlflow_run}"


def _compared(ctx: Context, decision: Decision) -> SideBySide | None:
    evidence = from_json(Evidence, ctx.store.get(decision.evidence_digest))
    rules = GateRules.model_validate_json(ctx.store.get(decision.rules_digest))
    return compared(rules, evidence, outcomes_of(ctx.store, evidence), decision.evidence_digest)
