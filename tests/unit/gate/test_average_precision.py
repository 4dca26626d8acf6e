"""The rule about average precision: shown, harmful, or not enough to tell; and evidence that is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import average_precision_score

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.gate.compared import compared
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Reason
from augment_ops.gate.ranked import RankedSamples
from augment_ops.gate.rule_models import AveragePrecision, Groups
from augment_ops.gate.rules import GateRules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Bootstrap
from augment_ops.report.inputs import judged_of
from augment_ops.stress.definition import AlertsSpec
from augment_ops.stress.ordering import orderings
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.slices import slices
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from support.evidence import evidence_about
from support.looked_for import FRAUDS, GENUINE, GOOD, RATE, judged, outcomes_of, report_of

RULE = AveragePrecision(min_gain=-0.01, no_effect="investigate", champion_margin=0.02, min_n=30)


@pytest.fixture(scope="session")
def ranked(rules: GateRules) -> GateRules:
    asked = AlertsSpec(class_name="fraud", rate=RATE)
    return rules.model_copy(update={"alerts": asked, "calibration": None, "average_precision": RULE})


def scored(rules: GateRules, shift: dict[str, float], noise: float = 0.3) -> Outcomes:
    """Scores on clean samples that set frauds apart by a role's shift; the same noise for both roles."""
    outcomes = outcomes_of(rules, GOOD)
    assert outcomes.scores is not None
    rng = np.random.default_rng(5)
    base = rng.normal(0, noise, outcomes.labels.shape)
    scores = outcomes.scores.copy()
    for m, role in enumerate(outcomes.models):
        scores[m, 0] = 1 / (1 + np.exp(-(base + shift[role] * outcomes.labels + rng.normal(0, 0.05, len(base)))))
    return replace(outcomes, scores=scores.astype(np.float32))


def order_of(decision: Decision) -> Reason:
    (reason,) = [reason for reason in decision.reasons if reason.rule == "average_precision"]
    return reason


@pytest.mark.parametrize(
    ("shift", "min_gain", "outcome"),
    [
        ({"candidate": 1.0, "control": 0.8}, 0.02, "pass"),
        ({"candidate": 0.8, "control": 1.0}, -0.01, "fail"),  # shown to lose more than is accepted
        ({"candidate": 0.9, "control": 0.9}, 0.02, "investigate"),  # no gain to be seen
        ({"candidate": 0.8, "control": 0.8}, -0.1, "pass"),
    ],
)
def test_a_gain_is_shown_a_loss_fails_and_what_is_neither_is_looked_into(ranked, shift, min_gain, outcome):
    gate = ranked.model_copy(update={"average_precision": RULE.model_copy(update={"min_gain": min_gain})})
    outcomes = scored(gate, shift)
    reason = order_of(judged(gate, outcomes))
    wanted = outcomes.labels == 1
    truth = [average_precision_score(wanted, outcomes.scores[m, 0]) for m in (0, 1)]
    assert reason.outcome == outcome
    assert reason.measured == pytest.approx(truth[0] - truth[1], abs=1e-9)
    assert reason.low < reason.measured < reason.high and reason.n == FRAUDS and reason.against == "control"
    assert "average precision of class fraud" in reason.message


def test_the_champion_is_held_against_as_well(ranked):
    outcomes = scored(ranked, {"candidate": 0.8, "control": 0.8})
    better = np.where(outcomes.labels == 1, np.float32(0.9), outcomes.scores[0, 0])
    three = {name: np.concatenate([getattr(outcomes, name), getattr(outcomes, name)[1:]]) for name in _ARRAYS}
    three["scores"][2, 0] = better
    with_champion = replace(outcomes, models={**outcomes.models, "champion": "e" * 64}, **three)
    report = replace(report_of(ranked, with_champion), champion_version="4")
    decision = decide(ranked, evidence_about(report), with_champion.to_bytes())
    reasons = {reason.against: reason for reason in decision.reasons if reason.rule == "average_precision"}
    assert reasons["champion"].outcome == "fail" and reasons["champion"].threshold == -0.02
    assert reasons["control"].outcome in {"pass", "investigate"}


_ARRAYS = ("predicted", "p_true", "p_predicted", "scores")


