from __future__ import annotations

import math
from dataclasses import replace

import pytest

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.gate.rules import GateRules

ROTATION_5 = ("candidate", "rotation", 5)


def outcomes(decision: Decision, rule: str) -> set[str]:
    return {reason.outcome for reason in decision.reasons if reason.rule == rule}


def with_rules(rules: GateRules, section: str | None, **changes: object) -> GateRules:
    content = rules.model_dump()
    if section is None:
        content |= changes
    else:
        content[section] |= changes
    return GateRules.model_validate(content)


def stress(evidence: Evidence, **changes: object) -> Evidence:
    return replace(evidence, stress=replace(evidence.stress, **changes))


def rotation_5(right: tuple[int, int, int]):
    """95 of 100 right everywhere, except the candidate under rotation at severity 5."""

    def give(role: str, corruption: str, severity: int) -> tuple[int, int, int]:
        return right if (role, corruption, severity) == ROTATION_5 else (95, 95, 95)

    return give


def test_sound_evidence_within_every_limit_passes(rules, evidence):
    decision = decide(rules, evidence())
    assert decision.verdict == "PASS"
    assert {reason.outcome for reason in decision.reasons} == {"pass"}
    gaps = [r for r in decision.reasons if r.rule == "invariance"]
    assert {(r.corruption, r.severity) for r in gaps} == {
        (c, s) for c in rules.invariance.corruptions for s in (1, 2, 3, 4, 5)
    }
    assert decision.rules_digest == rules.digest
    assert decision.evidence_digest == digest_of(evidence())


def test_the_decision_is_the_same_byte_for_byte_and_survives_its_document(rules, evidence):
    first = canonical_json(decide(rules, evidence()))
    assert canonical_json(decide(rules, evidence())) == first
    assert canonical_json(from_json(Decision, first)) == first
    through_store = from_json(Evidence, canonical_json(evidence()))
    assert canonical_json(decide(rules, through_store)) == first


@pytest.mark.parametrize(
    ("right", "verdict", "outcome"),
    [
        ((86, 85, 85), "PASS", "pass"),  # gap 9.67 points
        ((85, 85, 85), "PASS", "warn"),  # 10.0, at the threshold
        ((81, 80, 80), "PASS", "warn"),  # 14.67
        ((80, 80, 80), "FAIL", "fail"),  # 15.0: 0.95 - 0.80 is below 0.15 in floating point
        ((40, 80, 80), "FAIL", "fail"),
    ],
)
def test_the_gap_warns_at_ten_and_blocks_at_fifteen_points(rules, evidence, right, verdict, outcome):
    decision = decide(rules, evidence(rotation_5(right)))
    assert decision.verdict == verdict
    judged = [r for r in decision.reasons if (r.rule, r.corruption, r.severity) == ("invariance", "rotation", 5)]
    assert [r.outcome for r in judged] == [outcome]
    assert judged[0].n == 300


def test_a_refusal_names_corruption_severity_class_and_numbers(rules, evidence):
    decision = decide(rules, evidence(rotation_5((95, 44, 80))))
    first = decision.reasons[0]
    assert (first.rule, first.outcome, first.corruption, first.severity) == ("invariance", "fail", "rotation", 5)
    assert first.class_name == "b"
    assert first.message == (
        "rotation at severity 5 costs 22.0 points of accuracy (95.0% to 73.0%; limit 15.0 points), "
        "most in class b (95.0% to 44.0%)."
    )
    assert (first.measured, first.threshold) == (pytest.approx(0.22), 0.15)


def test_a_gap_that_only_one_severity_shows_is_not_averaged_away(rules, evidence):
    """39 perfect cells do not buy one broken one."""
    decision = decide(
        rules, evidence(lambda r, c, s: (50, 50, 50) if (r, c, s) == ("candidate", "blur", 2) else (99, 99, 99))
    )
    assert decision.verdict == "FAIL"
    assert [(r.corruption, r.severity) for r in decision.reasons if r.outcome == "fail" and r.rule == "invariance"] == [
        ("blur", 2)
    ]


def test_a_class_that_collapses_fails_though_the_mean_holds(rules, evidence):
    decision = decide(rules, evidence(rotation_5((39, 100, 100))))
    failed = [r for r in decision.reasons if r.outcome == "fail" and r.rule == "class_recall"]
    assert [(r.class_name, r.corruption, r.severity, r.n) for r in failed] == [("a", "rotation", 5, 100)]
    assert failed[0].measured == pytest.approx(0.39)


def test_a_clean_class_below_its_floor_fails(rules, evidence):
    decision = decide(rules, evidence(lambda r, c, s: (59, 95, 95), champion=False))
    failed = [r for r in decision.reasons if r.outcome == "fail"]
    assert [(r.class_name, r.corruption, r.severity) for r in failed] == [("a", "clean", 0)]
    assert decision.verdict == "FAIL"


def test_several_severities_of_one_class_make_one_reason(rules, evidence):
    def give(role, corruption, severity):
        return (40 - 5 * severity, 99, 99) if corruption == "noise" else (99, 99, 99)

    failed = [r for r in decide(rules, evidence(give)).reasons if r.rule == "class_recall" and r.outcome == "fail"]
    assert [(r.corruption, r.severity) for r in failed] == [("noise", 5)]
    assert "Also below at severity 1, 2, 3, 4." in failed[0].message


def test_a_model_that_always_answers_the_same_is_refused_though_its_gaps_are_zero(rules, evidence):
    decision = decide(rules, evidence(lambda r, c, s: (100, 0, 0), champion=False))
    assert decision.verdict == "FAIL"
    assert outcomes(decision, "invariance") == {"pass"}
    assert {r.class_name for r in decision.reasons if r.outcome == "fail"} == {"b", "c"}


