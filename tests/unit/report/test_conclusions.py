"""Three sentences from the evidence: what changed, what it speaks for, what is risky; case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augment_ops.gate.compared import Beside, Fall, MeasuredShare, SideBySide
from augment_ops.gate.decision import Decision, Reason
from augment_ops.pipeline.stages.brief import warnings_of
from augment_ops.report.brief import Brief
from augment_ops.report.conclusions import conclusions
from augment_ops.report.page import render
from augment_ops.report.stress_summary import worst_gap
from support.report_page import BRIEF, inputs, stress


def measured(name: str, gain: float, low: float, high: float, role: str = "champion") -> MeasuredShare:
    beside = Beside(role=role, share=0.9 - gain, gain=gain, low=low, high=high)
    return MeasuredShare(name=name, share=0.9, low=0.88, high=0.92, n=450, beside=(beside,))


def compared(*rows: MeasuredShare, falls: tuple[Fall, ...] = ()) -> SideBySide:
    return SideBySide(confidence=0.95, measured=rows, against=rows[0].beside[0].role, looked_at=28, falls=falls)


BETTER = compared(
    measured("clean accuracy", 0.001, -0.011, 0.013), measured("mean accuracy under stress", 0.088, 0.079, 0.098)
)
WORSE = compared(
    measured("clean accuracy", -0.03, -0.04, -0.02),
    measured("mean accuracy under stress", 0.0, -0.01, 0.01),
    falls=(Fall(what="fog", loss=0.042, low=0.021, high=0.063, shown=True),),
)
CANDIDATE = replace(BRIEF, version="4", champion="3", policy_changes=("p: 0.5 → 0.8",), compared=BETTER)


def told(verdict: str, reasons: tuple[Reason, ...] = (), brief: Brief = CANDIDATE) -> tuple[str, str, str]:
    brief = replace(brief, verdict=verdict, warnings=tuple(warnings_of(reasons)) + brief.warnings)
    found = conclusions(Decision(verdict, "g", "a" * 64, "b" * 64, reasons, "It is so."), brief, stress())
    return found.changed, found.recommendation, found.risks


def passed(**more: object) -> Reason:
    return Reason(**({"rule": "invariance", "outcome": "pass", "message": "Fine."} | more))


def test_better_than_the_champion() -> None:
    changed, recommendation, risks = told("PASS", (passed(), passed()))
    assert changed == (
        "Against champion 3, trained with digits-robust 1.2.0 (1 change of policy), clean accuracy is not shown to "
        "differ (+0.1 points, −1.1 to +1.3, n = 450); mean accuracy under stress is better by 8.8 points (+7.9 to "
        "+9.8)."
    )
    assert recommendation == "The evidence speaks for promoting it: all 2 conditions of the gate let it through."
    assert risks == (
        "Nothing is shown to be worse than champion 3, of 28 corruptions and classes; rotation at severity 5 costs it "
        "most, 20.0 points, to 76.0% (n = 90)."
    )


def test_worse_than_the_champion() -> None:
    failed = Reason(rule="champion", outcome="fail", message="Clean accuracy is 3.0 points lower.")
    changed, recommendation, risks = told("FAIL", (failed, passed()), replace(CANDIDATE, version="", compared=WORSE))
    assert "clean accuracy is worse by 3.0 points (−4.0 to −2.0)" in changed
    assert recommendation == (
        "The evidence speaks against promoting it: 1 condition failed, first: Clean accuracy is 3.0 points lower."
    )
    assert risks.startswith("Worse than champion 3 is fog, −4.2 points (−6.3 to −2.1); ")


def test_without_a_champion_it_is_the_control_that_it_is_compared_with() -> None:
    control = compared(measured("clean accuracy", 0.02, 0.01, 0.03, "control"))
    changed, _, risks = told("PASS", (passed(),), replace(CANDIDATE, champion="", compared=control))
    assert changed == (
        "No model was champion of dev when the gate decided; against the control, trained without augmentation, clean "
        "accuracy is better by 2.0 points (+1.0 to +3.0)."
    )
    assert risks.startswith("Nothing is shown to be worse than the control, ")


def test_too_few_to_tell() -> None:
    few = Reason(
        rule="class_recall",
        outcome="investigate",
        message="Class x has 7 samples.",
        class_name="x",
        threshold=20.0,
        n=7,
    )
    _, recommendation, _ = told("INVESTIGATE", (few, passed()))
    assert recommendation.startswith("The evidence is too little to promote it: 1 condition cannot be told, first: ")
    assert recommendation.endswith("than the 20 that judging them takes: x (7).")


def test_evidence_that_cannot_be_believed() -> None:
    broken = Reason(rule="evidence", outcome="error", message="The outcomes were altered.")
    changed, recommendation, risks = told("ERROR", (broken,), replace(CANDIDATE, compared=None))
    assert changed.startswith("What changed cannot be said")
    assert (
        recommendation == "The evidence cannot be relied on, so that it speaks for nothing: The outcomes were altered."
    )
    assert "Nothing is shown to be worse" not in risks, "what was not compared is not shown to be as good"


@pytest.mark.parametrize(("classes", "said"), [("x", "Class x goes"), ("xyzw", "classes x, y, z and 1 more go")])
def test_a_waiver_is_a_risk_and_no_warning_beside(classes: str, said: str) -> None:
    reasons = tuple(
        Reason(
            rule="class_recall",
            outcome="warn",
            message=f"Class {name} has 7 samples; waived by olga until 2027-01-01: rare.",
            class_name=name,
            threshold=20.0,
            n=7,
        )
        for name in classes
    )
    _, recommendation, risks = told("PASS", (*reasons, passed()))
    assert f"{said} unjudged on a waiver".lower() in risks.lower()
    assert "warning," not in risks
    assert recommendation.endswith(f"let it through, {len(classes)} with a warning.")


def test_warnings_are_counted_and_the_first_is_told() -> None:
    low = Reason(rule="class_recall", outcome="warn", message="Class 8 is low.", class_name="8", measured=0.7, n=44)
    _, _, risks = told("PASS", (low, passed()), replace(CANDIDATE, warnings=("draft policies are for dev alone",)))
    assert "; 2 warnings, the first: class_recall: Class 8 is low; " in risks


def test_a_loss_that_the_gate_does_not_judge_is_told_as_such() -> None:
    """Beside a verdict that calls another loss the largest."""
    worst = worst_gap(stress())
    assert worst is not None
    judged = passed(corruption=worst[0], severity=worst[1], measured=worst[2])
    elsewhere = passed(corruption=worst[0], severity=worst[1] - 1, measured=0.01)
    for reasons, said in (((judged,), False), ((elsewhere,), True), ((), False)):
        assert told("PASS", reasons)[2].endswith("; the gate judges no loss there.") is said
        html = render(inputs(decision=Decision("PASS", "g", "a" * 64, "b" * 64, reasons, "It is so.")))
        assert (">the gate judges no loss there<" in html) is said


def test_the_champion_itself_changes_nothing_and_is_promoted_by_nobody() -> None:
    changed, recommendation, _ = told("PASS", (passed(),), replace(CANDIDATE, version="3"))
    assert (changed, recommendation) == (
        "Nothing: version 3 is champion already, the same model.",
        "There is nothing to promote.",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "trained with the same policy"),
        (None, "trained with digits-robust 1.2.0"),
        (("a", "b"), "(2 changes of policy)"),
    ],
)
def test_what_the_champion_was_trained_with(changes: tuple[str, ...] | None, said: str) -> None:
    assert said in told("PASS", (passed(),), replace(CANDIDATE, policy_changes=changes))[0]
