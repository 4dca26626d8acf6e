"""Candidate against champion and control on the same samples, and on what the policy does not train on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augment_ops.gate.rules import GateRules


def with_rules(rules: GateRules, section: str, **changes: object) -> GateRules:
    content = rules.model_dump()
    content[section] = (content[section] or {}) | changes
    return GateRules.model_validate(content)


def reasons(decision, rule, **fields):
    return [r for r in decision.reasons if r.rule == rule and all(getattr(r, k) == v for k, v in fields.items())]


def levels(clean: dict[str, int], stressed: dict[str, int], n: int = 100):
    """Percent right by role; the control's stress is 60 where not given."""

    def give(role, corruption, severity):
        table = {"control": 60} | stressed if corruption != "clean" else clean
        return (round(table.get(role, 95) * n / 100),) * 3

    return give


@pytest.mark.parametrize(
    ("loss", "n", "outcome"),
    [
        (0, 100, "pass"),  # the same samples right: the rule of three allows 1.2 points
        (1, 1000, "pass"),  # 1.0 ± 0.4
        (2, 100, "investigate"),  # 2.0 ± 1.6 straddles 2.0
        (1, 100, "investigate"),  # 1.0 ± 1.1
        (4, 1000, "fail"),  # 4.0 ± 0.7
        (-1, 100, "pass"),
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_a_loss_against_the_champion_passes_fails_or_is_not_known(decide, rules, evidence, loss, n, outcome, clean):
    worse = {"candidate": 90 - loss, "champion": 90, "control": 90 - loss}
    give = levels(worse, {}, n) if clean else levels({"control": 95}, {"candidate": 90 - loss, "champion": 90}, n)
    decision = decide(rules, evidence(give, n=n))
    found = reasons(decision, "champion", class_name=None, corruption="clean" if clean else None)
    assert [r.outcome for r in found] == [outcome]
    assert found[0].measured == pytest.approx(loss / 100)
    assert found[0].low <= found[0].measured <= found[0].high
    assert (decision.verdict == "PASS") == (outcome == "pass")
    assert "champion 4" in found[0].message


def test_the_comparison_is_paired(decide, rules, evidence):
    """Two models that miss the same samples differ less than two that miss others, at the same accuracies."""
    whole = evidence()
    decision = decide(rules, whole)
    (same,) = reasons(decision, "champion", class_name=None, corruption="clean")
    assert same.high - same.low < 0.03, "unpaired, two accuracies of 95% at n = 300 differ by ± 3.5 points"


def test_a_policy_that_does_nothing_is_not_a_win(decide, rules, evidence):
    decision = decide(rules, evidence(levels({}, {"control": 95})))
    assert decision.verdict == "INVESTIGATE"
    (effect,) = [r for r in decision.reasons if r.outcome == "investigate"]
    assert (effect.rule, effect.measured, effect.threshold) == ("control", 0.0, 0.04)
    assert "no effect of +4.0 points is shown" in effect.message
    warned = decide(with_rules(rules, "control", no_effect="warn"), evidence(levels({}, {"control": 95})))
    assert warned.verdict == "PASS"


def test_a_gain_smaller_than_what_training_again_brings_is_no_effect_however_sure(decide, rules, evidence):
    """+1 point at n = 3000 is significant, and says nothing about the policy."""
    decision = decide(rules, evidence(levels({}, {"candidate": 95, "control": 94}, 1000), n=1000))
    (effect,) = [r for r in decision.reasons if r.outcome == "investigate"]
    assert effect.low > 0
    assert effect.rule == "control"


def test_a_policy_that_does_harm_fails(decide, rules, evidence):
    decision = decide(rules, evidence(levels({}, {"candidate": 86, "champion": 86, "control": 95})))
    assert "the policy does harm" in reasons(decision, "control", outcome="fail")[0].message


def test_the_same_model_twice_is_known_to_be_the_same(decide, rules, evidence):
    models = {"candidate": "c" * 64, "control": "c" * 64, "champion": "c" * 64}
    decision = decide(rules, evidence(levels({}, {"control": 95}), models=models))
    (clean,) = reasons(decision, "champion", class_name=None, corruption="clean")
    assert (clean.outcome, clean.low, clean.high) == ("pass", 0.0, 0.0)
    assert "the same model" in reasons(decision, "control", outcome="investigate")[0].message


@pytest.mark.parametrize("against", ["champion", "control"])
def test_a_rare_class_that_is_destroyed_is_refused_by_name_though_the_mean_rises(decide, rules, evidence, against):
    """Two large classes gain 6 points, a class of 25 samples loses half of its recall; all floors are met."""

    def give(role, corruption, severity):
        if role == against or (role == "control" and corruption == "clean"):
            return (450, 450, 24) if corruption == "clean" or role == "champion" else (300, 300, 24)
        if role == "candidate":
            return (480, 480, 16) if corruption == "clean" else (480, 480, 12)
        return (300, 300, 12) if role == "control" else (480, 480, 12)

    decision = decide(rules, evidence(give, n=(500, 500, 25)))
    assert decision.verdict == "FAIL"
    failed = [r for r in decision.reasons if r.outcome == "fail"]
    assert {(r.rule, r.class_name, r.against) for r in failed} == {(against, "c", against)}
    assert all(r.low > 0.10 and r.n == 25 for r in failed)


def test_a_small_class_with_a_loss_that_chance_explains_is_to_be_looked_at(decide, rules, evidence):
    def give(role, corruption, severity):
        level = (95, 95, 30) if role != "candidate" else (95, 95, 25)
        return level if role != "control" or corruption == "clean" else (60, 60, 20)

    decision = decide(rules, evidence(give, n=(100, 100, 40)))
    assert decision.verdict == "INVESTIGATE"
    doubtful = {(r.rule, r.class_name) for r in decision.reasons if r.outcome == "investigate"}
    assert ("champion", "c") in doubtful
    assert not any(r.outcome == "fail" for r in decision.reasons)


def with_seen(evidence, *unseen: str):
    seen = {name: () if name in unseen else ("Affine",) for name in evidence.stress.corruptions}
    return replace(evidence, seen=seen, stress=replace(evidence.stress, seen=seen))


def unseen_levels(candidate: int, n: int = 100):
    def give(role, corruption, severity):
        if corruption == "blur":
            return (round({"candidate": candidate, "champion": candidate, "control": 80}[role] * n / 100),) * 3
        return (round((60 if role == "control" and corruption != "clean" else 90) * n / 100),) * 3

    return give


@pytest.mark.parametrize(
    ("candidate", "demand", "outcome"),
    [
        (80, -0.02, "pass"),
        (90, 0.05, "pass"),
        (80, 0.05, "fail"),
        (86, 0.05, "investigate"),
        (76, -0.02, "investigate"),
    ],
)
def test_progress_on_what_the_policy_does_not_train_on_can_be_demanded(
    decide, rules, evidence, candidate, demand, outcome
):
    strict = with_rules(rules, "unseen", min_gain=demand)
    decision = decide(strict, with_seen(evidence(unseen_levels(candidate)), "blur"))
    (found,) = reasons(decision, "unseen")
    assert found.outcome == outcome
    assert "(blur)" in found.message
    assert found.measured == pytest.approx((candidate - 80) / 100)
    assert (decision.verdict == "PASS") == (outcome == "pass")


def test_where_nothing_is_unseen_progress_that_is_demanded_cannot_be_shown(decide, rules, evidence):
    assert reasons(decide(rules, evidence()), "unseen")[0].outcome == "not-set"
    assert decide(with_rules(rules, "unseen", min_gain=0.0), evidence()).verdict == "INVESTIGATE"


def test_a_report_that_calls_a_seen_corruption_unseen_is_an_error(decide, rules, evidence):
    whole = evidence()
    lie = replace(whole.stress, seen=dict.fromkeys(whole.stress.seen, ()))
    decision = decide(rules, replace(whole, stress=lie))
    assert decision.verdict == "ERROR"
    assert "which of" in decision.reasons[0].message
