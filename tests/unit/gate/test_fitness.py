"""What a corruption destroys is no evidence: it is left out, said, and never a way to be judged on less than is fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augment_ops.gate.decide import decide as judge_purely


def dark(*counts: tuple[int, ...]):
    """`brightness_down` destroys so many of each class, at severity 1 to 5; nothing else destroys anything."""
    return lambda corruption, severity: counts[severity - 1] if corruption == "brightness_down" else (0, 0, 0)


def blind_to_what_is_gone(role: str, corruption: str, severity: int) -> tuple[int, ...]:
    """95 of 100 right in each class, and under `brightness_down` at severity 5 only 79: 16 points less."""
    if corruption == "clean":
        return (95, 95, 95)
    if corruption == "brightness_down" and severity == 5:
        return (79, 79, 79)
    return (60, 60, 60) if role == "control" else (93, 93, 93)


def reasons(decision, rule: str, outcome: str | None = None) -> list[str]:
    return [r.message for r in decision.reasons if r.rule == rule and outcome in (None, r.outcome)]


def test_a_gap_is_measured_on_what_is_left_against_the_same_samples_when_clean(decide, rules, evidence):
    whole = decide(rules, evidence(blind_to_what_is_gone))
    assert whole.verdict == "FAIL"
    five_of_each = dark((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (5, 5, 5))
    found = decide(rules, evidence(blind_to_what_is_gone, destroyed=five_of_each))
    gap = next(
        r for r in found.reasons if r.rule == "invariance" and r.message.startswith("brightness_down at severity 5")
    )
    assert gap.n == 285
    assert gap.measured == pytest.approx(1.0 - 79 / 95)  # the last five of each class are wrong when clean, too
    assert "100.0% to 83.2%" in gap.message
    assert reasons(found, "fitness", "pass") == [
        "In 1 of 40 cells that are judged samples are destroyed, at most 5.0% (brightness_down at severity 5); they "
        "are left out."
    ]


def test_what_a_corruption_alone_takes_is_not_the_models_fault(decide, rules, evidence):
    gone = dark((0, 0, 0), (0, 0, 0), (0, 0, 0), (2, 2, 2), (14, 14, 14))
    found = decide(rules, evidence(blind_to_what_is_gone, destroyed=gone))
    assert found.verdict == "PASS"
    (said,) = reasons(found, "fitness", "warn")
    assert said == (
        "brightness_down at severity 5 leaves nothing of 42 of 300 samples (14.0%: blank 42), more than 5.0%: it is "
        "unfit for this data set, and it is judged at severity 4."
    )
    assert said.split(" leaves")[0] in found.summary
    assert "brightness_down at severity 5" not in " ".join(reasons(found, "invariance"))
    assert not any(
        r.rule == "class_recall" and r.severity == 5 and r.corruption == "brightness_down" for r in found.reasons
    )


def test_a_fault_at_the_highest_severity_that_is_fit_is_still_a_fault(decide, rules, evidence):
    def weak(role, corruption, severity):
        hit = corruption == "brightness_down" and severity == 4
        return (70, 70, 70) if hit and role == "candidate" else blind_to_what_is_gone(role, corruption, severity)

    gone = dark((0, 0, 0), (0, 0, 0), (0, 0, 0), (2, 2, 2), (14, 14, 14))
    found = decide(rules, evidence(weak, destroyed=gone))
    assert found.verdict == "FAIL"
    assert {(r.corruption, r.severity) for r in found.reasons if r.outcome == "fail"} == {("brightness_down", 4)}


def test_where_no_severity_is_fit_there_is_not_enough_evidence(decide, rules, evidence):
    found = decide(rules, evidence(destroyed=dark(*[(20, 20, 20)] * 5)))
    assert found.verdict == "INVESTIGATE"
    said = reasons(found, "fitness", "investigate")
    assert len(said) == 5
    assert all("no severity up to it is fit, so it cannot be judged" in message for message in said)


def test_a_gate_of_one_severity_falls_to_the_next_one_that_is_measured(decide, rules, evidence):
    only = rules.model_copy(update={"invariance": rules.invariance.model_copy(update={"severities": (5,)})})
    gone = dark((0, 0, 0), (1, 1, 1), (9, 9, 9), (9, 9, 9), (9, 9, 9))
    found = decide(only, evidence(destroyed=gone))
    judged = {(r.corruption, r.severity) for r in found.reasons if r.rule == "invariance" and r.severity}
    assert ("brightness_down", 2) in judged
    assert ("brightness_down", 5) not in judged
    assert found.verdict == "PASS"


def test_one_class_that_is_gone_makes_a_cell_unfit_though_few_samples_are(decide, rules, evidence):
    gone = dark((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (15, 0, 0))
    found = decide(rules, evidence(n=(60, 300, 300), destroyed=gone))
    (said,) = reasons(found, "fitness", "warn")
    assert "15 of 660 samples (2.3%: blank 15), and 15 of 60 of class a, over 20.0%" in said


def test_a_cell_that_leaves_too_few_to_judge_is_unfit_even_where_no_rule_limits_what_is_destroyed(
    decide, rules, evidence
):
    without = rules.model_copy(update={"fitness": None})
    few = decide(without, evidence(n=70, destroyed=dark(*[(0, 0, 0)] * 4, (5, 5, 5))))  # 195 of 210, and 200 are needed
    assert "leaves 195 where 200 are needed to judge a gap" in reasons(few, "fitness", "warn")[0]
    assert "however little" in reasons(few, "fitness", "not-set")[0]
    small = decide(without, evidence(n=(100, 100, 21), destroyed=dark(*[(0, 0, 0)] * 4, (0, 0, 3))))
    assert "leaves 18 of class c where 20 are needed to judge its recall" in reasons(small, "fitness", "warn")[0]


def test_everything_gone_is_no_division_by_nothing(decide, rules, evidence):
    columns = {"site": ["x"] * 300}
    found = decide(rules, evidence(destroyed=dark(*[(0, 0, 0)] * 4, (100, 100, 100)), columns=columns))
    assert found.verdict == "PASS"
    assert (
        "leaves nothing of 300 of 300 samples (100.0%: blank 300), which is all of them"
        in reasons(found, "fitness", "warn")[0]
    )


def test_a_report_that_leaves_out_others_than_the_samples_say_is_an_error(decide, rules, evidence, altered):
    honest = evidence(destroyed=dark(*[(0, 0, 0)] * 4, (5, 5, 5)))
    address = ("candidate", "brightness_down", 5)
    flattered = altered(honest, address, lambda cell: replace(cell, remains=replace(cell.remains, clean=0.8)))
    assert decide(rules, honest).verdict == "PASS"
    assert decide(rules, flattered).verdict == "ERROR"
    hidden = altered(honest, address, lambda cell: replace(cell, remains=None))
    assert decide(rules, hidden).verdict == "ERROR"


def test_outcomes_that_the_frozen_images_do_not_bear_out_are_an_error(decide, rules, evidence):
    found = decide(rules, evidence(remains_fault="3 samples under noise at severity 5, such as s7"))
    assert found.verdict == "ERROR"
    assert "leave out other samples than the corruptions destroyed: 3 samples under noise" in found.summary


def test_destroyed_samples_count_in_no_comparison_with_another_model(rules, evidence, outcomes_of):
    """A champion that is right on what nobody can read is not better for it."""

    def right(role, corruption, severity):
        if corruption == "clean":
            return (95, 95, 95)
        return (60, 60, 60) if role == "control" else (95, 95, 95) if role == "champion" else (91, 91, 91)

    gone = dict.fromkeys(rules.invariance.corruptions, (5, 5, 5))
    shown = evidence(right, destroyed=lambda corruption, severity: gone.get(corruption, (0, 0, 0)))
    found = judge_purely(rules, shown, outcomes_of(shown))
    loss = next(r for r in found.reasons if r.rule == "champion" and "stressed accuracy" in r.message)
    assert loss.measured == pytest.approx(4 / 95)
    assert "95.8%" in loss.message
    assert "100.0%" in loss.message


def test_luck_on_what_nobody_can_read_counts_for_no_model(rules, evidence, outcomes_of):
    """The champion guesses the destroyed samples right, the candidate does not: there is no difference between them."""

    def right(role, corruption, severity):
        if role == "control" and corruption != "clean":
            return (60, 60, 60)
        return (95, 95, 95) if role == "candidate" and corruption == "brightness_down" else (100, 100, 100)

    shown = evidence(right, destroyed=dark(*[(5, 5, 5)] * 5))
    found = judge_purely(rules, shown, outcomes_of(shown))
    assert found.verdict == "PASS", found.summary
    loss = next(r for r in found.reasons if r.rule == "champion" and "stressed accuracy" in r.message)
    assert loss.measured == 0
    gaps = [r for r in found.reasons if r.rule == "invariance" and r.severity]
    assert len(gaps) == 40
    assert all(gap.measured == 0 and gap.low == -gap.high for gap in gaps)


@pytest.mark.parametrize(
    ("worded", "whole", "of_class"),
    [
        (3, "(0.1%: blank 1), more than 0.1%: it is", "(0.1%: blank 1), and 1 of 400 of class a, over 0.1%: it is"),
        (
            4,
            "(0.083%: blank 1), more than 0.05%: it is",
            "(0.083%: blank 1), and 1 of 400 of class a, over 0.09%: it is",
        ),
    ],
)
def test_a_small_limit_is_said_like_what_is_beyond_it(decide, rules, evidence, worded, whole, of_class):
    """Of evidence of before byte for byte as it was."""
    found = evidence(n=400, format=worded, destroyed=dark(*[(0, 0, 0)] * 4, (1, 0, 0)))
    for limits, said in (((0.0005, 0.2), whole), ((0.0009, 0.0009), of_class)):
        strict = rules.fitness.model_copy(
            update=dict(zip(("max_destroyed", "max_class_destroyed"), limits, strict=True))
        )
        (message,) = reasons(decide(rules.model_copy(update={"fitness": strict}), found), "fitness", "warn")
        assert said in message
