from __future__ import annotations

import math
from dataclasses import replace

import pytest

from augment_ops.content import canonical_json, digest_of, from_json
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


def rotation_5(right: tuple[int, ...], n: int = 100):
    """95% right everywhere, except the candidate under rotation at severity 5, and the control under any stress."""

    def give(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        if (role, corruption, severity) == ROTATION_5:
            return right
        return (round(n * (0.6 if role == "control" and corruption != "clean" else 0.95)),) * len(right)

    return give


def test_sound_evidence_within_every_limit_passes(decide, rules, evidence):
    decision = decide(rules, evidence())
    assert decision.verdict == "PASS"
    assert {reason.outcome for reason in decision.reasons} == {"pass", "not-set"}
    assert {reason.rule for reason in decision.reasons if reason.outcome == "not-set"} == {"groups", "unseen"}
    gaps = [r for r in decision.reasons if r.rule == "invariance"]
    assert {(r.corruption, r.severity) for r in gaps} == {
        (c, s) for c in rules.invariance.corruptions for s in (1, 2, 3, 4, 5)
    }
    assert decision.rules_digest == rules.digest
    assert decision.evidence_digest == digest_of(evidence())


def test_the_decision_is_the_same_byte_for_byte_and_survives_its_document(decide, rules, evidence):
    first = canonical_json(decide(rules, evidence()))
    assert canonical_json(decide(rules, evidence())) == first
    assert canonical_json(from_json(Decision, first)) == first
    through_store = from_json(Evidence, canonical_json(evidence()))
    assert canonical_json(decide(rules, through_store)) == first


@pytest.mark.parametrize("n", [50, (100, 100, 19), (100, 100, 100)])
def test_a_decision_has_one_digest_before_and_after_it_is_stored(decide, rules, evidence, n):
    """The ledger enters the one, the report and the replay know the other; also where samples were too few."""
    decision = decide(rules, evidence(n=n))
    assert digest_of(from_json(Decision, canonical_json(decision))) == digest_of(decision)


@pytest.mark.parametrize(
    ("right", "verdict", "outcome"),
    [
        ((860, 850, 850), "PASS", "pass"),  # gap 9.67 points
        ((850, 850, 850), "PASS", "warn"),  # 10.0, at the threshold
        ((830, 830, 830), "PASS", "warn"),  # 12.0 ± 1.2: 15 is shown not to be reached
        ((805, 805, 805), "INVESTIGATE", "investigate"),  # 14.5 ± 1.3
        ((800, 800, 800), "FAIL", "fail"),  # 15.0: 0.95 - 0.80 is below 0.15 in floating point
        ((400, 800, 800), "FAIL", "fail"),
    ],
)
def test_the_gap_warns_at_ten_and_blocks_at_fifteen_points(decide, rules, evidence, right, verdict, outcome):
    decision = decide(rules, evidence(rotation_5(right, 1000), n=1000))
    assert decision.verdict == verdict
    judged = [r for r in decision.reasons if (r.rule, r.corruption, r.severity) == ("invariance", "rotation", 5)]
    assert [r.outcome for r in judged] == [outcome]
    assert judged[0].n == 3000
    assert judged[0].low < judged[0].measured < judged[0].high


def test_the_same_gap_passes_or_not_by_how_well_it_is_known(decide, rules, evidence):
    """12 points measured: 3.7 more are possible at n = 300, 1.2 at n = 3000."""
    for n, verdict in ((100, "INVESTIGATE"), (1000, "PASS")):
        right = (round(0.83 * n),) * 3
        assert decide(rules, evidence(rotation_5(right, n), n=n)).verdict == verdict
    measured_alone = with_rules(rules, "invariance", burden="none")
    assert decide(measured_alone, evidence(rotation_5((83, 83, 83)))).verdict == "PASS"


def test_a_corruption_may_have_stricter_limits_of_its_own(decide, rules, evidence):
    strict = with_rules(rules, "invariance", stricter={"rotation": {"warn_gap": 0.02, "block_gap": 0.05}})
    decision = decide(strict, evidence(rotation_5((86, 86, 86))))
    assert [(r.corruption, r.threshold) for r in decision.reasons if r.outcome == "fail"] == [("rotation", 0.05)]


def test_a_refusal_names_corruption_severity_class_and_numbers(decide, rules, evidence):
    decision = decide(rules, evidence(rotation_5((95, 44, 80))))
    first = decision.reasons[0]
    assert (first.rule, first.outcome, first.corruption, first.severity) == ("invariance", "fail", "rotation", 5)
    assert first.class_name == "b"
    assert first.message == (
        "rotation at severity 5 costs 22.0 points of accuracy (95.0% to 73.0%; limit 15.0 points), "
        "most in class b (95.0% to 44.0%)."
    )
    assert (first.measured, first.threshold) == (pytest.approx(0.22), 0.15)


def test_a_gap_that_only_one_severity_shows_is_not_averaged_away(decide, rules, evidence):
    """39 perfect cells do not buy one broken one."""
    decision = decide(
        rules, evidence(lambda r, c, s: (50, 50, 50) if (r, c, s) == ("candidate", "blur", 2) else (99, 99, 99))
    )
    assert decision.verdict == "FAIL"
    assert [(r.corruption, r.severity) for r in decision.reasons if r.outcome == "fail" and r.rule == "invariance"] == [
        ("blur", 2)
    ]


def test_a_class_that_collapses_fails_though_the_mean_holds(decide, rules, evidence):
    decision = decide(rules, evidence(rotation_5((15, 100, 100))))
    failed = [r for r in decision.reasons if r.outcome == "fail" and r.rule == "class_recall"]
    assert [(r.class_name, r.corruption, r.severity, r.n) for r in failed] == [("a", "rotation", 5, 100)]
    assert failed[0].measured == pytest.approx(0.15)
    assert failed[0].low == pytest.approx(0.0931, abs=1e-4)  # Wilson, 15 of 100
    assert failed[0].high == pytest.approx(0.2328, abs=1e-4)


def test_a_recall_a_little_below_its_floor_is_not_enough_evidence_of_harm(decide, rules, evidence):
    """39 of 100 against 40%, one of 123 recalls looked at: nobody can tell."""
    decision = decide(rules, evidence(rotation_5((39, 100, 100))))
    low = [r for r in decision.reasons if r.rule == "class_recall"]
    assert [(r.outcome, r.class_name, r.corruption, r.severity) for r in low] == [("investigate", "a", "rotation", 5)]
    assert low[0].p == 1.0, "corrected for 120 recalls"


def test_a_recall_is_to_be_shown_above_its_floor_where_the_rules_say_so(decide, rules, evidence):
    strict = with_rules(rules, "class_recall", burden="safety")
    decision = decide(strict, evidence(rotation_5((45, 100, 100))))
    assert [(r.outcome, r.class_name) for r in decision.reasons if r.rule == "class_recall"] == [("investigate", "a")]
    assert outcomes(decide(rules, evidence(rotation_5((45, 100, 100)))), "class_recall") == {"pass"}


def test_a_clean_class_below_its_floor_fails(decide, rules, evidence):
    decision = decide(
        rules, evidence(lambda r, c, s: (30, 60, 60) if r == "control" and s else (45, 95, 95), champion=False)
    )
    failed = [r for r in decision.reasons if r.outcome == "fail" and r.rule == "class_recall"]
    assert [(r.class_name, r.corruption, r.severity) for r in failed] == [("a", "clean", 0)]
    assert decision.verdict == "FAIL"


def test_several_severities_of_one_class_make_one_reason(decide, rules, evidence):
    def give(role, corruption, severity):
        return (20 - severity, 99, 99) if corruption == "noise" else (99, 99, 99)

    failed = [r for r in decide(rules, evidence(give)).reasons if r.rule == "class_recall" and r.outcome == "fail"]
    assert [(r.corruption, r.severity) for r in failed] == [("noise", 5)]
    assert "Also at severity 1, 2, 3, 4." in failed[0].message


def test_a_model_that_always_answers_the_same_is_refused_though_its_gaps_are_zero(decide, rules, evidence):
    decision = decide(rules, evidence(lambda r, c, s: (100, 0, 0), champion=False))
    assert decision.verdict == "FAIL"
    assert outcomes(decision, "invariance") == {"pass"}
    assert {r.class_name for r in decision.reasons if r.rule == "class_recall" and r.outcome == "fail"} == {"b", "c"}


def test_too_few_samples_investigate_and_say_how_many(decide, rules, evidence):
    decision = decide(rules, evidence(n=50))
    assert decision.verdict == "INVESTIGATE"
    assert "The suite has 150 samples; 200 are needed" in decision.reasons[0].message


def test_a_class_with_too_few_samples_is_named_with_its_n(decide, rules, evidence):
    decision = decide(rules, evidence(n=(100, 100, 19)))
    assert decision.verdict == "INVESTIGATE"
    found = [r for r in decision.reasons if r.outcome == "investigate"]
    assert [(r.rule, r.class_name, r.n) for r in found] == [("class_recall", "c", 19)]


@pytest.mark.parametrize(
    ("worded", "champion", "budget", "leakage"),
    [
        (1, "There is no champion yet; ", "takes 0.0182 ms", "0.004 (at most 0.005)"),
        (2, "No model was champion when the gate decided; ", "takes 0.018 ms", "0.4% (at most 0.5%)"),
    ],
)
def test_sentences_of_earlier_evidence_stay_as_they_were(decide, rules, evidence, worded, champion, budget, leakage):
    """A decision is made again to the byte. Of later evidence they are true after a promotion too, and have units."""
    found = evidence(
        champion=False, format=worded, augment_p95_ms=0.01817, leakage={"near-duplicates-between-splits": 0.004}
    )
    told = {reason.rule: reason.message for reason in decide(rules, found).reasons}
    assert told["champion"].startswith(champion)
    assert budget in told["budget"]
    assert leakage in told["leakage"]


@pytest.mark.parametrize(
    ("worded", "floor", "leakage"),
    [(3, "at least 0.0%;", "0.0% (at most 0.5%)"), (4, "at least 0.05%;", "0.04% (at most 0.5%)")],
)
def test_small_shares_have_their_digits_and_in_sentences_of_earlier_evidence_what_they_had(
    decide, rules, evidence, worded, floor, leakage
):
    few = with_rules(rules, "class_recall", clean_floor=0.0005, stressed_floor=0.0005)
    found = evidence(lambda role, c, s: (0, 95, 95), format=worded, leakage={"near-duplicates-between-splits": 0.0004})
    told = {
        reason.rule: reason.message for reason in decide(few, found).reasons if reason.corruption in (None, "clean")
    }
    assert floor in told["class_recall"]
    assert leakage in told["leakage"]


def test_a_first_champion_is_allowed_or_looked_at_as_the_rules_say(decide, rules, evidence):
    first = evidence(champion=False)
    assert decide(rules, first).verdict == "PASS"
    assert decide(with_rules(rules, "champion", first_champion="investigate"), first).verdict == "INVESTIGATE"


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
        ({"leakage": {"near-duplicates-between-splits": 0.004}}, "leakage", "pass", "PASS"),
        ({"leakage": {"exact-duplicates-between-splits": 0.0, "subject-leakage": 1.0}}, "leakage", "fail", "FAIL"),
        ({"environment": "staging"}, "approvals", "pass", "PASS"),
        ({"environment": "production"}, "approvals", "fail", "FAIL"),
        ({"environment": "production", "approval": "ml-lead"}, "approvals", "pass", "PASS"),
    ],
)
def test_the_rest_of_the_run_is_judged(decide, rules, evidence, changes, rule, outcome, verdict):
    decision = decide(rules, evidence(**changes))
    assert outcomes(decision, rule) == {outcome}
    assert decision.verdict == verdict


