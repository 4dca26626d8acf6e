"""Evidence and rules to a decision. Pure: the same input gives the same decision, byte for byte.

It fails closed: `PASS` needs every judgement that the rules ask for, made on evidence that was found sound. Only then,
and only where no reason says otherwise, may a candidate be promoted.
"""

from __future__ import annotations

from pydantic import ValidationError

from augment_ops.content import digest_of
from augment_ops.gate import (
    judge_average_precision,
    judge_comparisons,
    judge_fitness,
    judge_groups,
    judge_out_of_scope,
    judge_run,
    judge_stress,
    judge_tail,
)
from augment_ops.gate.decision import Decision, Evidence, Outcome, Reason, Verdict, Waiver
from augment_ops.gate.evidence import Cells, examine
from augment_ops.gate.explain import summarize
from augment_ops.gate.phrasing import listed
from augment_ops.gate.rules import GateRules

# Worst first; a report shows reasons in this order. What was not judged comes before what passed.
_RANK: dict[Outcome, int] = {"error": 0, "fail": 1, "investigate": 2, "warn": 3, "not-set": 4, "pass": 5}
# The rules that a gate may leave out: each says something, if only that it is not set.
_SECTIONS = (
    "champion", "control", "unseen", "groups", "calibration", "leakage", "approvals", "data_wait", "budget", "drift",
)  # fmt: skip
# Rules that came later say nothing where they are not set, so that a decision of before is made again to the byte.
_LATER_SECTIONS = ("fitness", "average_precision", "tail", "out_of_scope")
_PRECEDENCE: tuple[tuple[Outcome, Verdict], ...] = (
    ("error", "ERROR"),
    ("fail", "FAIL"),
    ("investigate", "INVESTIGATE"),
)


def decide(rules: GateRules, evidence: Evidence | None, outcomes: bytes | None) -> Decision:
    """Judge a candidate.

    Args:
        rules: the gate.
        evidence: all that may be looked at; None, and parts that are None, never pass.
        outcomes: the object that the stress report names, from which its numbers are computed again.
    """
    key = digest_of(evidence)
    faults = _rules_faults(rules)
    reasons = faults or _reasons(rules, evidence, outcomes, key)
    reasons.sort(key=lambda reason: _RANK[reason.outcome])
    verdict = _verdict(reasons)
    gate = f"{getattr(rules, 'name', '(unnamed)')} {getattr(rules, 'version', '(no version)')}"
    gate += "" if faults else _alike(rules)
    return Decision(
        verdict=verdict,
        gate=gate,
        rules_digest=rules.digest,
        evidence_digest=key,
        reasons=tuple(reasons),
        summary=summarize(
            verdict,
            gate,
            reasons,
            getattr(rules, "measure", "accuracy"),
            together=evidence is not None and evidence.format != 1,
        ),
    )


def _reasons(rules: GateRules, evidence: Evidence | None, outcomes: bytes | None, key: str) -> list[Reason]:
    if evidence is None:
        return [
            Reason(
                rule="evidence", outcome="error", message="There is no evidence at all; run the stages before decide."
            )
        ]
    reasons, cells = examine(rules, evidence, outcomes, key)
    if cells is not None:
        reasons += judge_fitness.fitness(rules, cells)
        reasons += judge_stress.invariance(rules, cells)
        reasons += _unjudged_severities(rules, cells)
        reasons += judge_stress.class_recall(rules, cells, _stated(evidence))
        reasons += judge_comparisons.champion(rules, evidence, cells)
        reasons += judge_comparisons.control(rules, evidence, cells)
        reasons += judge_comparisons.unseen(rules, evidence, cells)
        reasons += judge_tail.tail(rules, evidence, cells)
        reasons += judge_out_of_scope.out_of_scope(rules, evidence, cells)
        reasons += judge_average_precision.average_precision(rules, evidence, cells)
        reasons += judge_average_precision.operating(rules, cells)
        reasons += judge_groups.groups(rules, evidence, cells)
        reasons += judge_groups.calibration(rules, evidence, cells)
    reasons += judge_run.quality(evidence)
    reasons += judge_run.leakage(rules, evidence)
    reasons += judge_run.approvals(rules, evidence)
    reasons += judge_run.data_wait(rules, evidence)
    reasons += judge_run.budget(rules, evidence)
    reasons += judge_run.drift(rules, evidence)
    return reasons + _missing_judgements(rules, cells, reasons)


def _alike(rules: GateRules) -> str:
    """Said wherever the gate is named: its numbers are then about fewer classes than the data set has."""
    found = tuple(" = ".join(group) for group in rules.equivalent)
    return f" ({listed(found)} judged as one)" if found else ""


def _stated(evidence: Evidence) -> tuple[Waiver, ...]:
    """The waivers, where they are any; that they are not is an error of the evidence by then."""
    waivers: object = evidence.waivers
    return tuple(one for one in waivers if isinstance(one, Waiver)) if isinstance(waivers, tuple) else ()


def _rules_faults(rules: GateRules) -> list[Reason]:
    """Rules that did not come through `load` (copied with changes, built without validation) are read once more."""
    try:
        GateRules.model_validate(rules.model_dump(warnings=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "(all)"
        return [
            Reason(rule="rules", outcome="error", message=f"The gate's rules are not valid: {field}: {first['msg']}.")
        ]
    return []


def _unjudged_severities(rules: GateRules, cells: Cells) -> list[Reason]:
    measured = {severity for _, _, severity in cells.by_address if severity > 0}
    left = sorted(measured.difference(rules.invariance.severities, *cells.judged.values()))
    if not left:
        return []
    return [
        Reason(
            rule="invariance",
            outcome="not-set",
            message=f"Severity {', '.join(map(str, left))} was measured and is not judged.",
        )
    ]


def _missing_judgements(rules: GateRules, cells: Cells | None, reasons: list[Reason]) -> list[Reason]:
    """The last guard: whatever went wrong above, `PASS` has a judgement behind every demand."""
    if any(reason.outcome in {"error", "fail", "investigate"} for reason in reasons):
        return []
    made = {(r.rule, r.corruption, r.severity) for r in reasons if r.outcome in {"pass", "warn"}}
    demanded = set()
    if cells is not None:
        demanded = {("invariance", name, severity) for name in cells.corruptions for severity in cells.judged[name]}
    said = {reason.rule for reason in reasons}
    judged = {r.rule for r in reasons if r.outcome == "pass" or (r.outcome == "warn" and r.rule != "class_recall")}
    unmet = sorted(demanded - made) + sorted({"class_recall", "data_quality", "augmented_quality"} - judged)
    later = {name for name in _LATER_SECTIONS if getattr(rules, name) is not None}
    unmet += sorted({*_SECTIONS, *later} - said)
    if demanded and not unmet:
        return []
    return [
        Reason(
            rule="evidence", outcome="error", message=f"{len(unmet)} demanded judgements were not made: {unmet!r:.120}."
        )
    ]


def _verdict(reasons: list[Reason]) -> Verdict:
    outcomes = {reason.outcome for reason in reasons}
    for outcome, verdict in _PRECEDENCE:
        if outcome in outcomes:
            return verdict
    return "PASS" if "pass" in outcomes or "warn" in outcomes else "ERROR"
