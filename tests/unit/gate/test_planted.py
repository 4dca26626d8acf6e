"""What augmentation is known to do wrong, planted in what shipped policies make, and refused in the check's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augment_ops.gate.decision import Evidence
from augment_ops.pipeline.stages.decision import findings_of
from support import planted_histories, planted_rows, planted_texts
from support.planted import Augmented
from support.planted_histories import HISTORIES
from support.planted_rows import PAYMENTS
from support.planted_texts import QUESTIONS

Plant = Callable[[np.ndarray], None]  # in place


def nothing(samples: np.ndarray) -> None:
    """Nothing but more copies."""


# (of, what is wrong) → samples, what plants it, copies of each sample, the check that names it.
FAILURES: dict[tuple[str, str], tuple[Augmented, Plant, int, str]] = {
    ("rows", "label noise by augmentation"): (PAYMENTS, planted_rows.label_noise, 2, "other-class-neighbours"),
    ("rows", "the test month in synthetic rows"): (PAYMENTS, planted_rows.leaked_month, 2, "held-out-leakage"),
    ("rows", "a rare class washed out"): (PAYMENTS, planted_rows.washed_out, 2, "class-share"),
    ("rows", "bias amplified between customers"): (PAYMENTS, planted_rows.bias, 2, "group-share"),
    ("rows", "over-augmentation"): (PAYMENTS, nothing, 40, "over-augmentation"),
    ("texts", "label noise by augmentation"): (QUESTIONS, planted_texts.label_noise, 2, "label-noise"),
    ("texts", "held-out questions in training"): (QUESTIONS, planted_texts.leaked, 2, "held-out-leakage"),
    ("texts", "a rare intent washed out"): (QUESTIONS, planted_texts.washed_out, 2, "class-share"),
    ("texts", "bias amplified between countries"): (QUESTIONS, planted_texts.bias, 2, "group-share"),
    ("texts", "over-augmentation"): (QUESTIONS, planted_texts.overdone, 2, "words-changed"),
    ("histories", "label noise by augmentation"): (HISTORIES, planted_histories.label_noise, 2, "label-noise"),
    ("histories", "the held-out moment in training"): (HISTORIES, planted_histories.leaked, 2, "held-out-leakage"),
    ("histories", "rare items washed out"): (HISTORIES, planted_histories.washed_out, 2, "class-share"),
    ("histories", "rare items that give way"): (HISTORIES, planted_histories.popular, 2, "popularity-shift"),
    ("histories", "cold users washed out"): (HISTORIES, planted_histories.bias, 2, "group-share"),
    ("histories", "over-augmentation"): (HISTORIES, planted_histories.overdone, 2, "items-changed"),
}


@pytest.mark.parametrize("failure", FAILURES, ids=": ".join)
def test_the_gate_refuses_what_was_planted_and_says_why(
    decide: Any, rules: Any, evidence: Any, failure: tuple[str, str]
) -> None:
    made, plant, copies, check = FAILURES[failure]
    planted = made.augmented.copy()
    plant(planted)
    reasons = {}
    for plants, augmented in ((False, made.augmented), (True, planted)):
        decision = decide(
            rules, evidence(format=Evidence.NEWEST_FORMAT, **told(made, augmented, copies if plants else 2, check))
        )
        assert decision.verdict == ("FAIL" if plants else "PASS"), decision.summary
        reasons[plants] = [reason for reason in decision.reasons if reason.outcome == "fail"]
    assert not reasons[False] and {reason.rule for reason in reasons[True]} == {"augmented_quality"}
    said = check.replace("-", " ")
    assert said in reasons[True][0].message and said in decision.summary


@pytest.mark.parametrize("made", [QUESTIONS, HISTORIES], ids=["texts", "histories"])
def test_many_epochs_of_a_network_are_told_and_refuse_nothing(
    decide: Any, rules: Any, evidence: Any, made: Augmented
) -> None:
    decision = decide(
        rules, evidence(format=Evidence.NEWEST_FORMAT, **told(made, made.augmented, 80, "over-augmentation"))
    )
    warned = [reason for reason in decision.reasons if reason.outcome == "warn"]
    assert decision.verdict == "PASS" and "over augmentation" in warned[0].message


def told(made: Augmented, augmented: np.ndarray, copies: int, check: str) -> dict[str, Any]:
    """The part of the evidence that tells of the augmented samples."""
    report = made.report(augmented, check, copies=copies)
    return {"augmented_quality": report.status, "findings": {"augmented_quality": findings_of(report)}}
