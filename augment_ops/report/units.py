"""Numbers of reasons and checks with the units that they are in: `15.0 points`, where the document has 0.15."""

from __future__ import annotations

import math
from collections.abc import Callable

from augment_ops.gate.decision import Reason
from augment_ops.gate.grouping import is_few
from augment_ops.report.formats import number, percent, points, whole

# What the rules of a gate measure. Whatever else there is, is a number without a unit.
_DIFFERENCES = frozenset(
    {"invariance", "champion", "control", "unseen", "average_precision", "tail", "groups", "calibration"}
)
_SHARES = frozenset(
    {"class_recall", "operating", "out_of_scope", "fitness", "data_wait", "data_quality", "augmented_quality"}
)
_MULTIPLES = frozenset({"budget"})
_SHARES_OR_COUNTS = frozenset({"leakage"})


def measured(reason: Reason) -> str:
    """What a rule measured."""
    return _form(reason.rule)(reason.measured)


def limit(reason: Reason) -> str:
    """What it was held against: of what has too few samples, how many are needed."""
    if reason.measured is None and reason.threshold is not None and (is_few(reason) or reason.n is not None):
        return _samples(reason.threshold)
    return _form(reason.rule)(reason.threshold)


def ends(reason: Reason) -> str:
    """The interval of what was measured; the unit stands beside it."""
    low, high = reason.low, reason.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "—"
    if reason.rule in _DIFFERENCES:
        return f"{points(low, sign=False)} to {points(high, sign=False)}"
    return f"{_form(reason.rule)(low)} to {_form(reason.rule)(high)}"


def quantity(value: float | None, unit: str) -> str:
    """A number of a check with its unit: a share as a percentage, one sample as one."""
    if value is None or math.isnan(value):
        return number(value)
    head, _, rest = unit.partition(" ")
    if head == "share":
        return f"{percent(value, 2)} {rest}".strip()
    if unit == "samples":
        return _samples(value)
    return f"{number(value)} {'times' if head == 'ratio' else unit}".strip()


def _form(rule: str) -> Callable[[float | None], str]:
    if rule in _DIFFERENCES:
        return _points
    if rule in _SHARES:
        return _share
    if rule in _SHARES_OR_COUNTS:
        return _leaked
    return _multiple if rule in _MULTIPLES else number


def _points(value: float | None) -> str:
    return number(value) if value is None or math.isnan(value) else f"{points(value, sign=False)} points"


def _share(value: float | None) -> str:
    return number(value) if value is None or math.isnan(value) else percent(value)


def _leaked(value: float | None) -> str:
    """A share of the samples; a check that counts, of subjects, finds whole ones."""
    return _share(value) if value is None or value < 1 else number(value)


def _multiple(value: float | None) -> str:
    return number(value) if value is None or math.isnan(value) else f"{number(value)} × the budget"


def _samples(value: float) -> str:
    return f"{whole(value)} sample" if value == 1 else f"{whole(value)} samples"
