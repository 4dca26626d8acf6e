"""What was measured of a rollout, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_ops.gate.phrasing import points, share
from augment_ops.rollout.rules import SLICES, RolloutRules

if TYPE_CHECKING:
    from augment_ops.rollout.judge import MeasuredCondition

_SAID = {"broken": "is shown to be broken", "holds": "is shown to hold", "open": "is neither shown to hold nor broken"}


def sentence(rules: RolloutRules, one: MeasuredCondition) -> str:
    """One condition: what it is about, what was measured, between which ends, and what is accepted."""
    what, value, accepted = _numbers(rules, one)
    where = "the shadows" if one.step is None else rules.steps[one.step].name
    told = f"{what} in {where} {value}, n = {amount(one.n)}; {accepted} is accepted"
    accuracy = rules.conditions.accuracy
    if one.condition == "accuracy" and accuracy is not None and one.n < accuracy.labels:
        return f"{told}, and {amount(accuracy.labels)} labels are needed to judge it."
    return f"{told}: {one.condition.replace('_', ' ')} {_SAID[one.state]}."


def nothing_of(rules: RolloutRules, condition: str) -> str:
    """Why a condition has not been measured."""
    if condition == "accuracy":
        return "no label has come."
    if condition == "slice_accuracy" and rules.conditions.slice_accuracy is not None:
        labels = amount(rules.conditions.slice_accuracy.labels)
        return f"no slice of the inputs has {labels} labels, or the log keeps nothing of what was asked."
    if condition == "slice_agreement":
        return "too few answers have come, or the log keeps nothing of what was asked."
    if condition == "recall" and rules.conditions.recall is not None:
        return f"no class has {amount(rules.conditions.recall.labels)} labels."
    return "no answers have come that it could be measured by."


def amount(number: int) -> str:
    """1234 → 1,234."""
    return f"{number:,}"


def hours_of(hours: float) -> str:
    """0.25 → 15 minutes; 1 → 1 hour; 1.5 → 1.5 hours."""
    number, unit = (60 * hours, "minute") if hours < 1 else (hours, "hour")
    told = f"{number:,.1f}".removesuffix(".0")
    return f"{told} {unit}{'' if told == '1' else 's'}"


def _numbers(rules: RolloutRules, one: MeasuredCondition) -> tuple[str, str, str]:
    """What is measured, its value, and what is accepted of it."""
    found = one.estimate
    of_slice = one.condition in SLICES
    if one.condition in ("agreement", "slice_agreement"):
        among = "where" if of_slice else "on what it calls"
        named = f"Agreement with the champion {among} {one.about}" if one.about else "Agreement"
        return named, f"is {share(found)} ({_span(one)})", f"{share(one.limit)} at least"
    if one.condition == "errors":
        return "The share of requests that fail", f"rises by {points(found)} ({_span(one)})", _most(one)
    if one.condition == "latency":
        latency = rules.conditions.latency
        name = "The latency" if latency is None else f"The p{100 * latency.quantile:g} of latency"
        ends = _ends("0" if one.low is None else f"{one.low:.2f}", None if one.high is None else f"{one.high:.2f}")
        return name, f"is {found:.2f} times the champion's ({ends})", f"{one.limit:g} times at most"
    if one.condition == "confidence":
        moved = f"moves by {points(found, sign=True)} ({_span(one)})"
        return "The mean confidence", moved, f"{points(one.limit)} either way at most"
    if one.condition == "inputs":
        return f"The input {one.about}", f"differs between the two by a PSI of {found:.2f}", f"{one.limit:g} at most"
    name = "Recall" if one.condition == "recall" else "Accuracy"
    about = f" {'where' if of_slice else 'of class'} {one.about}" if one.about else ""
    return f"{name}{about}", f"falls by {points(found)} ({_span(one)})", _most(one)


def _most(one: MeasuredCondition) -> str:
    return f"{points(one.limit)} at most"


def _span(one: MeasuredCondition) -> str:
    ends = [None if end is None else f"{100 * end:.1f}".replace("-0.0", "0.0") for end in (one.low, one.high)]
    return _ends(ends[0] or "any", ends[1])


def _ends(low: str, high: str | None) -> str:
    return f"{low} or more" if high is None else f"{low} to {high}"
