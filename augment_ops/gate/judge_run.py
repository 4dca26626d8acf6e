"""The rules that read the rest of the run: quality, leakage, approval, training's waiting, the policy's cost, drift."""

from __future__ import annotations

import math

from augment_ops.gate.decision import Evidence, Outcome, QualityFinding, Reason
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE
from augment_ops.quantities import milliseconds

_QUALITY: dict[str, Outcome] = {"ok": "pass", "warn": "warn", "fail": "fail"}


def quality(evidence: Evidence) -> list[Reason]:
    """Both quality reports must be there and must not have failed; no rule can change that."""
    data, augmented = evidence.data_quality, evidence.augmented_quality
    return [
        *_causes("data_quality", "snapshot", evidence, data),
        _quality("data_quality", "snapshot", "check_data", data),
        *_causes("augmented_quality", "augmented samples", evidence, augmented),
        _quality("augmented_quality", "augmented samples", "check_augmented", augmented),
    ]


def _causes(rule: str, subject: str, evidence: Evidence, status: str | None) -> list[Reason]:
    """What a report has failed by, or warns of: where it is judged at all, its causes stand beside it."""
    findings = evidence.findings if isinstance(evidence.findings, dict) else {}  # else the evidence was found faulty
    found = [one for one in findings.get(rule, ()) if one.status == status]
    return [_cause(rule, subject, evidence, one) for one in found if one.status in ("warn", "fail")]


def _cause(rule: str, subject: str, evidence: Evidence, found: QualityFinding) -> Reason:
    share = evidence.share
    name, is_share = found.name.replace("-", " "), found.unit == "share" and math.isfinite(found.measured)
    unit = "times" if found.unit == "ratio" else found.unit
    measured = f"{share(found.measured)} {name}" if is_share else f"{name} {found.measured:.4g} {unit}"
    limit = "" if found.limit is None else f" (limit {share(found.limit) if is_share else f'{found.limit:.4g}'})"
    return Reason(
        rule=rule,
        outcome=_QUALITY[found.status],
        message=f"{subject}: {measured}{limit}: {found.message.rstrip('.')}.",
        measured=found.measured if is_share else None,
        threshold=found.limit if is_share else None,
    )


def _quality(rule: str, subject: str, stage: str, status: str | None) -> Reason:
    outcome = _QUALITY.get(status) if isinstance(status, str) else None
    if outcome is None:
        found = "missing" if status is None else f"of unknown status {status!r:.40}"
        return Reason(
            rule=rule, outcome="error", message=f"The quality report of the {subject} is {found}; run {stage} again."
        )
    verb = {"pass": "is in order", "warn": "has warnings", "fail": "has failed"}[outcome]
    return Reason(rule=rule, outcome=outcome, message=f"The quality report of the {subject} {verb} ({stage}).")


def leakage(rules: GateRules, evidence: Evidence) -> list[Reason]:
    """Held-out samples, or their subjects, that training has seen."""
    rule, found = rules.leakage, evidence.leakage
    if rule is None:
        return [
            Reason(
                rule="leakage",
                outcome="not-set",
                message="No rule is set: leakage between splits is left to the quality reports.",
            )
        ]
    if not found:
        return [
            Reason(
                rule="leakage", outcome="error", message="No quality report has measured leakage; run check_data again."
            )
        ]
    odd = [name for name, value in found.items() if not (math.isfinite(value) and value >= 0)]
    if odd:
        return [
            Reason(
                rule="leakage",
                outcome="error",
                message=f"{odd[0]} is {found[odd[0]]!r:.40}; a share or a count is needed.",
            )
        ]
    name, worst = max(found.items(), key=lambda item: item[1])
    outcome: Outcome = "fail" if worst > rule.max_measured + TOLERANCE else "pass"
    told, most = (
        f"{one:.4g}" if evidence.format == 1 else _leaked(evidence, one) for one in (worst, rule.max_measured)
    )
    message = f"Most leakage between splits is found by {name}: {told} (at most {most})."
    return [Reason(rule="leakage", outcome=outcome, message=message, measured=worst, threshold=rule.max_measured)]


def _leaked(evidence: Evidence, value: float) -> str:
    """A share of the samples; a check that counts, of subjects, finds whole ones."""
    return evidence.share(value) if value < 1 else f"{value:.4g}"


