"""From measurements to a verdict: limits on the effect, and p-values corrected for how many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from monitoring.drift.detectors.base import Measurement
from monitoring.drift.rules import Limits

Status = Literal["ok", "warn", "drift", "insufficient"]


def judge(measured: Measurement, corrected: float, limits: Limits, significance: float, min_n: int) -> Status:
    """What a measurement comes to: an alarm needs an effect that matters and a p-value that chance does not explain.

    Args:
        corrected: its p-value after `holm`.
        significance: probability of an alarm by chance over all that were measured together.
        min_n: samples needed on each side.
    """
    if min(measured.n_reference, measured.n_window) < min_n or math.isnan(measured.effect) or math.isnan(corrected):
        return "insufficient"
    if corrected > significance or measured.effect < limits.warn:
        return "ok"
    return "drift" if measured.effect >= limits.drift else "warn"


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values multiplied so that one limit holds the chance of *any* false alarm among them; NaN stays NaN.

    Holm rather than Benjamini–Hochberg: columns of a table depend on each other, which Holm allows without
    assumption; and one false alarm starts a training, so its probability is what is to be bounded, not the share of
    false ones among many alarms.

    Source: Holm 1979, Scandinavian Journal of Statistics 6.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    known = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    corrected = dict.fromkeys(p_values, math.nan)
    reached = 0.0
    for place, (p, name) in enumerate(known):
        reached = max(reached, min(1.0, p * (len(known) - place)))
        corrected[name] = reached
    return corrected
