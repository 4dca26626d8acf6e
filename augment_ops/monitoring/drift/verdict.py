"""From measurements to a verdict: limits on the effect, and p-values corrected for how many there are."""

from __future__ import annotations

import math
from typing import Literal

from augment_ops.monitoring.drift.detectors.base import Measurement
from augment_ops.monitoring.drift.rules import EffectLimits

Status = Literal["ok", "warn", "drift", "insufficient"]


def judge(measured: Measurement, corrected: float, limits: EffectLimits, significance: float, min_n: int) -> Status:
    """What a measurement comes to: an alarm needs an effect that matters and a p-value that chance does not explain.

    An effect that would matter and may be chance is not `ok`: there are too few samples to tell.

    Args:
        corrected: its p-value after Holm's correction.
        significance: probability of an alarm by chance over all that were measured together.
        min_n: samples needed on each side.
    """
    if not can_be_judged(min(measured.n_reference, measured.n_window), measured.effect, corrected, min_n):
        return "insufficient"
    if measured.effect < limits.warn:
        return "ok"
    if corrected > significance:
        return "insufficient"
    return "drift" if measured.effect >= limits.drift else "warn"


def can_be_judged(n: int, effect: float, corrected: float, min_n: int) -> bool:
    """Whether there are samples and numbers enough for a verdict, even if it is that chance explains the effect.

    Args:
        n: samples on the smaller side.
    """
    return n >= min_n and not math.isnan(effect) and not math.isnan(corrected)
