"""A class that somebody has waived is a warning where it cannot be judged, and fails where it can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.gate.decision import Evidence, Waiver

WAIVED = (Waiver(class_name="a", by="ada", until="2027-01-31", reason="Samples come in spring."),)
FEW = (12, 200, 100)


def test_too_few_samples_are_a_warning_that_names_who_waived_them(decide: Any, rules: Any, evidence: Any) -> None:
    made = evidence(n=FEW, waivers=WAIVED)
    assert decide(rules, evidence(n=FEW)).verdict == "INVESTIGATE"
    found = decide(rules, made)
    assert found.verdict == "PASS", found.summary
    (told,) = (r for r in found.reasons if r.rule == "class_recall" and r.outcome == "warn")
    assert told.message == (
        "Class a has 12 samples in the suite; 20 are needed to judge its recall; waived by ada until 2027-01-31: "
        "Samples come in spring."
    )
    assert from_json(Evidence, canonical_json(made)) == made


def test_a_class_that_is_shown_to_be_lost_fails_all_the_same(decide: Any, rules: Any, evidence: Any) -> None:
    def lost(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        return (0, 190, 95) if role == "candidate" else (11, 190, 95)

    assert decide(rules, evidence(lost, n=FEW, waivers=WAIVED)).verdict == "FAIL"


def test_another_class_is_not_waived(decide: Any, rules: Any, evidence: Any) -> None:
    assert decide(rules, evidence(n=(12, 200, 12), waivers=WAIVED)).verdict == "INVESTIGATE"


@pytest.mark.parametrize("field", ["by", "until", "reason"])
def test_a_waiver_without_name_end_or_reason_is_no_evidence(decide: Any, rules: Any, evidence: Any, field: str) -> None:
    made = evidence(n=FEW, waivers=(replace(WAIVED[0], **{field: " "}),))
    assert decide(rules, made).verdict == "ERROR"
