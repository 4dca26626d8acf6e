"""decide, approve and promote: from evidence to a moved alias, with nothing in between that is not recorded."""

from __future__ import annotations

import os
from collections.abc import Iterable

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.errors import ActRefused, StoreError
from augment_ops.gate.decision import Decision, Evidence, QualityFinding, Waiver
from augment_ops.gate.explanation import explain
from augment_ops.governance.approvals import Approvals, check_reason
from augment_ops.governance.chain import Entry
from augment_ops.governance.model_approval import APPROVE, SignedAnswer
from augment_ops.governance.rollouts import ADMIT
from augment_ops.identity import GATE
from augment_ops.lifecycle import champion as champions
from augment_ops.lifecycle import waivers
from augment_ops.lifecycle.admission import admit_policy
from augment_ops.lifecycle.rules import check_judged_by
from augment_ops.lifecycle.witnessed import believed
from augment_ops.modalities import modality
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.pipeline.cause import people_behind
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import EVIDENCE
from augment_ops.pipeline.outputs import (
    Approval,
    AugmentedCheck,
    Decided,
    Promotion,
    ResolvedPolicy,
    StressTest,
)
from augment_ops.pipeline.replay import computed_by, outcomes_of
from augment_ops.pipeline.run import entry_key
from augment_ops.pipeline.stages.answers import about, check_answer, entered_answer, why_nobody
from augment_ops.pipeline.stages.evaluation import frozen_suite, incumbent
from augment_ops.pipeline.stages.registered_model import check_registered
from augment_ops.quality.report import QualityReport
from augment_ops.shown import PARAGRAPH, markdown
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.recheck import differing_remains
from augment_ops.stress.report import StressReport
from augment_ops.stress.seen import seen_by
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training.result import TrainingResult

# What the quality reports measure of training on what is held out.
_QUALITY = ("data_quality", "augmented_quality")  # rules that the quality reports are judged by, in their order
LEAKAGE = ("exact-duplicates-between-splits", "near-duplicates-between-splits", "subject-leakage", "held-out-leakage")


def decide(ctx: Context) -> Decided:
    """Let the gate judge all evidence; register the candidate as challenger where it passes."""
    from augment_ops.gate.decide import decide as judge
    from augment_ops.gate.rules import load

    rules = load(ctx.settings.policies / "gates" / f"{ctx.params.gate}.yaml")
    champion = incumbent(ctx)
    evidence = _evidence(ctx, champion.version if champion else None)
    outcomes = outcomes_of(ctx.store, evidence)
    decision = judge(rules, evidence, outcomes)
    ctx.say(f"{decision.verdict}: {decision.summary}")
    # By these digests, which the ledger names, anybody can judge again: augment-ops gate --replay.
    for document in (rules.model_dump(mode="json"), evidence, decision):
        ctx.store.put(canonical_json(document))
    registered = None
    candidate = ctx.output("train_candidate", TrainingResult)
    if decision.verdict == "PASS":
        same = champion is not None and champion.model_digest == candidate.model_digest
        registered = champion.version if champion is not None and same else _register(ctx, decision, candidate)
    explanation = explain(decision, evidence, outcomes, rules.equivalent)
    return Decided(decision, explanation, registered, champion.version if champion else None)


