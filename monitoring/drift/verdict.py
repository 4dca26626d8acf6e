"""From measurements to a verdict: limits on the effect, and p-values corrected for how many there are."""

from __future__ import annotations

import math
from typing import Literal

from monitoring.drift.detectors.base import Measurement
from monitoring.drift.rules import EffectLimits

Status = Literal["ok", "warn", "drift", "insufficient"]


def judge(measured: Measurement, corrected: float, limits: EffectLimits, significance: float, min_n: int) -> Status:
    """What a measurement comes to: an alarm needs an effect that matters and a p-value that chance does not explain.

    Args:
        corrected: its p-value after Holm's correction.
        significance: probability of an alarm by chance over all that were measured together.
        min_n: samples needed on each side.
    """
    if min(measured.n_reference, measured.n_window) < min_n or math.isnan(measured.effect) or math.isnan(corrected):
        return "insufficient"
    if corrected > significance or measured.effect < limits.warn:
        return "ok"
    return "drift" if measured.effect >= limits.drift else "warn"