def approvals(rules: GateRules, evidence: Evidence) -> list[Reason]:
    """A model for some environments needs a person behind the gate."""
    rule, environment, approval = rules.approvals, evidence.environment, evidence.approval
    if rule is None:
        return [
            Reason(
                rule="approvals",
                outcome="not-set",
                message="No rule is set: who must approve is left to the environment's policy.",
            )
        ]
    if not environment or not approval:
        message = f"The run is for environment {_shown(environment)} with approval {_shown(approval)}; both are needed."
        return [Reason(rule="approvals", outcome="error", message=message)]
    asked = f"approval {approval} for {environment}"
    if environment not in rule.environments:
        return [Reason(rule="approvals", outcome="pass", message=f"{asked}: the gate asks for no person there.")]
    if approval not in rule.roles:
        return [
            Reason(
                rule="approvals",
                outcome="fail",
                message=f"{asked}: the gate asks for a person who is {' or '.join(rule.roles)}.",
            )
        ]
    return [Reason(rule="approvals", outcome="pass", message=f"{asked}: a person will be asked.")]


def data_wait(rules: GateRules, evidence: Evidence) -> list[Reason]:
    """Share of the candidate's training spent waiting for batches."""
    share = evidence.share
    rule, value = rules.data_wait, evidence.data_wait_share
    if rule is None:
        return [Reason(rule="data_wait", outcome="not-set", message="No rule is set: waiting for data is not judged.")]
    if value is None or not 0 <= value <= 1:
        return [
            Reason(
                rule="data_wait",
                outcome="error",
                message=f"The data-wait share is {_shown(value)}; a share from 0 to 1 is needed.",
            )
        ]
    outcome, limit = _against(value, rule.warn_share, rule.block_share)
    message = f"The training waited for data during {share(value)} of its time (limit {share(limit)})."
    return [Reason(rule="data_wait", outcome=outcome, message=message, measured=value, threshold=limit)]


def budget(rules: GateRules, evidence: Evidence) -> list[Reason]:
    """Measured cost of the policy over its own budget."""
    rule, p95, allowed = rules.budget, evidence.augment_p95_ms, evidence.budget_p95_ms
    if rule is None:
        return [Reason(rule="budget", outcome="not-set", message="No rule is set: the policy's cost is not judged.")]
    if p95 is None or not (math.isfinite(p95) and p95 >= 0):
        return [
            Reason(
                rule="budget",
                outcome="error",
                message=f"The policy's p95 is {_shown(p95)}; a time in milliseconds is needed.",
            )
        ]
    if allowed is None or not (math.isfinite(allowed) and allowed > 0):
        return [
            Reason(
                rule="budget",
                outcome="error",
                message=f"The policy's budget is {_shown(allowed)}; a time above 0 is needed.",
            )
        ]
    ratio = p95 / allowed
    if not math.isfinite(ratio):  # a budget so small that the quotient overflows
        return [
            Reason(
                rule="budget", outcome="error", message=f"p95 {p95} ms over a budget of {allowed} ms is not a number."
            )
        ]
    outcome, limit = _against(ratio, rule.warn_ratio, rule.block_ratio)
    # Of format 1 as it was worded: a decision is made again to the byte.
    taken, budgeted = (f"{one:.3g} ms" if evidence.format == 1 else milliseconds(one) for one in (p95, allowed))
    message = f"The policy takes {taken} a sample at p95, {ratio:.2f} times its budget of {budgeted}."
    return [Reason(rule="budget", outcome=outcome, message=message, measured=ratio, threshold=limit)]


def drift(rules: GateRules, evidence: Evidence) -> list[Reason]:
    """What the comparison with the production window found."""
    rule, status = rules.drift, evidence.drift_status
    if rule is None:
        return [Reason(rule="drift", outcome="not-set", message="No rule is set: drift does not count.")]
    answers: dict[str, tuple[Outcome, str]] = {
        "ok": ("pass", "The production window looks like the snapshot."),
        "warn": ("warn", "The production window begins to differ from the snapshot."),
        "drift": (rule.on_drift, "The production window has drifted from the snapshot."),
        "insufficient": ("warn", "The production window has too few samples to tell drift."),
        "no-window": ("not-set", "There is no production window yet: drift was not looked at."),
    }
    if not isinstance(status, str) or status not in answers:
        found = "missing" if status is None else f"of unknown status {status!r:.40}"
        return [Reason(rule="drift", outcome="error", message=f"The drift report is {found}; run check_drift again.")]
    outcome, message = answers[status]
    return [Reason(rule="drift", outcome=outcome, message=message)]


def _against(value: float, warn_at: float, block_at: float | None) -> tuple[Outcome, float]:
    if block_at is not None and value >= block_at - TOLERANCE:
        return "fail", block_at
    if value >= warn_at - TOLERANCE:
        return "warn", warn_at
    return "pass", warn_at


def _shown(value: object) -> str:
    return "missing" if value is None else f"{value!r:.40}"