def test_too_few_of_the_class_are_no_verdict_and_a_missing_control_is_no_evidence(ranked):
    many = ranked.model_copy(update={"average_precision": RULE.model_copy(update={"min_n": FRAUDS + 1})})
    few = order_of(judged(many, outcomes_of(many, GOOD)))
    assert few.outcome == "investigate" and few.n == FRAUDS and few.threshold == FRAUDS + 1
    outcomes = outcomes_of(ranked, GOOD)
    alone = {name: getattr(outcomes, name)[:1] for name in _ARRAYS}
    single = replace(outcomes, models={"candidate": "c" * 64}, **alone)
    report = report_of(ranked, single)
    assert order_of(decide(ranked, evidence_about(report), single.to_bytes())).outcome == "error"


def test_a_score_that_is_no_number_is_no_evidence_and_nothing_is_said_of_the_order(ranked):
    outcomes = outcomes_of(ranked, GOOD)
    predicted, scores = outcomes.predicted.copy(), outcomes.scores.copy()
    predicted[0, 0, 3], scores[0, 0, 3] = NOT_A_NUMBER, np.nan
    silent = replace(outcomes, predicted=predicted, scores=scores)
    decision = judged(ranked, silent)
    assert decision.verdict == "ERROR"
    assert not [reason for reason in decision.reasons if reason.rule == "average_precision"]
    report = report_of(ranked, silent)
    found = compared(ranked, evidence_about(report), silent.to_bytes(), "k")
    assert found is None or all("average precision" not in one.name for one in found.measured)


def test_a_report_of_another_order_than_the_scores_give_is_found_out(ranked):
    outcomes = outcomes_of(ranked, GOOD)
    report = report_of(ranked, outcomes)
    first = replace(report.orderings[0], average_precision=0.99)
    decision = decide(
        ranked, evidence_about(replace(report, orderings=(first, *report.orderings[1:]))), outcomes.to_bytes()
    )
    assert decision.verdict == "ERROR"
    assert any("orderings of the stress report" in reason.message for reason in decision.reasons)
    before = decide(ranked, evidence_about(replace(report, orderings=())), outcomes.to_bytes())
    assert before.verdict == "PASS"  # reports of before have none, and the rule counts by itself


def test_the_page_compares_it_with_intervals_that_the_reasons_have(ranked):
    outcomes = scored(ranked, {"candidate": 1.0, "control": 0.8})
    evidence = evidence_about(report_of(ranked, outcomes))
    decision = decide(ranked, evidence, outcomes.to_bytes())
    found = compared(ranked, evidence, outcomes.to_bytes(), decision.evidence_digest)
    row = found.measured[-1]
    assert row.name == "average precision of class fraud" and row.low < row.share < row.high
    (beside,) = row.beside
    reason = order_of(decision)
    assert (beside.low, beside.high) == pytest.approx((reason.low, reason.high))


def test_the_interval_is_as_wide_as_chance_makes_the_difference(ranked):
    """Against the spread over fresh data, which the bootstrap is to guess from one set of it."""
    truth = []
    for draw in range(60):
        rng = np.random.default_rng(draw)
        wanted = np.arange(2_000) < 100
        ours, theirs = (rng.normal(0, 1, 2_000) + shift * wanted for shift in (2.0, 1.6))
        truth.append(average_precision_score(wanted, theirs) - average_precision_score(wanted, ours))
    scores = np.stack([[ours], [theirs]]).astype(np.float32)
    outcomes = replace(
        outcomes_of(ranked, GOOD),
        labels=wanted.astype(np.int16),
        scores=scores,
        destroyed=np.zeros((1, 2_000), np.uint8),
    )
    samples = VerifiedOutcomes(outcomes, outcomes, Bootstrap("k", 0.95, 400), {})
    loss = RankedSamples(samples).loss("control", 0.0)
    assert (loss.high - loss.low) / 3.92 == pytest.approx(np.std(truth), rel=0.4)


def test_perfect_scores_of_two_models_are_not_shown_to_be_equal_to_the_last_sample(ranked):
    outcomes = scored(ranked, {"candidate": 9.0, "control": 8.0}, noise=0.01)
    reason = order_of(judged(ranked, outcomes))
    assert reason.measured == 0 and reason.low == pytest.approx(-3.69 / FRAUDS, abs=1e-4)


