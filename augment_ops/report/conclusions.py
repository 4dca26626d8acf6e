"""What changed, what the evidence speaks for, and what is risky: a sentence each, made of the decision and the brief.

They say what was so when the gate decided, and so are the same before anybody answers and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.gate.compared import Beside, MeasuredShare
from augment_ops.gate.decision import Decision, Reason
from augment_ops.gate.grouping import grouped
from augment_ops.gate.phrasing import listed, plural
from augment_ops.report.brief import Brief, fall_in_words, named
from augment_ops.report.formats import percent, points
from augment_ops.report.stress_summary import worst_gap
from augment_ops.stress.report import StressReport

_FALLS = 2  # named in a sentence; the section on the approver's table has all
_WAIVED = 3


@dataclass(frozen=True)
class Conclusions:
    """A sentence each."""

    changed: str
    recommendation: str
    risks: str


def conclusions(decision: Decision, brief: Brief, judged: StressReport | None) -> Conclusions:
    """The three sentences.

    Args:
        judged: what the gate judged; None where the stress test did not run.
    """
    return Conclusions(_changed(brief), _recommendation(decision, brief), _risks(decision, brief, judged))


def _changed(brief: Brief) -> str:
    found = brief.compared
    if brief.version and brief.version == brief.champion:
        return f"Nothing: version {brief.version} is champion already, the same model."
    if found is None:
        return "What changed cannot be said: the evidence cannot be believed, or there is nothing to compare with."
    measured = "; ".join(
        f"{one.name} {_shift(one, beside)}"
        for one in found.measured
        for beside in one.beside
        if beside.role == found.against
    )
    if not brief.champion:
        first = f"No model was champion of {brief.environment} when the gate decided"
        return f"{first}; against {named(brief, found.against)}, trained without augmentation, {measured}."
    if found.against != "champion":
        return f"Not compared with champion {brief.champion}; against {named(brief, found.against)} {measured}."
    return f"Against champion {brief.champion}, {_trained(brief)}, {measured}."


def _trained(brief: Brief) -> str:
    if brief.policy_changes is None:
        return f"trained with {brief.policy_before or 'a policy whose name is not kept'}"
    if not brief.policy_changes:
        return "trained with the same policy"
    return f"trained with {brief.policy_before} ({plural(len(brief.policy_changes), 'change')} of policy)"


def _shift(one: MeasuredShare, other: Beside) -> str:
    interval = f"{points(other.low)} to {points(other.high)}"
    if other.low > 0:
        return f"is better by {points(other.gain, sign=False)} points ({interval})"
    if other.high < 0:
        return f"is worse by {points(-other.gain, sign=False)} points ({interval})"
    return f"is not shown to differ ({points(other.gain)} points, {interval}, n = {one.n})"


def _recommendation(decision: Decision, brief: Brief) -> str:
    judged = [reason for reason in decision.reasons if reason.outcome != "not-set"]
    against = [reason for reason in judged if reason.outcome not in ("pass", "warn")]
    first = grouped(against)[0].message.rstrip(".") if against else ""
    if decision.verdict == "PASS":
        if brief.version and brief.version == brief.champion:
            return "There is nothing to promote."
        warned = sum(reason.outcome == "warn" for reason in judged)
        met = f"all {plural(len(judged), 'condition')} of the gate let it through"
        return f"The evidence speaks for promoting it: {met}{f', {warned} with a warning' if warned else ''}."
    if decision.verdict == "INVESTIGATE":
        few = sum(reason.outcome == "investigate" for reason in judged)
        return f"The evidence is too little to promote it: {plural(few, 'condition')} cannot be told, first: {first}."
    if decision.verdict == "FAIL":
        failed = sum(reason.outcome == "fail" for reason in judged)
        return f"The evidence speaks against promoting it: {plural(failed, 'condition')} failed, first: {first}."
    return f"The evidence cannot be relied on, so that it speaks for nothing: {first or decision.summary.rstrip('.')}."


def _risks(decision: Decision, brief: Brief, judged: StressReport | None) -> str:
    told = [*_falls(brief), *_waived(decision), *_warned(decision, brief), *_weakest(decision, judged)]
    text = "; ".join(told) or "nothing was measured that would show any"
    return f"{text[0].upper()}{text[1:]}."


def _falls(brief: Brief) -> list[str]:
    found = brief.compared
    if found is None:
        return []
    shown, other = [fall for fall in found.falls if fall.shown], named(brief, found.against)
    if not shown:
        return [f"nothing is shown to be worse than {other}, of {found.looked_at} corruptions and classes"]
    return [f"worse than {other} is {listed(tuple(map(fall_in_words, shown)), _FALLS)}"]


def _is_waived(reason: Reason) -> bool:
    """A class that somebody answers for in the place of samples: such a warning has no measured recall."""
    return reason.rule == "class_recall" and reason.outcome == "warn" and reason.measured is None


def _waived(decision: Decision) -> list[str]:
    names = tuple(str(reason.class_name) for reason in decision.reasons if _is_waived(reason))
    if not names:
        return []
    which = f"class {names[0]} goes" if len(names) == 1 else f"classes {listed(names, _WAIVED)} go"
    return [f"{which} unjudged on a waiver"]


def _warned(decision: Decision, brief: Brief) -> list[str]:
    waived = {f"{one.rule}: {one.message}" for one in grouped(x for x in decision.reasons if _is_waived(x))}
    warnings = [text for text in brief.warnings if text not in waived]
    if not warnings:
        return []
    first = "" if len(warnings) == 1 else "the first: "
    return [f"{plural(len(warnings), 'warning')}, {first}{warnings[0].rstrip('.')}"]


def is_judged(reasons: Sequence[Reason], corruption: str, severity: int) -> bool:
    """Whether the gate holds a loss there against a limit; where no loss is, it cannot be said and is taken for so."""
    cells = {(x.corruption, x.severity) for x in reasons if x.rule == "invariance" and x.severity}
    return not cells or (corruption, severity) in cells


def _weakest(decision: Decision, judged: StressReport | None) -> list[str]:
    worst = None if judged is None else worst_gap(judged)
    if judged is None or worst is None:
        return []
    corruption, severity, loss = worst
    cell, unseen = judged.cell("candidate", corruption, severity), not judged.seen.get(corruption)
    untrained = ", which the policy does not train on," if unseen else ""
    where = f"{corruption.replace('_', ' ')} at severity {severity}{untrained}"
    there = "" if cell is None else f", to {percent(cell.accuracy)} (n = {cell.n})"
    aside = "" if is_judged(decision.reasons, corruption, severity) else "; the gate judges no loss there"
    return [f"{where} costs it most, {points(loss, sign=False)} points{there}{aside}"]
