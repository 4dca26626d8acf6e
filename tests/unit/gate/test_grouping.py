"""Reasons of one kind are one line, with what a person can do; the decision keeps every one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.errors import StoreError
from augment_ops.gate.decision import Evidence, QualityFinding, Reason
from augment_ops.gate.grouping import grouped

SATURATED = QualityFinding(
    name="saturated",
    status="fail",
    measured=0.077,
    unit="share",
    limit=0.05,
    message="77 of 1000 augmented images are burnt out, most often in class 8 (12%); narrow the ranges.",
)


def few(name: str, n: int, least: float = 20.0) -> Reason:
    message = f"Class {name} has {n} samples in the suite; 20 are needed to judge its recall."
    return Reason(rule="class_recall", outcome="investigate", message=message, class_name=name, threshold=least, n=n)


def test_forty_classes_with_too_few_samples_are_one_line_that_says_how_many_to_add() -> None:
    other = Reason(rule="drift", outcome="investigate", message="The production window has drifted.")
    reasons = [few(f"c{i:02}", 19 - i % 17) for i in range(40)]
    found, last = grouped([*reasons[:20], other, *reasons[20:]])
    assert found.message.startswith(
        "40 classes have fewer samples in the suite than the 20 that judging them takes: c16 (3)"
    )
    assert found.message.endswith(" and 28 more.")
    assert found.advice.startswith("Add held-out samples, as many as are missing: c16 (17), ")
    assert found.reasons == tuple(reasons)
    assert (last.message, last.reasons, last.advice) == (other.message, (other,), "")


def test_a_class_by_itself_and_one_without_samples() -> None:
    (one,) = grouped([few("x", 0)])
    assert one.message == "1 class has fewer samples in the suite than the 20 that judging them takes: x (0)."
    add = "Add held-out samples, as many as are missing: "
    assert one.advice == f"{add}x (20)."  # without samples, there is nothing to waive
    (two,) = grouped([few("x", 0), few("y", 5)])
    assert two.advice == (
        f"{add}x (20), y (15). Or have a gate judge as one what nobody tells apart (equivalent, in its file), or have "
        "somebody waive them (augment-ops waive)."
    )
    (other,) = grouped([replace(few("x", 0), class_name=None, group="region=north")])  # nobody can waive a group
    assert other.advice == f"{add}region=north (20)."


def test_one_class_with_samples_can_be_waived() -> None:
    (one,) = grouped([few("x", 3)])
    assert one.advice.endswith("x (17). Or have somebody waive it (augment-ops waive).")


def test_what_several_people_waived_is_told_of_each() -> None:
    waived = [
        replace(few("ab"[i], 3), outcome="warn", message=f"waived by {by}") for i, by in enumerate(("ada", "bob"))
    ]
    assert [group.message for group in grouped(waived)] == ["waived by ada", "waived by bob"]


def test_only_what_says_the_same_is_taken_together() -> None:
    gap: dict[str, Any] = {"rule": "invariance", "outcome": "fail", "measured": 0.3, "threshold": 0.15, "n": 300}
    reasons = [
        Reason(message="rotation at severity 5 costs 30 points.", corruption="rotation", severity=5, **gap),
        Reason(message="noise at severity 5 costs 20 points.", corruption="noise", severity=5, **gap),
        Reason(message="rotation at severity 4 costs 18 points.", corruption="rotation", severity=4, **gap),
        few("a", 3),
        few("b", 3, least=30.0),
        *(Reason(rule="class_recall", outcome="pass", message="Well.", class_name=name) for name in "ab"),
    ]
    found = grouped(reasons)
    assert [len(group.reasons) for group in found] == [2, 1, 1, 1, 1, 1]
    assert found[0].message == "rotation at severity 5 costs 30 points. Also at severity 4."
    assert sum((group.reasons for group in found), ()) != ()
    assert sorted(map(repr, reasons)) == sorted(repr(reason) for group in found for reason in group.reasons)


def test_classes_below_their_floor_are_named(decide: Any, rules: Any, evidence: Any) -> None:
    found = decide(rules, evidence(lambda role, c, s: (40, 45, 95) if role == "candidate" else (95, 95, 95)))
    low = [g for g in grouped(found.reasons) if g.rule == "class_recall" and g.reasons[0].corruption == "clean"]
    assert [len(group.reasons) for group in low] == [2]
    assert low[0].message.endswith(". 1 more of this kind, in class b.")


@pytest.mark.parametrize("written", [1, 2])
def test_a_summary_of_today_takes_a_kind_together_and_one_of_before_does_not(
    decide: Any, rules: Any, evidence: Any, written: int
) -> None:
    found = decide(rules, evidence(n=(12, 300, 11), format=written))
    assert found.verdict == "INVESTIGATE"
    together = "2 classes have fewer samples in the suite than the 20 that judging them takes: c (11), a (12)"
    assert (together in found.summary) == (written == 2)


def test_a_report_that_failed_says_by_what(decide: Any, rules: Any, evidence: Any) -> None:
    made = evidence(augmented_quality="fail", findings={"augmented_quality": (SATURATED,)}, format=2)
    found = decide(rules, made)
    assert found.verdict == "FAIL"
    first = found.reasons[0]
    assert first.message.startswith(
        "augmented samples: 7.7% saturated (limit 5.0%): 77 of 1000 augmented images are burnt"
    )
    assert (first.rule, first.measured, first.threshold) == ("augmented_quality", 0.077, 0.05)
    assert "augmented samples: 7.7% saturated (limit 5.0%)" in found.summary
    assert from_json(Evidence, canonical_json(made)) == made


@pytest.mark.parametrize("status", ["ok", "warn", None])
def test_a_finding_does_not_stand_for_its_report(decide: Any, rules: Any, evidence: Any, status: str | None) -> None:
    plain = decide(rules, evidence(augmented_quality=status))
    found = decide(rules, evidence(augmented_quality=status, findings={"augmented_quality": (SATURATED,)}))
    assert found.verdict == plain.verdict
    assert [r.message for r in found.reasons if r.rule == "augmented_quality"] == [
        r.message for r in plain.reasons if r.rule == "augmented_quality"
    ]


def test_evidence_of_before_keeps_its_digest_and_one_of_later_is_refused(evidence: Any) -> None:
    made = evidence()
    assert b"findings" not in canonical_json(made)
    assert digest_of(made) == digest_of(replace(made, format=1, findings={}))
    with pytest.raises(StoreError, match="written by a newer version"):
        from_json(Evidence, canonical_json(replace(made, format=Evidence.NEWEST_FORMAT + 1)))
