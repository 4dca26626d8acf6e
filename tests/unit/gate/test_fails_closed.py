"""Evidence that must never pass: missing, not a number, of another run, altered, incomplete."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from augment_ops.gate.decide import decide as judge_purely
from augment_ops.gate.rules import GateRules

OTHER = "9" * 64


def errors(decision) -> str:
    return " ".join(r.message for r in decision.reasons if r.outcome == "error")


def test_no_evidence_at_all_is_an_error(decide, rules):
    decision = decide(rules, None)
    assert decision.verdict == "ERROR"
    assert "no evidence at all" in decision.summary


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stress": None}, "stress report is missing"),
        ({"candidate_digest": None}, "candidate_digest"),
        ({"candidate_digest": OTHER}, "candidate's model digest"),
        ({"candidate_digest": ""}, "candidate_digest"),
        ({"control_digest": None}, "control"),
        ({"control_digest": OTHER}, "control's model digest"),
        ({"snapshot_digest": OTHER}, "snapshot_digest"),
        ({"suite_digest": OTHER}, "suite_digest"),
        ({"policy_digest": ""}, "policy_digest"),
        ({"policy_digest": "unknown"}, "policy_digest"),
        ({"champion_version": None}, "champion"),
        ({"champion_version": "5"}, "run stress_test again"),
        ({"champion_version": " "}, "champion"),
        ({"data_quality": None}, "check_data"),
        ({"data_quality": "OK"}, "unknown status"),
        ({"data_quality": ""}, "unknown status"),
        ({"augmented_quality": None}, "check_augmented"),
        ({"data_wait_share": None}, "data-wait share is missing"),
        ({"data_wait_share": math.nan}, "data-wait share"),
        ({"data_wait_share": -0.1}, "data-wait share"),
        ({"data_wait_share": 1.1}, "data-wait share"),
        ({"augment_p95_ms": None}, "p95"),
        ({"augment_p95_ms": math.nan}, "p95"),
        ({"augment_p95_ms": math.inf}, "p95"),
        ({"augment_p95_ms": -1.0}, "p95"),
        ({"budget_p95_ms": None}, "budget"),
        ({"budget_p95_ms": 0.0}, "budget"),
        ({"budget_p95_ms": -1.0}, "budget"),
        ({"budget_p95_ms": math.nan}, "budget"),
        ({"budget_p95_ms": math.inf}, "budget"),
        ({"budget_p95_ms": 5e-324}, "not a number"),
        ({"drift_status": None}, "drift report is missing"),
        ({"drift_status": "fine"}, "unknown status"),
        ({"candidate_policy_digest": "9" * 64}, "trained with the policy"),
        ({"trained_on": {}}, "The candidate was trained on"),
        ({"trained_on": {"candidate": "b" * 64, "control": "9" * 64}}, "The control was trained on"),
        ({"documents": {}}, "names no document"),
        ({"documents": {"ingest": "abc"}}, "document of ingest"),
    ],
)
def test_a_part_that_is_missing_or_of_another_run_is_an_error(decide, rules, evidence, changes, says):
    decision = decide(rules, evidence(**changes))
    assert decision.verdict == "ERROR"
    assert says in errors(decision)


def test_digests_that_are_equally_empty_do_not_agree(decide, rules, evidence):
    whole = evidence()
    empty = replace(whole, suite_digest="", stress=replace(whole.stress, suite_digest=""))
    assert decide(rules, empty).verdict == "ERROR"


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": ()},
        {"suite": "easy-suite"},
        {"classes": ()},
        {"classes": ("a",)},
        {"classes": ("a", "a", "a")},
        {"classes": ("a", "b", "c", "d")},
        {"models": {}},
        {"models": {"control": "d" * 64, "champion": "e" * 64}},
        {"models": {"candidate": "c" * 64, "control": "d" * 64}},
        {"models": {"candidate": "c" * 64, "control": "d" * 64, "champion": ""}},
        {"models": {"candidate": "c" * 64, "control": "d" * 64, "champion": "e" * 64, "shadow": "f" * 64}},
        {"champion_version": None},
        {"champion_version": "3"},
    ],
)
def test_a_report_that_does_not_fit_the_run_is_an_error(decide, rules, evidence, changes):
    whole = evidence()
    assert decide(rules, replace(whole, stress=replace(whole.stress, **changes))).verdict == "ERROR"


@pytest.mark.parametrize("role", ["candidate", "control", "champion"])
@pytest.mark.parametrize(("corruption", "severity"), [("clean", 0), ("rotation", 1), ("blur", 5)])
def test_a_missing_cell_is_named(decide, rules, evidence, altered, role, corruption, severity):
    decision = decide(rules, altered(evidence(), (role, corruption, severity), lambda c: None))
    assert decision.verdict == "ERROR"
    assert f"The {role} on {corruption}" in errors(decision)
    assert "no cell" in errors(decision)


def test_a_corruption_that_is_missing_altogether_is_missed(decide, rules, evidence):
    """Nobody gets past rotation by leaving it out of the suite."""
    whole = evidence()
    cells = tuple(c for c in whole.stress.cells if c.corruption != "rotation")
    decision = decide(rules, replace(whole, stress=replace(whole.stress, cells=cells)))
    assert decision.verdict == "ERROR"
    assert "The candidate on rotation at severity 1, 2, 3, 4, 5: no cell" in errors(decision)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: replace(c, accuracy=math.nan), "not a number"),
        (lambda c: replace(c, class_recall=(math.nan, 0.9, 0.9)), "not a number"),
        (lambda c: replace(c, accuracy=math.inf), "not a number"),
        (lambda c: replace(c, accuracy=1.2, class_recall=(1.2, 1.2, 1.2)), "outside 0 to 1"),
        (lambda c: replace(c, accuracy=-0.1, class_recall=(-0.1, -0.1, -0.1)), "outside 0 to 1"),
        (lambda c: replace(c, n=0, class_n=(0, 0, 0), class_recall=(None, None, None)), "no sample at all"),
        (lambda c: replace(c, n=-300, class_n=(-100, -100, -100)), "no sample at all"),
        (lambda c: replace(c, n=600), "do not add up"),
        (lambda c: replace(c, n=math.nan), "do not add up"),
        (lambda c: replace(c, n=30, class_n=(10, 10, 10)), "other samples"),
        (lambda c: replace(c, class_n=(100, 100), class_recall=(0.9, 0.9)), "not one count"),
        (lambda c: replace(c, class_recall=(None, 0.9, 0.9)), "without recall"),
        (lambda c: replace(c, accuracy=0.99), "where the recalls give 0."),
        (lambda c: replace(c, severity=7), "severity that does not exist"),
        (lambda c: replace(c, severity=-5), "severity that does not exist"),
        (lambda c: replace(c, severity=0), "severity that does not exist"),
        (lambda c: replace(c, role="shadow"), "does not name"),
    ],
)
@pytest.mark.parametrize("role", ["candidate", "control", "champion"])
def test_a_cell_that_cannot_be_true_is_an_error(decide, rules, evidence, altered, role, change, says):
    decision = decide(rules, altered(evidence(), (role, "rotation", 5), change))
    assert decision.verdict == "ERROR"
    assert says in errors(decision)


def test_a_clean_cell_that_is_not_a_number_is_an_error(decide, rules, evidence, altered):
    """clean NaN makes every gap NaN, and NaN compares as below any limit."""
    broken = altered(evidence(), ("candidate", "clean", 0), lambda c: replace(c, accuracy=math.nan))
    assert decide(rules, broken).verdict == "ERROR"


def test_two_cells_of_one_address_are_an_error_whichever_comes_first(decide, rules, evidence):
    whole = evidence()
    good = whole.stress.cell("candidate", "rotation", 5)
    bad = replace(good, accuracy=0.3, class_recall=(0.3, 0.3, 0.3))
    for extra in ((good,), (bad,)):
        for cells in ((*whole.stress.cells, *extra), (*extra, *whole.stress.cells)):
            decision = decide(rules, replace(whole, stress=replace(whole.stress, cells=cells)))
            assert decision.verdict == "ERROR"
            assert "more than one cell" in errors(decision)


def test_the_same_fault_in_many_cells_is_said_once(decide, rules, evidence):
    whole = evidence()
    cells = tuple(replace(c, accuracy=math.nan) if c.role == "candidate" else c for c in whole.stress.cells)
    found = [
        r
        for r in decide(rules, replace(whole, stress=replace(whole.stress, cells=cells))).reasons
        if r.outcome == "error"
    ]
    assert len(found) == 1 + 8  # clean, and one for each corruption


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("invariance", {"corruptions": ()}),
        ("invariance", {"severities": ()}),
        ("invariance", {"block_gap": math.nan}),
        ("invariance", {"block_gap": 2.0}),
        ("invariance", {"block_gap": None}),
        ("invariance", {"block_gap": -0.1, "warn_gap": -0.2}),
        ("invariance", {"min_n": 0}),
        ("class_recall", {"clean_floor": 0.0, "stressed_floor": 0.0}),
        ("class_recall", {"clean_floor": math.nan}),
        ("champion", {"clean_margin": 1.0}),
    ],
)
def test_rules_that_were_not_read_through_the_loader_are_read_again(decide, rules, evidence, section, changes):
    loose = rules.model_copy(update={section: getattr(rules, section).model_copy(update=changes)})
    decision = decide(loose, evidence())
    assert decision.verdict == "ERROR"
    assert [r.rule for r in decision.reasons] == ["rules"]


def test_an_empty_rule_set_is_an_error(decide, rules, evidence):
    for loose in (
        GateRules.model_construct(),
        GateRules.model_construct(name="none", version="1.0.0"),
        rules.model_copy(update={"invariance": None}),
        rules.model_copy(update={"class_recall": None}),
    ):
        decision = decide(loose, evidence())
        assert decision.verdict == "ERROR"
        assert decision.reasons[0].rule == "rules"


def without_role(evidence, role, **changes):
    report = evidence.stress
    models = {name: digest for name, digest in report.models.items() if name != role}
    cells = tuple(c for c in report.cells if c.role != role)
    return replace(evidence, stress=replace(report, models=models, cells=cells), **changes)


def test_a_control_that_was_never_trained_is_an_error_where_the_rules_ask_for_one(decide, rules, evidence):
    models = {"candidate": "c" * 64, "champion": "e" * 64}
    nobody = evidence(models=models)
    decision = decide(rules, nobody)
    assert decision.verdict == "ERROR"
    assert "no control" in errors(decision)
    assert decide(rules.model_copy(update={"control": None}), nobody).verdict == "PASS"


def test_a_champion_that_was_not_evaluated_is_an_error(decide, rules, evidence):
    """Leaving the champion out of the stress test must not spare the comparison with it."""
    decision = decide(rules, without_role(evidence(), "champion"))
    assert decision.verdict == "ERROR"
    assert "evaluates no champion" in errors(decision)


def test_a_champion_without_a_version_is_an_error(decide, rules, evidence):
    """A champion that the registry does not name would be measured and then passed over."""
    whole = evidence()
    nameless = replace(whole, champion_version=None, stress=replace(whole.stress, champion_version=None))
    decision = decide(rules, nameless)
    assert decision.verdict == "ERROR"
    assert "evaluates a champion" in errors(decision)


@pytest.mark.parametrize("version", ["", " ", 4])
def test_a_champion_version_that_names_none_is_an_error_though_both_sides_agree(decide, rules, evidence, version):
    whole = evidence()
    blank = replace(whole, champion_version=version, stress=replace(whole.stress, champion_version=version))
    assert "names none" in errors(decide(rules, blank))


def test_a_problem_of_one_class_is_an_error(decide, rules, evidence):
    """Every model is right about everything there, under any corruption."""
    whole = evidence()
    cells = tuple(replace(c, n=300, class_n=(300,), class_recall=(1.0,), accuracy=1.0) for c in whole.stress.cells)
    decision = decide(rules, replace(whole, stress=replace(whole.stress, classes=("a",), cells=cells)))
    assert decision.verdict == "ERROR"
    assert "two distinct ones" in errors(decision)


@pytest.mark.parametrize("rule", ["invariance", "class_recall"])
def test_a_judgement_that_is_not_made_is_missed(decide, rules, evidence, monkeypatch, rule):
    """The last guard: should a rule ever fall silent, nothing passes for lack of objections."""
    monkeypatch.setattr(f"augment_ops.gate.judge_stress.{rule}", lambda *_: [])
    decision = decide(rules, evidence())
    assert decision.verdict == "ERROR"
    assert "demanded judgements were not made" in errors(decision)


def test_without_the_samples_behind_a_report_it_is_not_believed(rules, evidence):
    whole = evidence()
    decision = judge_purely(rules, whole, None)
    assert decision.verdict == "ERROR"
    assert "per-sample outcomes" in errors(decision)
    assert "missing or damaged" in errors(decision)


def test_samples_with_one_altered_byte_are_not_those_of_the_report(rules, evidence, outcomes_of):
    whole = evidence()
    data = bytearray(outcomes_of(whole))
    data[len(data) // 2] ^= 1
    decision = judge_purely(rules, whole, bytes(data))
    assert decision.verdict == "ERROR"
    assert "not those of the report" in errors(decision)


def test_samples_of_another_report_are_refused_though_their_digest_is_named(decide, rules, evidence):
    """Somebody points the report at the outcomes of a better model."""
    whole = evidence()
    other = evidence(models={"candidate": "7" * 64, "control": "d" * 64, "champion": "e" * 64})
    swapped = replace(whole, stress=replace(whole.stress, outcomes=other.stress.outcomes))
    decision = decide(rules, swapped)
    assert decision.verdict == "ERROR"
    assert "of other models (candidate 777777777777…" in errors(decision)


def test_a_metric_edited_after_the_evaluation_is_found_out_though_it_fits_itself(decide, rules, evidence, altered):
    """Accuracy and recalls raised together: nothing in the cell contradicts itself, only the samples do."""
    bad = evidence(lambda r, c, s: (50, 50, 50) if (r, c, s) == ("candidate", "rotation", 5) else (95, 95, 95))
    better = {"accuracy": 0.9, "class_recall": (0.9, 0.9, 0.9)}
    decision = decide(rules, altered(bad, ("candidate", "rotation", 5), lambda c: replace(c, **better)))
    assert decision.verdict == "ERROR"
    assert (
        "The candidate on rotation at severity 5: changed after the evaluation: the samples give an accuracy of 0.5000"
        in errors(decision)
    )


@pytest.mark.parametrize(
    "change",
    [{"calibration_error": 0.0}, {"flip_share": 0.0}, {"balanced_accuracy": 1.0}, {"class_precision": (1.0, 1.0, 1.0)}],
)
def test_every_measure_is_computed_again(decide, rules, evidence, change):
    whole = evidence()
    measures = tuple(
        replace(m, **change) if (m.role, m.corruption, m.severity) == ("candidate", "blur", 3) else m
        for m in whole.stress.measures
    )
    decision = decide(rules, replace(whole, stress=replace(whole.stress, measures=measures)))
    assert decision.verdict == "ERROR"
    assert "on blur at severity 3: changed after the evaluation" in errors(decision)


def test_stress_images_that_were_altered_since_are_an_error(decide, rules, evidence):
    decision = decide(rules, evidence(suite_fault="noise at severity 3: content whose sha256 is not its name."))
    assert decision.verdict == "ERROR"
    assert "stored images of the stress suite are not those frozen: noise at severity 3" in errors(decision)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"leakage": {}}, "measured leakage"),
        ({"leakage": {"near-duplicates-between-splits": math.nan}}, "near-duplicates-between-splits is nan"),
        ({"environment": None}, "environment"),
        ({"approval": ""}, "approval"),
    ],
)
def test_what_the_other_rules_need_must_be_there(decide, rules, evidence, changes, says):
    decision = decide(rules, evidence(**changes))
    assert decision.verdict == "ERROR"
    assert says in errors(decision)


def test_three_samples_never_pass_and_say_so(decide, rules, evidence):
    decision = decide(rules, evidence(lambda r, c, s: (1, 1, 1), n=1))
    assert decision.verdict == "INVESTIGATE"
    assert "the suite has 3 samples; 200 are needed" in decision.summary
    assert {r.class_name for r in decision.reasons if r.rule == "class_recall"} == {"a", "b", "c"}


def test_a_class_without_a_sample_is_named(decide, rules, evidence):
    decision = decide(rules, evidence(n=(150, 150, 0)))
    assert decision.verdict == "INVESTIGATE"
    (found,) = [r for r in decision.reasons if r.outcome == "investigate"]
    assert (found.rule, found.class_name, found.n) == ("class_recall", "c", 0)
    assert "no sample in the suite" in found.message


def test_every_rule_must_have_spoken(decide, rules, evidence, monkeypatch):
    monkeypatch.setattr("augment_ops.gate.judge_comparisons.control", lambda *_: [])
    decision = decide(rules, evidence())
    assert decision.verdict == "ERROR"
    assert "'control'" in errors(decision)