def test_drift_can_be_made_to_block(decide, rules, evidence):
    for on_drift, verdict in (("investigate", "INVESTIGATE"), ("fail", "FAIL")):
        assert decide(with_rules(rules, "drift", on_drift=on_drift), evidence(drift_status="drift")).verdict == verdict


def test_rules_that_are_not_set_are_said_aloud(decide, rules, evidence):
    optional = ("champion", "control", "unseen", "groups", "calibration", "leakage", "approvals")
    optional += ("data_wait", "budget", "drift")
    decision = decide(with_rules(rules, None, **dict.fromkeys(optional)), evidence(data_wait_share=None))
    assert decision.verdict == "PASS"
    assert {r.rule for r in decision.reasons if r.outcome == "not-set"} == set(optional)


def test_severities_that_are_measured_and_not_judged_are_said_aloud(decide, rules, evidence):
    decision = decide(with_rules(rules, "invariance", severities=[1, 2, 3]), evidence())
    said = [r.message for r in decision.reasons if r.rule == "invariance" and r.outcome == "not-set"]
    assert said == ["Severity 4, 5 was measured and is not judged."]


def test_a_corruption_beyond_the_rules_is_judged_alike(decide, rules, evidence):
    fewer = with_rules(rules, "invariance", corruptions=["noise", "blur"])
    assert decide(fewer, evidence(rotation_5((50, 50, 50)))).verdict == "FAIL"


def test_the_worst_comes_first_and_errors_outrank_failures(decide, rules, evidence, altered):
    bad = evidence(rotation_5((50, 50, 50)), data_quality="fail", drift_status="drift")
    both = decide(rules, altered(bad, ("candidate", "blur", 1), lambda c: replace(c, accuracy=math.nan)))
    assert both.verdict == "ERROR"
    order = [r.outcome for r in both.reasons]
    assert order == sorted(order, key=["error", "fail", "investigate", "warn", "not-set", "pass"].index)
    assert {"error", "fail", "warn", "pass"} <= set(order)
    assert decide(rules, evidence(n=50, data_quality="fail")).verdict == "FAIL"
