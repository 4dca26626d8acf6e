"""Reasons of one kind as one line with a list behind it, and what a person can do about them.

A decision keeps every reason by itself. Forty classes with too few samples are one thing to a reader.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from augment_ops.gate.decision import Outcome, Reason
from augment_ops.gate.phrasing import counted, listed
from augment_ops.stress.report import CLEAN

_FEW = "too few"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Reasons that say the same of several classes, severities or groups.

    Attributes:
        message: one line for all of them: that of the one reason, where there is one.
        advice: what a person can do; empty where the message says it, or nothing is to be done.
        reasons: in the decision's order.
    """

    outcome: Outcome
    rule: str
    message: str
    advice: str
    reasons: tuple[Reason, ...]


def grouped(reasons: Iterable[Reason]) -> list[Group]:
    """The reasons by their kind, in the order in which the first of each comes; what passed stands by itself."""
    kinds: dict[Hashable, list[Reason]] = {}
    for place, reason in enumerate(reasons):
        kinds.setdefault(_kind(reason) or place, []).append(reason)
    return [_group(found) for found in kinds.values()]


def is_few(reason: Reason) -> bool:
    """Whether it says that something has too few samples to be judged."""
    asked = reason.outcome == "investigate" and reason.n is not None and reason.threshold is not None
    return asked and reason.corruption is None and reason.measured is None and bool(reason.class_name or reason.group)


def _kind(reason: Reason) -> Hashable | None:
    """What reasons have in common that are one line; None for one that stands alone."""
    waived = reason.rule == "class_recall" and reason.outcome == "warn"  # by whom, until when and why stands in each
    if waived or reason.outcome in ("pass", "not-set"):
        return None
    if is_few(reason):
        column = (reason.group or "").partition("=")[0]
        return reason.rule, _FEW, reason.threshold, column
    if reason.rule == "invariance" and reason.corruption is not None:
        return reason.rule, reason.outcome, reason.corruption
    if reason.rule in ("class_recall", "champion", "control") and reason.class_name is not None:
        return reason.rule, reason.outcome, reason.against, reason.corruption == CLEAN
    if reason.rule == "fitness" and reason.corruption is not None:
        return reason.rule, reason.outcome
    return None


def _group(reasons: Sequence[Reason]) -> Group:
    first = reasons[0]
    message, advice = first.message, ""
    if is_few(first):
        message, advice = _few(reasons)
    elif len(reasons) > 1:
        message = f"{first.message} {_likewise(reasons)}"
    return Group(outcome=first.outcome, rule=first.rule, message=message, advice=advice, reasons=tuple(reasons))


def _few(reasons: Sequence[Reason]) -> tuple[str, str]:
    least = round(reasons[0].threshold or 0)
    has = dict(sorted(((_subject(r), r.n or 0) for r in reasons), key=lambda item: item[1]))
    missing = {name: least - n for name, n in has.items()}
    kind = "class" if reasons[0].class_name is not None else "group"
    many = kind if len(has) == 1 else f"{kind}es" if kind == "class" else f"{kind}s"
    verb = "has" if len(has) == 1 else "have"
    message = (
        f"{len(has)} {many} {verb} fewer samples in the suite than the {least} that judging them takes: {counted(has)}."
    )
    advice = f"Add held-out samples, as many as are missing: {counted(missing)}."
    if kind == "class" and (len(has) > 1 or any(has.values())):  # without samples, there is nothing to waive
        them, alike = "it", ""
        if len(has) > 1:
            them, alike = "them", " have a gate judge as one what nobody tells apart (equivalent, in its file), or"
        advice += f" Or{alike} have somebody waive {them} (augment-ops waive)."
    return message, advice


def _likewise(reasons: Sequence[Reason]) -> str:
    first, others = reasons[0], reasons[1:]
    if first.rule == "invariance":
        return f"Also at severity {', '.join(str(r.severity) for r in others)}."
    if first.rule == "fitness":
        return f"Also {listed(tuple(f'{r.corruption} at severity {r.severity}' for r in others))}."
    classes = tuple(dict.fromkeys(str(r.class_name) for r in others if r.class_name != first.class_name))
    more = f"{len(others)} more of this kind"
    return f"{more}, in class{'es' if len(classes) > 1 else ''} {listed(classes)}." if classes else f"{more}."


def _subject(reason: Reason) -> str:
    return str(reason.class_name or reason.group)
