"""A difference from another model as a reason of the gate. Estimates are of losses; reasons tell them as gains."""

from __future__ import annotations

from augment_ops.gate.decision import Outcome, Reason
from augment_ops.gate.phrasing import interval
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import Estimate
from augment_ops.stress.report import CLEAN, Role


def shown(rules: GateRules, estimate: Estimate) -> Outcome:
    """Pass where it is shown to be within its limit, fail where it is shown to be beyond."""
    if estimate.p_safe <= rules.statistics.alpha:
        return "pass"
    return "fail" if estimate.p_harm <= rules.statistics.alpha else "investigate"


def gain_interval(rules: GateRules, loss: Estimate) -> str:
    """The interval of a gain, in words."""
    return interval(-loss.high, -loss.low, rules.statistics.confidence)


def gain(rule: str, outcome: Outcome, message: str, loss: Estimate, against: Role, *, clean: bool = True) -> Reason:
    """What the candidate has more than another model.

    Args:
        clean: measured on clean samples alone.
    """
    return Reason(
        rule=rule,
        outcome=outcome,
        message=message,
        corruption=CLEAN if clean else None,
        severity=0 if clean else None,
        measured=-loss.value,
        threshold=-loss.limit,
        n=loss.n,
        low=-loss.high,
        high=-loss.low,
        p=loss.p_safe,
        against=against,
    )
