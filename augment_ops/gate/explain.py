"""A decision in words: two sentences, table rows, and a plain-text page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.gate.decision import Decision, Outcome, Reason, Verdict
from augment_ops.gate.grouping import grouped
from augment_ops.stress.report import CLEAN

_NEXT: dict[Verdict, str] = {
    "PASS": "It may be promoted",
    "FAIL": "Nothing is promoted; change the policy or the data and run again",
    "INVESTIGATE": "Nothing is promoted until there is more evidence or a person has looked",
    "ERROR": "Nothing is promoted; run the stages that the reasons name again, then decide",
}


@dataclass(frozen=True, kw_only=True)
class ReasonRow:
    """A reason as a table shows it; every field is text, empty where there is nothing to say.

    Attributes:
        where: corruption, severity and class.
        measured, threshold: shares as percentages; a ratio stays a number.
        interval: of what was measured.
    """

    outcome: Outcome
    rule: str
    where: str
    measured: str
    interval: str
    threshold: str
    n: str
    message: str


def rows(decision: Decision) -> list[ReasonRow]:
    """One row a reason, in the decision's order."""
    return [
        ReasonRow(
            outcome=reason.outcome,
            rule=reason.rule,
            where=_where(reason),
            measured=_number(reason.rule, reason.measured),
            interval=" to ".join(_number(reason.rule, end) for end in (reason.low, reason.high) if end is not None),
            threshold=_threshold(reason),
            n="" if reason.n is None else str(reason.n),
            message=reason.message,
        )
        for reason in decision.reasons
    ]


def text(decision: Decision, *, passes: bool = False) -> str:
    """The decision for a terminal without colours; reasons that pass only where `passes`."""
    shown = [row for row in rows(decision) if passes or row.outcome != "pass"]
    lines = [f"{decision.verdict}  gate {decision.gate}", decision.summary, ""]
    lines += [f"{row.outcome:<12} {row.rule:<18} {row.message}" for row in shown]
    hidden = len(decision.reasons) - len(shown)
    if hidden:
        lines.append(f"{'pass':<12} {hidden} more judgement{'s' if hidden != 1 else ''}")
    return "\n".join(lines)


def summarize(verdict: Verdict, gate: str, reasons: Sequence[Reason], measure: str, *, together: bool = False) -> str:
    """Two sentences: what was found, and what follows.

    Args:
        gate: name and version.
        reasons: worst first.
        measure: what the share of right samples is called.
        together: whether reasons of one kind are told as one.
    """
    if verdict == "PASS":
        largest = _largest_gap(reasons, measure)
        return f"Gate {gate} lets the candidate pass: {largest}. {_NEXT[verdict]}{_warnings(reasons)}."
    outcome = {"FAIL": "fail", "INVESTIGATE": "investigate", "ERROR": "error"}[verdict]
    found = [reason for reason in reasons if reason.outcome == outcome]
    opening = {
        "FAIL": "refuses the candidate",
        "INVESTIGATE": "cannot judge the candidate",
        "ERROR": "cannot trust the evidence",
    }[verdict]
    return f"Gate {gate} {opening}: {_kinds(found) if together else _found(found)}. {_NEXT[verdict]}."


def _found(reasons: Sequence[Reason]) -> str:
    """The first reason, how many more there are, and every corruption among them."""
    first = _one_clause(reasons[0].message)
    names = list(dict.fromkeys(r.corruption for r in reasons if r.corruption not in (None, CLEAN)))
    others = [str(name) for name in names if name != reasons[0].corruption]
    more = len(reasons) - 1
    if not more:
        return first
    on = f", also on {', '.join(others)}" if others else ""
    return f"{first}; {more} more reason{'s' if more != 1 else ''}{on}"


def _kinds(reasons: Sequence[Reason]) -> str:
    """The first kind of reason, how many more kinds there are, and every corruption among them."""
    groups = grouped(reasons)
    names = dict.fromkeys(r.corruption for r in reasons if r.corruption not in (None, CLEAN))
    others = [str(name) for name in names if name != groups[0].reasons[0].corruption]
    first, more = _one_clause(groups[0].message), len(groups) - 1
    if not more:
        return first
    on = f", also on {', '.join(others)}" if others else ""
    return f"{first}; {more} more kind{'s' if more != 1 else ''} of reason{on}"


def _largest_gap(reasons: Sequence[Reason], measure: str) -> str:
    gaps = [r for r in reasons if r.rule == "invariance" and r.measured is not None and r.severity is not None]
    if not gaps:
        return "every rule is met"
    worst = max(gaps, key=lambda reason: reason.measured or 0.0)
    return (
        f"of {len(gaps)} gaps between clean and stressed {measure} the largest is "
        f"{100 * (worst.measured or 0.0):.1f} points ({worst.corruption} at severity {worst.severity})"
    )


def _warnings(reasons: Sequence[Reason]) -> str:
    found = [reason for reason in reasons if reason.outcome == "warn"]
    if not found:
        return ""
    return f", with {len(found)} warning{'s' if len(found) != 1 else ''}, first: {_one_clause(found[0].message)}"


def _one_clause(message: str) -> str:
    """A message inside a sentence: its own full stop goes, and so does a second sentence."""
    clause = message.split(". ", maxsplit=1)[0].rstrip(".")
    return clause[:1].lower() + clause[1:]


def _where(reason: Reason) -> str:
    parts = []
    if reason.corruption is not None:
        parts.append(reason.corruption if not reason.severity else f"{reason.corruption} {reason.severity}")
    if reason.class_name is not None:
        parts.append(f"class {reason.class_name}")
    return ", ".join(parts)


def _threshold(reason: Reason) -> str:
    # A number of samples that is asked for; every other threshold of an open question is a share.
    if reason.outcome == "investigate" and reason.threshold is not None and reason.threshold > 1:
        return f"n {reason.threshold:.0f}"
    return _number(reason.rule, reason.threshold)


def _number(rule: str, value: float | None) -> str:
    if value is None:
        return ""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.2f}×" if rule == "budget" else f"{100 * value:.1f}%"
