"""Recall at a fixed rate of alerts: one class is looked for, and what an alert is raised for is a matter of order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augment_ops.content import digest_of, sha256_hex
from augment_ops.errors import StoreError
from augment_ops.gate.rules import GateRules
from augment_ops.stress.asked import Alerts
from augment_ops.stress.definition import AlertsSpec
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from support.looked_for import FRAUDS, GENUINE, GOOD, RATE, judged, outcomes_of


@pytest.fixture(scope="session")
def for_fraud(rules: GateRules) -> GateRules:
    return rules.model_copy(update={"alerts": AlertsSpec(class_name="fraud", rate=RATE), "calibration": None})


def test_a_candidate_that_finds_frauds_among_its_alerts_passes_and_the_page_says_of_what(for_fraud):
    decision = judged(for_fraud, outcomes_of(for_fraud, GOOD))
    assert decision.verdict == "PASS"
    gain = next(reason for reason in decision.reasons if reason.rule == "control" and reason.p is not None)
    assert "mean stressed recall of class fraud at 10% alerts by +30.0 points" in gain.message
    assert gain.n == FRAUDS
    assert "gaps between clean and stressed recall of class fraud at 10% alerts" in decision.summary


@pytest.mark.parametrize(
    ("caught", "rule"),
    [
        ({"candidate": (380, 300), "control": (380, 250)}, "invariance"),
        ({"candidate": (200, 190), "control": (200, 150)}, "class_recall"),
        ({"candidate": (340, 335), "control": (390, 250)}, "control"),
    ],
)
def test_every_rule_is_about_the_frauds_alone(for_fraud, caught, rule):
    """As shares of all samples, each of these would be within its margin: 80 frauds are 2% of them."""
    decision = judged(for_fraud, outcomes_of(for_fraud, caught))
    assert decision.verdict == "FAIL"
    assert rule in {reason.rule for reason in decision.reasons if reason.outcome == "fail"}


def test_rules_and_outcomes_have_to_be_of_the_same_alerts(rules, for_fraud):
    outcomes = outcomes_of(for_fraud, GOOD)
    other = outcomes_of(for_fraud, GOOD, alerts=Alerts(class_name="fraud", rate=0.2))
    plain = outcomes_of(for_fraud, GOOD, alerts=None, scores=None)
    for gate, found in ((rules, outcomes), (for_fraud, other), (for_fraud, plain)):
        decision = judged(gate, found)
        assert decision.verdict == "ERROR"
        assert "where the rules judge" in decision.reasons[0].message


def test_a_report_of_other_alerts_than_the_scores_give_is_found_out(for_fraud):
    better = outcomes_of(for_fraud, {"candidate": (400, 400), "control": (380, 250)})
    decision = judged(for_fraud, outcomes_of(for_fraud, GOOD), report_as_of=better)
    assert decision.verdict == "ERROR"
    assert any("changed after the evaluation" in reason.message for reason in decision.reasons)


def test_as_many_alerts_as_the_rate_says_whatever_the_scores_are(for_fraud):
    outcomes = outcomes_of(for_fraud, GOOD)
    assert set(outcomes.alerted.sum(axis=-1).ravel().tolist()) == {int(RATE * (FRAUDS + GENUINE))}
    first = outcomes.alerted[0, 0]
    assert first[GENUINE : GENUINE + 380].all()
    assert first[GENUINE - 20 : GENUINE].all()


def test_equal_scores_are_not_ordered_by_what_the_samples_are(for_fraud):
    scores = np.full((2, 41, FRAUDS + GENUINE), 0.5, np.float32)
    level = outcomes_of(for_fraud, GOOD, scores=scores)
    caught = int(level.alerted[0, 0, GENUINE:].sum())
    assert 20 <= caught <= 65  # 40 of 400 expected: chance, and nothing of the order of the file
    order = np.random.default_rng(3).permutation(FRAUDS + GENUINE)
    shuffled = replace(level, labels=level.labels[order], sample_ids=tuple(level.sample_ids[i] for i in order))
    assert (shuffled.alerted == level.alerted[..., order]).all()


def test_what_a_corruption_destroyed_takes_no_alert(for_fraud):
    gone = np.zeros((41, FRAUDS + GENUINE), np.uint8)
    gone[1, -FRAUDS:] = 1
    outcomes = outcomes_of(for_fraud, GOOD, destroyed=gone)
    assert not outcomes.alerted[:, 1, -FRAUDS:].any()
    assert outcomes.alerted[0, 1].sum() == int(RATE * GENUINE)


def test_a_sample_without_an_answer_is_not_right(for_fraud):
    outcomes = outcomes_of(for_fraud, GOOD)
    predicted, scores = outcomes.predicted.copy(), outcomes.scores.copy()
    predicted[0, 0, :5], scores[0, 0, :5] = NOT_A_NUMBER, np.nan
    silent = replace(outcomes, predicted=predicted, scores=scores)
    assert not silent.right[0, 0, :5].any()
    assert from_bytes(silent.to_bytes(), sha256_hex(silent.to_bytes())).right[0, 0, 5:].any()
    assert judged(for_fraud, silent).verdict == "ERROR"


def test_outcomes_with_alerts_are_read_back_and_what_cannot_be_is_refused(for_fraud):
    outcomes = outcomes_of(for_fraud, GOOD)
    again = from_bytes(outcomes.to_bytes(), sha256_hex(outcomes.to_bytes()))
    assert again.alerts == outcomes.alerts
    assert (again.alerted == outcomes.alerted).all()
    for wrong in (
        {"scores": outcomes.scores + 1},
        {"scores": outcomes.scores[:, :, 1:]},
        {"scores": np.full_like(outcomes.scores, np.nan)},
        {"alerts": Alerts(class_name="theft", rate=RATE)},
        {"alerts": Alerts(class_name="fraud", rate=1.0)},
    ):
        data = replace(outcomes, **wrong).to_bytes()
        with pytest.raises(StoreError):
            from_bytes(data, sha256_hex(data))


def test_rules_without_alerts_keep_their_digest_and_those_with_say_so_in_words_of_the_file(rules, for_fraud):
    assert "alerts" not in rules.model_dump(mode="json")
    assert for_fraud.model_dump(mode="json")["alerts"] == {"class": "fraud", "rate": RATE}
    assert digest_of(for_fraud.model_dump(mode="json")) != digest_of(rules.model_dump(mode="json"))


def test_a_suite_without_a_sample_of_what_is_looked_for_is_no_evidence(for_fraud):
    outcomes = outcomes_of(for_fraud, GOOD)
    decision = judged(for_fraud, replace(outcomes, labels=np.zeros_like(outcomes.labels)))
    assert decision.verdict == "ERROR"
    assert "no sample of class fraud" in decision.reasons[0].message
