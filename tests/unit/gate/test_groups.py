"""Gaps between groups, what augmentation adds to them, and calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score

from augment_ops.gate.rules import GateRules
from augment_ops.stress.outcomes import from_bytes

SITES = (["north"] * 50 + ["south"] * 50) * 3  # in every class: the samples right come first, so south suffers


def with_groups(rules: GateRules, **changes: object) -> GateRules:
    section = {"columns": "all", "max_gap": 0.2, "max_amplification": 0.1, "min_n": 20} | changes
    return GateRules.model_validate(rules.model_dump() | {"groups": section})


def fair(role, corruption, severity):
    return (60 if role == "control" and corruption != "clean" else 95,) * 3


def unfair(role, corruption, severity):
    """Candidate: 90 right of 100, all of north and 80% of south; control: 97 and 94%."""
    if role == "control":
        return (97,) * 3 if corruption == "clean" else (60,) * 3
    return (90,) * 3


def reasons(decision, outcome=None):
    return [r for r in decision.reasons if r.rule == "groups" and (outcome is None or r.outcome == outcome)]


def test_the_gap_is_that_of_fairlearn(decide, rules, evidence, outcomes_of):
    whole = evidence(unfair, columns={"site": SITES})
    outcomes = from_bytes(outcomes_of(whole), whole.stress.outcomes)
    (gap,) = [r for r in reasons(decide(with_groups(rules), whole)) if r.against is None and "clean" in r.message]
    frame = MetricFrame(
        metrics=accuracy_score, y_true=outcomes.labels, y_pred=outcomes.predicted[0, 0], sensitive_features=SITES
    )
    assert gap.measured == pytest.approx(frame.difference()) == pytest.approx(0.2)
    assert gap.low < 0.2 < gap.high
    assert (gap.group, gap.n) == ("site=south", 300)


def test_a_gap_that_is_shown_to_be_too_large_fails_and_names_the_group(decide, rules, evidence):
    decision = decide(with_groups(rules, max_gap=0.05), evidence(unfair, columns={"site": SITES}))
    assert decision.verdict == "FAIL"
    assert "site=north than in site=south" in reasons(decision, "fail")[0].message


def test_augmentation_that_widens_a_gap_is_found_by_comparing_with_the_control(decide, rules, evidence):
    """Clean: the control's gap is 6 points, the candidate's 20."""
    decision = decide(
        with_groups(rules, max_gap=0.4, max_amplification=0.05), evidence(unfair, columns={"site": SITES})
    )
    (found,) = reasons(decision, "fail")
    assert found.against == "control"
    assert found.measured == pytest.approx(0.14)
    assert "on clean images between site=north and south by +14.0 points" in found.message


def test_a_gap_that_chance_explains_is_not_enough_evidence(decide, rules, evidence):
    """20 points, known to 6: more than 17, but not surely."""
    decision = decide(with_groups(rules, max_gap=0.17), evidence(unfair, columns={"site": SITES}))
    assert {r.outcome for r in reasons(decision) if r.against is None} == {"investigate"}


def test_equal_groups_pass(decide, rules, evidence):
    sites = ["north", "south"] * 150
    decision = decide(with_groups(rules), evidence(fair, columns={"site": sites}))
    assert decision.verdict == "PASS"
    assert {r.outcome for r in reasons(decision)} == {"pass"}


def test_samples_without_a_group_are_to_be_looked_at(decide, rules, evidence):
    sites = [None if i == 7 else site for i, site in enumerate(["north", "south"] * 150)]
    decision = decide(with_groups(rules), evidence(fair, columns={"site": sites}))
    assert decision.verdict == "INVESTIGATE"
    assert "1 of 300 samples have no site" in reasons(decision, "investigate")[0].message


def test_a_group_of_few_is_named_with_its_n(decide, rules, evidence):
    sites = ["far" if i % 30 == 0 else "near" for i in range(300)]
    (found,) = reasons(decide(with_groups(rules), evidence(fair, columns={"site": sites})), "investigate")
    assert (found.group, found.n) == ("site=far", 10)


def test_a_column_that_the_rules_ask_for_must_be_there(decide, rules, evidence):
    decision = decide(with_groups(rules, columns=("device",)), evidence(fair, columns={"site": SITES}))
    assert decision.verdict == "ERROR"
    assert "no column device" in decision.reasons[0].message


def test_without_columns_or_without_a_rule_that_is_said(decide, rules, evidence):
    assert reasons(decide(with_groups(rules), evidence()))[0].outcome == "not-set"
    said = reasons(decide(rules, evidence(columns={"site": SITES})))
    assert "though the snapshot has site" in said[0].message


def test_slices_that_were_edited_are_found_out(decide, rules, evidence):
    whole = evidence(unfair, columns={"site": SITES})
    kinder = tuple(replace(s, clean=0.97) if s.group == "south" else s for s in whole.stress.slices)
    decision = decide(rules, replace(whole, stress=replace(whole.stress, slices=kinder)))
    assert decision.verdict == "ERROR"
    assert "on site=south: not what the samples give" in decision.reasons[0].message
    gone = decide(rules, replace(whole, stress=replace(whole.stress, slices=())))
    assert gone.verdict == "ERROR"


@pytest.mark.parametrize(("right", "outcome"), [(95, "pass"), (89, "warn"), (80, "fail")])
def test_calibration_is_the_distance_of_confidence_and_accuracy(decide, rules, evidence, right, outcome):
    """All predictions are 95% sure."""
    decision = decide(rules, evidence(lambda r, c, s: (60 if r == "control" and s else right,) * 3))
    (found,) = [r for r in decision.reasons if r.rule == "calibration"]
    assert found.outcome == outcome
    assert found.measured == pytest.approx(abs(float(np.float16(0.95)) - right / 100), abs=1e-6)
    assert found.low <= found.measured <= found.high + 0.01