def test_too_few_samples_investigate_and_say_how_many(rules, evidence):
    decision = decide(rules, evidence(n=50))
    assert decision.verdict == "INVESTIGATE"
    assert "The suite has 150 samples; 200 are needed" in decision.reasons[0].message


def test_a_class_with_too_few_samples_is_named_with_its_n(rules, evidence):
    whole = evidence()
    cells = tuple(
        replace(c, n=219, class_n=(100, 100, 19), class_recall=(0.95, 0.95, 1.0), accuracy=(190 + 19) / 219)
        for c in whole.stress.cells
    )
    decision = decide(rules, stress(whole, cells=cells))
    assert decision.verdict == "INVESTIGATE"
    found = [r for r in decision.reasons if r.outcome == "investigate"]
    assert [(r.rule, r.class_name, r.n) for r in found] == [("class_recall", "c", 19)]


@pytest.mark.parametrize(
    ("loss", "clean", "verdict"), [(2, True, "PASS"), (3, True, "FAIL"), (2, False, "PASS"), (3, False, "FAIL")]
)
def test_the_candidate_may_not_be_worse_than_the_champion_beyond_the_margin(rules, evidence, loss, clean, verdict):
    def give(role, corruption, severity):
        level = 93
        if role == "champion" and (corruption == "clean") == clean:
            level += loss
        return (level,) * 3

    decision = decide(rules, evidence(give))
    assert decision.verdict == verdict
    failed = [r.message for r in decision.reasons if r.outcome == "fail"]
    assert all("champion 4" in message for message in failed)
    assert len(failed) == (verdict == "FAIL")


def test_a_first_champion_is_allowed_or_looked_at_as_the_rules_say(rules, evidence):
    first = evidence(champion=False)
    assert decide(rules, first).verdict == "PASS"
    assert decide(with_rules(rules, "champion", first_champion="investigate"), first).verdict == "INVESTIGATE"


def test_no_gain_over_the_control_warns_and_does_not_block(rules, evidence):
    decision = decide(rules, evidence(lambda r, c, s: (95, 95, 95)))
    assert decision.verdict == "PASS"
    assert outcomes(decision, "control") == {"warn"}


@pytest.mark.parametrize(
    ("changes", "rule", "outcome", "verdict"),
    [
        ({"data_quality": "warn"}, "data_quality", "warn", "PASS"),
        ({"data_quality": "fail"}, "data_quality", "fail", "FAIL"),
        ({"augmented_quality": "fail"}, "augmented_quality", "fail", "FAIL"),
        ({"data_wait_share": 0.3}, "data_wait", "warn", "PASS"),
        ({"data_wait_share": 1.0}, "data_wait", "warn", "PASS"),
        ({"augment_p95_ms": 1.0}, "budget", "warn", "PASS"),
        ({"augment_p95_ms": 2.9}, "budget", "warn", "PASS"),
        ({"augment_p95_ms": 3.0}, "budget", "fail", "FAIL"),
        ({"augment_p95_ms": 0.0}, "budget", "pass", "PASS"),
        ({"drift_status": "warn"}, "drift", "warn", "PASS"),
        ({"drift_status": "drift"}, "drift", "warn", "PASS"),
        ({"drift_status": "insufficient"}, "drift", "warn", "PASS"),
        ({"drift_status": "no-window"}, "drift", "not-set", "PASS"),
    ],
)
def test_the_rest_of_the_run_is_judged(rules, evidence, changes, rule, outcome, verdict):
    decision = decide(rules, evidence(**changes))
    assert outcomes(decision, rule) == {outcome}
    assert decision.verdict == verdict


def test_drift_can_be_made_to_block(rules, evidence):
    for on_drift, verdict in (("investigate", "INVESTIGATE"), ("fail", "FAIL")):
        assert decide(with_rules(rules, "drift", on_drift=on_drift), evidence(drift_status="drift")).verdict == verdict


def test_rules_that_are_not_set_are_said_aloud(rules, evidence):
    optional = ("champion", "control", "data_wait", "budget", "drift")
    decision = decide(with_rules(rules, None, **dict.fromkeys(optional)), evidence(data_wait_share=None))
    assert decision.verdict == "PASS"
    assert {r.rule for r in decision.reasons if r.outcome == "not-set"} == set(optional)


def test_severities_that_are_measured_and_not_judged_are_said_aloud(rules, evidence):
    decision = decide(with_rules(rules, "invariance", severities=[1, 2, 3]), evidence())
    said = [r.message for r in decision.reasons if r.rule == "invariance" and r.outcome == "not-set"]
    assert said == ["Severity 4, 5 was measured and is not judged."]


def test_a_corruption_beyond_the_rules_is_judged_alike(rules, evidence):
    fewer = with_rules(rules, "invariance", corruptions=["noise", "blur"])
    assert decide(fewer, evidence(rotation_5((50, 50, 50)))).verdict == "FAIL"


def test_the_worst_comes_first_and_errors_outrank_failures(rules, evidence, altered):
    bad = evidence(rotation_5((50, 50, 50)), data_quality="fail", drift_status="drift")
    both = decide(rules, altered(bad, ("candidate", "blur", 1), lambda c: replace(c, accuracy=math.nan)))
    assert both.verdict == "ERROR"
    order = [r.outcome for r in both.reasons]
    assert order == sorted(order, key=["error", "fail", "investigate", "warn", "not-set", "pass"].index)
    assert {"error", "fail", "warn", "pass"} <= set(order)
    assert decide(rules, evidence(n=50, data_quality="fail")).verdict == "FAIL"
