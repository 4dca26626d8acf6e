"""A decision in two sentences."""

from __future__ import annotations

from collections.abc import Sequence

from augment_ops.gate.decision import Reason, Verdict
from augment_ops.gate.grouping import grouped
from augment_ops.stress.report import CLEAN

_NEXT: dict[Verdict, str] = {
    "PASS": "It may be promoted",
    "FAIL": "Nothing is promoted; change the policy or the data and run again",
    "INVESTIGATE": "Nothing is promoted until there is more evidence or a person has looked",
    "ERROR": "Nothing is promoted; run the stages that the reasons name again, then decide",
}


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