def _evidence(ctx: Context, champion_version: str | None) -> Evidence:
    policy = ctx.output("resolve_policy", ResolvedPolicy)
    candidate, control = (ctx.output(f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    stress = ctx.output("stress_test", StressTest)
    suite = frozen_suite(ctx)  # as it stands in the store, not as the report's document says
    quality = (ctx.output("check_data", QualityReport), ctx.output("check_augmented", AugmentedCheck).report)
    findings = {rule: findings_of(report) for rule, report in zip(_QUALITY, quality, strict=True)}
    return Evidence(
        snapshot_digest=ctx.snapshot.manifest.digest,
        policy_digest=policy.digest,
        suite_digest=suite.digest,
        candidate_digest=candidate.model_digest,
        control_digest=control.model_digest,
        candidate_policy_digest=candidate.policy_digest,
        trained_on={result.role: result.snapshot_digest for result in (candidate, control)},
        data_quality=quality[0].status,
        augmented_quality=quality[1].status,
        leakage={c.name: c.measured for report in quality for c in report.checks if c.name in LEAKAGE},
        stress=stress.report,
        suite_fault=_fault_of(ctx, suite),
        seen=dict(seen_by(policy.policy())),
        champion_version=champion_version,
        data_wait_share=candidate.delivery.data_wait_share,
        augment_p95_ms=policy.p95_ms,
        budget_p95_ms=policy.budget_p95_ms,
        drift_status=ctx.output("check_drift", DriftReport).status,
        environment=ctx.params.environment,
        approval=ctx.params.approval,
        documents={stage: ctx.digest(stage) for stage in EVIDENCE},
        software=computed_by(),
        remains_fault=_remains_fault(ctx, suite, stress.report),
        plural=modality(ctx.snapshot.manifest.modality).plural,
        format=Evidence.NEWEST_FORMAT,
        waivers=waivers_of(ctx),
        findings={rule: found for rule, found in findings.items() if found},
    )


def waivers_of(ctx: Context, entries: Iterable[Entry] | None = None) -> tuple[Waiver, ...]:
    """The waivers that count today for this run.

    Args:
        entries: of a ledger that was verified; by default as they stand there.
    """
    gate, environment = ctx.settings.policies / "gates" / f"{ctx.params.gate}.yaml", ctx.params.environment
    started_by = (ctx.run.actor, *people_behind(ctx.ledger, ctx.run.id))
    return waivers.in_force(ctx.workspace, ctx.dataset, gate, environment, started_by, entries)


def decided_by(ctx: Context) -> object:
    """What a decision rests on outside the run: the present champion, and waivers where there are any."""
    champion, found = incumbent(ctx), waivers_of(ctx)
    version = champion.version if champion else None
    return [version, found] if found else version


def findings_of(report: QualityReport) -> tuple[QualityFinding, ...]:
    """What a quality report found amiss, as the gate is told of it."""
    return tuple(
        QualityFinding(
            name=check.name,
            status=check.status,
            measured=check.measured,
            unit=check.unit,
            limit=check.fail_at if check.status == "fail" else check.warn_at,
            message=check.message,
        )
        for check in report.checks
        if check.status != "ok"
    )


def _fault_of(ctx: Context, suite: SuiteManifest) -> str:
    """What is wrong with the suite's stored samples now, long after they were evaluated; empty where nothing is."""
    for what, digest in suite.objects():
        try:
            ctx.store.local(digest)
        except StoreError as error:
            return f"{what}: {error.faults[0].found}."
    return ""


def _remains_fault(ctx: Context, suite: SuiteManifest, report: StressReport) -> str:
    """Where the frozen samples now give other destroyed samples than the outcomes have; empty where nowhere."""
    try:
        outcomes = from_bytes(ctx.store.get(report.outcomes), report.outcomes)
        if outcomes.destroyed is None or outcomes.sample_ids != suite.sample_ids:
            return ""  # the gate itself sees that
        return differing_remains(suite, outcomes, ctx.store.get, os.cpu_count() or 1)
    except StoreError:
        return ""  # damaged: `suite_fault` says so of samples, and the gate of outcomes


def _register(ctx: Context, decision: Decision, candidate: TrainingResult) -> str:
    policy, manifest = ctx.output("resolve_policy", ResolvedPolicy), ctx.snapshot.manifest
    run = ctx.open_run(ctx.dataset, "candidate")
    validation = ctx.snapshot.split("validation")
    example = validation.take(range(min(4, len(validation))))
    # Logged in training already; asking again gives its address.
    uri = ctx.tracker.log_model(
        run,
        ctx.store.local(candidate.artifact),
        candidate.model_digest,
        example,
        manifest.classes,
        modality=manifest.modality,
        format=candidate.format,
    )
    tags = {
        **_identity(ctx),
        "augment_ops.limitations": "; ".join(policy.limitations) or "none named",
        "augment_ops.suite_digest": ctx.output("stress_test", StressTest).suite.digest,
        "augment_ops.decision_digest": digest_of(decision),
        "augment_ops.verdict": decision.verdict,
        "augment_ops.git_commit": ctx.run.git_commit,
        **_threshold(ctx.output("stress_test", StressTest).report),
    }
    return ctx.tracker.register_challenger(
        ctx.dataset, ctx.run.id, run, uri, tags, markdown(decision.summary, PARAGRAPH)
    )


def _threshold(report: StressReport) -> dict[str, str]:
    """The score from which on the candidate would raise an alert, where one was chosen: who serves it reads it here."""
    chosen = next((point.threshold for point in report.operating if point.role == "candidate"), None)
    return {} if chosen is None else {"augment_ops.threshold": repr(chosen)}


def _identity(ctx: Context) -> dict[str, str]:
    """The tags of a registered version that others rely on (`RegisteredVersion.identity`)."""
    policy, manifest = ctx.output("resolve_policy", ResolvedPolicy), ctx.snapshot.manifest
    return {
        "augment_ops.pipeline_run": ctx.run.id,
        "augment_ops.snapshot_digest": manifest.digest,
        "augment_ops.interface_digest": manifest.interface,
        "augment_ops.policy": policy.name,
        "augment_ops.policy_version": policy.version,
        "augment_ops.policy_digest": policy.digest,
    }


def approve(ctx: Context) -> Approval:
    """Record who lets the candidate through: the gate alone, or the person whose answer the driver brings.

    Raises:
        ActRefused: the environment asks for a person and none answered, or this person may not approve.
        InputError: they gave no reason.
    """
    params, decided = ctx.params, ctx.output("decide", Decided)
    Approvals.load(ctx.settings.policies).check_way(params.environment, params.approval)
    why = why_nobody(ctx, decided)
    if why:
        moves = decided.decision.verdict == "PASS" and decided.version != decided.champion_version
        alone = f"approval auto in {params.environment}" if moves else ""
        return Approval(moves, GATE, GATE, alone or why, ctx.run.started_at)
    if not ctx.external.get("by"):
        raise ActRefused(
            f"run {ctx.run.id}: approval",
            "no answer of a person",
            f"an answer of role {params.approval}",
            "trigger the run in Airflow, where the role's people are asked; or use approval auto below production",
        )
    signed = SignedAnswer.from_fields(ctx.external)
    answer, approvals = signed.answer, Approvals.load(ctx.settings.policies)
    subjects = {"decision": digest_of(decided.decision), "version": f"{ctx.dataset}/{decided.version}"}
    with ctx.refusals(subjects):  # in the name of who answered only once it is known that they did
        check_answer(ctx, signed, about(ctx, decided.decision, decided.version))
    with ctx.refusals(subjects, answer.by):
        approvals.may_approve(params.approval, answer.by, ctx.run.actor)
    check_reason(f"answer of {answer.by} about {answer.version}", answer.reason)
    approved = answer.chosen == APPROVE
    ctx.ledger.append(
        "approve" if approved else "reject",
        answer.by,
        subjects=signed.subjects(),
        reason=answer.reason,
        key=entry_key(ctx.run.id, "approve", digest_of(signed)),
    )
    return Approval(approved, answer.by, params.approval, answer.reason, answer.at)


def promote(ctx: Context) -> Promotion:
    """Make an approved candidate champion of its environment, or let it into a rollout there.

    Where the environment names rules of a rollout, a champion gives way step by step: what passed waits for it.

    Raises:
        ActRefused: the environment does not admit the policy any more, or a waiver that it was judged with has ended.
        GovernanceError: the champion is no longer the one that the candidate was compared with, or the registered
            model does not answer as the one that was judged.
    """
    decided, approval = ctx.output("decide", Decided), ctx.output("approve", Approval)
    if decided.version is not None and decided.version == decided.champion_version:
        return Promotion(True, decided.version, None, f"version {decided.version}, the same model, is champion already")
    if decided.version is None or not approval.approved:
        refused = f"{approval.by} rejected it: {approval.reason}"
        why = f"the gate said {decided.decision.verdict}" if decided.version is None else refused
        return Promotion(False, decided.version, None, f"not promoted: {why}")
    candidate, resolved = ctx.output("train_candidate", TrainingResult), ctx.output("resolve_policy", ResolvedPolicy)
    params, environment = ctx.params, ctx.params.environment
    actor = approval.by if approval.by != GATE else ctx.run.actor
    subjects = {
        "version": f"{ctx.dataset}/{decided.version}",
        "model": candidate.model_digest,
        "artifact": candidate.artifact,
        "registered": digest_of(_identity(ctx)),
        "decision": digest_of(decided.decision),
        "previous": decided.champion_version or "none",
        # Together they show an environment that was made to ask for less: in production no more than a draft.
        "environment": environment,
        "policy_state": resolved.state,
    }
    with ctx.refusals(subjects, actor):
        champions.champion(ctx.book, ctx.tracker, ctx.dataset, environment)  # what was cut off is completed
        if params.approval != "auto":  # as the ledger has it, whatever the folder says
            asked = about(ctx, decided.decision, decided.version) | {"chosen": APPROVE}
            check_answer(ctx, entered_answer(ctx), asked)
        check_judged_by(ctx.settings, params.gate, decided.decision.rules_digest)
        check_still_admitted(ctx)
        move = champions.Move(
            act="promote",
            dataset=ctx.dataset,
            environment=environment,
            version=decided.version,
            after=decided.champion_version,
            key=entry_key(ctx.run.id, "promote"),
            subjects=subjects,
            actor=actor,
            reason=approval.reason,
        )
        champions.check_version(ctx.tracker, move)
        check_registered(ctx, decided.version, decided.champion_version)
        rollout = Approvals.load(ctx.settings.policies).rollout(environment)
        if rollout is not None and decided.champion_version is not None:
            return _let_in(ctx, move, rollout)
        champions.crown(ctx.book, ctx.tracker, move)
    message = f"version {decided.version} is champion of {ctx.dataset} in {environment}"
    return Promotion(True, decided.version, decided.champion_version, message)


def check_still_admitted(ctx: Context) -> None:
    """See that what a run's candidate learnt with, and was judged with, still counts.

    Raises:
        ActRefused: the environment does not admit the policy any more (it was revoked, or its approval has expired), or
            a waiver has ended.
    """
    resolved, decided = ctx.output("resolve_policy", ResolvedPolicy), ctx.output("decide", Decided)
    admit_policy(ctx.workspace, resolved.policy(), ctx.params.environment)
    judged_with = from_json(Evidence, ctx.store.get(decided.decision.evidence_digest)).waivers
    if judged_with:
        # In every environment: an entry that was taken out or cut off may be the one that ended a waiver.
        verified = believed(ctx.ledger, ctx.tracker).entries
        waivers.check_in_force(waivers_of(ctx, verified), judged_with)


def _let_in(ctx: Context, move: champions.Move, rollout: str) -> Promotion:
    """Enter that a version may take the place of the champion step by step."""
    ctx.ledger.append(ADMIT, move.actor, move.subjects, move.reason, entry_key(ctx.run.id, ADMIT))
    start = f"augment-ops rollout start {ctx.dataset} --environment {move.environment}"
    message = f"version {move.version} passed; it waits for its rollout: {start}"
    return Promotion(False, move.version, move.after, message, rollout)
