"""The classes that are found worst, taken together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from augment_ops.gate.rules import GateRules

SECTION = {"share": 0.3, "margin": 0.05, "min_n": 50}  # of three classes, one


def with_tail(rules: GateRules, **changes: object) -> GateRules:
    return GateRules.model_validate(rules.model_dump() | {"tail": SECTION | changes})


def clean(**right: tuple[int, int, int]):
    """So many right of 100 in each class on clean samples, by role; under stress the default."""

    def found(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        stressed = (60,) * 3 if role == "control" else (90,) * 3
        return right.get(role, right["control"]) if corruption == "clean" else stressed

    return found


def reasons(decision):
    return {reason.against: reason for reason in decision.reasons if reason.rule == "tail"}


@pytest.mark.parametrize(
    ("candidate", "outcome"),
    [((95, 92, 80), "pass"), ((95, 99, 77), "investigate"), ((99, 99, 64), "fail")],
)
def test_a_loss_there_must_be_shown_to_be_small_and_fails_where_it_is_shown_to_be_large(
    decide, rules, evidence, candidate, outcome
):
    """Class c is the tail: of 100, the same are missed but for those that the candidate loses."""
    found = reasons(decide(with_tail(rules), evidence(clean(candidate=candidate, control=(95, 92, 80)))))
    assert set(found) == {"control", "champion"}  # the champion is as the control here
    reason = found["control"]
    assert reason.outcome == outcome and reason.n == 100
    assert reason.measured == pytest.approx((candidate[2] - 80) / 100)
    assert "Of the classes found worst (c) the candidate finds" in reason.message


def test_the_tail_is_what_both_find_worst_and_each_class_counts_the_same(decide, rules, evidence):
    counts = {"candidate": (90, 95, 12, 60), "control": (95, 90, 18, 60)}  # of 100, 100, 30 and 90
    whole = evidence(lambda role, *_: counts[role], n=(100, 100, 30, 90), champion=False)
    (reason,) = reasons(decide(with_tail(rules, share=0.5), whole)).values()
    assert "(c, d)" in reason.message and reason.n == 120
    assert reason.measured == pytest.approx(-(18 - 12) / 30 / 2)  # of samples alone it would be 6 of 120
    assert reason.low < reason.measured < reason.high
    few = reasons(decide(with_tail(rules, share=0.5, min_n=121), whole))["control"]
    assert (few.outcome, few.n, few.threshold) == ("investigate", 120, 121.0)


def test_without_a_control_it_is_no_evidence_and_without_the_section_nothing_is_said(decide, rules, evidence):
    plain = evidence()
    assert reasons(decide(rules, plain)) == {}
    alone = evidence(models={"candidate": "c" * 64}, champion=False, control_digest=None)
    (reason,) = reasons(decide(with_tail(rules), alone)).values()
    assert reason.outcome == "error"


def test_rules_without_it_keep_their_digest_and_it_stands_beside_no_alerts(rules):
    assert "tail" not in rules.model_dump(mode="json")
    asked = with_tail(rules).model_dump() | {"alerts": {"class": "a", "rate": 0.1}}
    with pytest.raises(ValidationError, match="tail or alerts"):
        GateRules.model_validate(asked)