def test_rules_without_the_section_keep_their_digest_and_decisions_and_it_needs_alerts(rules, ranked):
    assert "average_precision" not in rules.model_dump(mode="json")
    plain = ranked.model_copy(update={"average_precision": None})
    assert not [r for r in judged(plain, outcomes_of(plain, GOOD)).reasons if r.rule == "average_precision"]
    content = {**rules.model_dump(mode="json"), "average_precision": RULE.model_dump(mode="json")}
    with pytest.raises(ValidationError, match="average_precision only beside alerts"):
        GateRules.model_validate(content)


def test_recall_at_a_fixed_precision_is_measured_where_the_suite_asks_for_it(ranked):
    outcomes = outcomes_of(ranked, GOOD)
    assert all(one.recall_at_precision is None for one in orderings(outcomes))
    asked = replace(outcomes, alerts=replace(outcomes.alerts, precision=0.9))
    clean = orderings(asked)[0]
    assert clean.recall_at_precision == 380 / FRAUDS and clean.n == FRAUDS
    assert sha256_hex(asked.to_bytes()) != sha256_hex(outcomes.to_bytes())
    assert b"precision" not in canonical_json(outcomes.alerts)
    assert "precision" not in AlertsSpec(class_name="fraud", rate=0.1).model_dump(mode="json")
    assert GENUINE > 0


def test_a_decision_says_what_thresholds_give_and_one_that_was_moved_afterwards_is_found_out(ranked):
    alerts = AlertsSpec(class_name="fraud", rate=RATE, threshold="rate")
    gate = ranked.model_copy(update={"alerts": alerts})
    chosen = {"candidate": 0.25, "control": None}
    outcomes = outcomes_of(gate, GOOD, alerts=alerts.as_asked(), thresholds=chosen)
    report = report_of(gate, outcomes)
    decision = decide(gate, evidence_about(report), outcomes.to_bytes())
    ours, theirs = (reason for reason in decision.reasons if reason.rule == "operating")
    assert decision.verdict == "PASS" and ours.outcome == theirs.outcome == "not-set"
    assert "recall 95.0%" in ours.message and "precision 100.0%" in ours.message and ours.measured == 380 / 4000
    assert "No threshold was found for the control" in theirs.message
    moved = replace(report.operating[0], threshold=0.1)
    lied = evidence_about(replace(report, operating=(moved, *report.operating[1:])))
    assert decide(gate, lied, outcomes.to_bytes()).verdict == "ERROR"


def test_a_kind_of_fraud_is_a_group_of_frauds_and_the_genuine_are_none(ranked):
    """Of the second kind the candidate finds none: the scenario that nobody has taught it."""
    section = Groups(columns=("scenario",), max_gap=0.2, max_amplification=0.05, min_n=20)
    gate = ranked.model_copy(update={"groups": section, "average_precision": None})
    kinds = np.repeat(np.array([0, 1, 2], np.int16), (GENUINE, 360, 40))
    outcomes = outcomes_of(gate, {"candidate": (360, 360), "control": (400, 260)})
    outcomes = replace(outcomes, columns={"scenario": ("0", "1", "2")}, groups=kinds[None])
    report = replace(report_of(gate, outcomes), slices=slices(outcomes))
    found = decide(gate, evidence_about(report, format=3), outcomes.to_bytes())
    reasons = [reason for reason in found.reasons if reason.rule == "groups"]
    failed = [reason for reason in reasons if reason.outcome == "fail"]
    assert found.verdict == "FAIL" and {reason.group for reason in failed} == {"scenario=2"}
    assert any(reason.against == "control" for reason in failed)
    assert "Recall of class fraud at 10% alerts on clean" in failed[0].message
    assert not any("has 0 samples" in reason.message for reason in reasons)
    before = decide(gate, evidence_about(report, format=2), outcomes.to_bytes())
    assert any("Group scenario=0 has 0 samples" in reason.message for reason in before.reasons)


def test_the_page_shows_what_is_found_of_each_kind(ranked):
    kinds = np.repeat(np.array([0, 1, 2], np.int16), (GENUINE, 360, 40))
    outcomes = outcomes_of(ranked, {"candidate": (360, 360), "control": (400, 260)})
    outcomes = replace(outcomes, columns={"scenario": ("0", "1", "2")}, groups=kinds[None])
    told = judged_of(report_of(ranked, outcomes), outcomes, ()).stress
    assert {(s.role, s.group): s.clean for s in told.slices} == {
        ("candidate", "1"): 1.0, ("candidate", "2"): 0.0, ("control", "1"): 1.0, ("control", "2"): 1.0,
    }  # fmt: skip
