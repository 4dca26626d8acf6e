"""Every number of a reason or check has its unit: nobody has to know that 0.15 is fifteen points."""

from __future__ import annotations

import math

import pytest

from augment_ops.gate.decision import Reason
from augment_ops.gate.rules import GateRules
from augment_ops.report import units


def reason(rule: str, measured: float | None = None, threshold: float | None = None, **more: object) -> Reason:
    return Reason(rule=rule, outcome="fail", message="m", measured=measured, threshold=threshold, **more)


@pytest.mark.parametrize(
    ("told", "measured", "limit"),
    [
        (reason("invariance", 0.2, 0.15), "20.0 points", "15.0 points"),
        (reason("champion", -0.012, -0.02), "−1.2 points", "−2.0 points"),
        (reason("calibration", 0.0312, 0.05), "3.1 points", "5.0 points"),
        (reason("class_recall", 0.61, 0.7), "61.0%", "70.0%"),
        (reason("data_wait", 0.4, 0.3), "40.0%", "30.0%"),
        (reason("budget", 1.25, 1.0), "1.25 × the budget", "1 × the budget"),
        (reason("class_recall", None, 20.0, class_name="x", n=7), "—", "20 samples"),
        (reason("class_recall", None, 1.0, class_name="x", n=0), "—", "1 sample"),
        (reason("groups", None, 30.0, group="site=north", n=7), "—", "30 samples"),
        (reason("invariance", math.nan, 0.15), "not a number", "15.0 points"),
        (reason("leakage", 0.012, 0.005), "1.2%", "0.5%"),
        (reason("leakage", 3.0, 0.005), "3", "0.5%"),
        (reason("leakage", math.nan), "not a number", "—"),
        (reason("approvals"), "—", "—"),
    ],
)
def test_what_a_rule_compares_has_a_unit(told: Reason, measured: str, limit: str) -> None:
    assert (units.measured(told), units.limit(told)) == (measured, limit)


def test_every_rule_of_a_gate_that_has_a_threshold_has_a_unit() -> None:
    """A rule that is added says in which unit its page shows it."""
    fields = set(GateRules.model_fields) - {
        "name",
        "version",
        "description",
        "statistics",
        "alerts",
        "ranking",
        "equivalent",
        "suite",
    }
    unitless = {"drift", "approvals"}  # they compare words
    known = units._DIFFERENCES | units._SHARES | units._MULTIPLES | units._SHARES_OR_COUNTS | unitless
    assert fields - known == set()


@pytest.mark.parametrize(
    ("low", "high", "rule", "said"),
    [
        (0.1, 0.2, "invariance", "10.0 to 20.0"),
        (0.1, 0.2, "class_recall", "10.0% to 20.0%"),
        (None, 0.2, "invariance", "—"),
        (math.nan, 0.2, "invariance", "—"),
    ],
)
def test_an_interval_has_the_unit_of_what_was_measured(
    low: float | None, high: float | None, rule: str, said: str
) -> None:
    assert units.ends(reason(rule, 0.15, 0.2, low=low, high=high)) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0, "share", "0.00%"),
        (0.0123, "share of the cells", "1.23% of the cells"),
        (1.0, "samples", "1 sample"),
        (30.0, "samples", "30 samples"),
        (1.05, "ratio", "1.05 times"),
        (0.2, "standard deviations", "0.2 standard deviations"),
        (math.nan, "share", "not a number"),
        (None, "share", "—"),
    ],
)
def test_a_check_says_no_0_share(value: float | None, unit: str, said: str) -> None:
    assert units.quantity(value, unit) == said
