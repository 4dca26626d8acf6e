"""What augmentation of rows is known to do wrong, planted, and refused by the gate in the words of the check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augment_ops.pipeline.stages.decision import findings_of
from support import planted_rows as planted

FAILURES = {
    "label noise by augmentation": (planted.label_noise, 2, "other-class-neighbours"),
    "the test month in synthetic rows": (planted.leaked_month, 2, "held-out-leakage"),
    "a rare class washed out": (planted.washed_out, 2, "class-share"),
    "bias amplified between customers": (planted.bias, 2, "group-share"),
    "over-augmentation": (lambda rows: None, 40, "over-augmentation"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_gate_refuses_what_was_planted_and_says_why(decide: Any, rules: Any, evidence: Any, name: str) -> None:
    plant, copies, check = FAILURES[name]
    reasons = {}
    for plants in (False, True):
        decision = decide(rules, evidence(format=2, **told(plant if plants else None, copies if plants else 2, check)))
        assert decision.verdict == ("FAIL" if plants else "PASS"), decision.summary
        reasons[plants] = [reason for reason in decision.reasons if reason.outcome == "fail"]
    assert not reasons[False] and {reason.rule for reason in reasons[True]} == {"augmented_quality"}
    said = check.replace("-", " ")
    assert said in reasons[True][0].message and said in decision.summary


def told(plant: Callable[[np.ndarray], None] | None, copies: int, check: str) -> dict[str, Any]:
    """The part of the evidence that tells of the augmented rows."""
    rows = planted.AUGMENTED.copy()
    if plant is not None:
        plant(rows)
    report = planted.report_of(rows, check, copies=copies)
    return {"augmented_quality": report.status, "findings": {"augmented_quality": findings_of(report)}}
