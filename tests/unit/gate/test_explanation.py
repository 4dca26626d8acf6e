from __future__ import annotations

from dataclasses import replace

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.gate.explanation import Explanation, explain


def rotated(role, corruption, severity):
    """Class b collapses under rotation 5, where control and champion do not."""
    if (role, corruption, severity) == ("candidate", "rotation", 5):
        return (95, 20, 90)
    return (60,) * 3 if role == "control" and corruption not in ("clean", "rotation") else (95,) * 3


def explained(decide, rules, whole, outcomes):
    decision = decide(rules, whole)
    return decision, explain(decision, whole, outcomes)


def test_every_reason_that_did_not_pass_is_explained_in_order(decide, rules, evidence, outcomes_of):
    whole = evidence(rotated)
    decision, found = explained(decide, rules, whole, outcomes_of(whole))
    open_reasons = [r for r in decision.reasons if r.outcome not in ("pass", "not-set")]
    assert [(f.rule, f.message, f.estimate, f.low, f.high, f.n, f.threshold) for f in found.findings] == [
        (r.rule, r.message, r.measured, r.low, r.high, r.n, r.threshold) for r in open_reasons
    ]
    assert (found.verdict, found.decision_digest) == ("FAIL", digest_of(decision))
    assert from_json(Explanation, canonical_json(found)) == found


def test_a_gap_names_its_worst_classes_samples_and_what_the_others_did(decide, rules, evidence, outcomes_of):
    whole = evidence(rotated)
    _, found = explained(decide, rules, whole, outcomes_of(whole))
    gap = found.findings[0]
    assert (gap.rule, gap.corruption, gap.severity, gap.seen) == ("invariance", "rotation", 5, ("Affine",))
    worst = gap.classes[0]
    assert (worst.name, worst.n, worst.clean, worst.recall) == ("b", 100, 0.95, 0.2)
    assert worst.low < 0.2 < worst.high
    assert worst.others == {"control": 0.95, "champion": 0.95}
    assert gap.accuracy["candidate"] < gap.accuracy["champion"] == gap.accuracy["control"] == 0.95
    assert len(gap.flips) == 8
    assert {flip.label for flip in gap.flips} == {"b", "c"}
    assert all(flip.right == ("control", "champion") for flip in gap.flips if flip.label == "b")
    assert gap.flips[0].label == "b"
    assert all(100 <= int(flip.sample_id[1:]) < 195 for flip in gap.flips if flip.label == "b"), "right when clean"


def test_a_class_that_is_low_shows_its_own_samples_only(decide, rules, evidence, outcomes_of):
    whole = evidence(rotated)
    _, found = explained(decide, rules, whole, outcomes_of(whole))
    low = next(f for f in found.findings if f.rule == "class_recall")
    assert [c.name for c in low.classes] == ["b"]
    assert {flip.label for flip in low.flips} == {"b"}


def test_a_pass_has_nothing_to_explain(decide, rules, evidence, outcomes_of):
    whole = evidence()
    assert explained(decide, rules, whole, outcomes_of(whole))[1].findings == ()


def test_evidence_with_holes_is_explained_as_far_as_it_goes(decide, rules, evidence, outcomes_of):
    whole = evidence(rotated)
    for broken, outcomes in (
        (whole, None),
        (whole, b"other"),
        (replace(whole, stress=None), None),
        (replace(whole, stress=replace(whole.stress, classes=("x", "y"))), outcomes_of(whole)),
    ):
        found = explain(decide(rules, broken), broken, outcomes)
        assert all(f.message for f in found.findings)
