"""The rule about samples of no class: shown, harmful, or not enough to tell; and evidence that is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from augment_ops.content import sha256_hex
from augment_ops.gate.decide import decide
from augment_ops.gate.rules import GateRules
from augment_ops.stress import measures
from augment_ops.stress.out_of_scope import separations
from augment_ops.stress.outcomes import Outcomes, from_bytes

SECTION = {"max_accepted": 0.5, "margin": 0.05, "min_n": 100}
OUTSIDE = 200


def with_section(rules: GateRules, **changes: object) -> GateRules:
    # Confidences are given here as they come, and are no calibrated ones.
    return GateRules.model_validate(rules.model_dump() | {"out_of_scope": SECTION | changes, "calibration": None})


@pytest.fixture
def judged(evidence, outcomes_of):
    """The decision about models of which each is surer of clean samples than of others by so much."""

    def judge(rules: GateRules, surer: dict[str, float] | None, edit=lambda report: report, **asked):
        whole = evidence(**asked)
        outcomes = from_bytes(outcomes_of(whole), whole.stress.outcomes)
        if surer is not None:
            outcomes = confident(outcomes, surer)
        report = replace(
            whole.stress,
            outcomes=sha256_hex(outcomes.to_bytes()),
            measures=measures.measures(outcomes),
            separations=separations(outcomes),
        )
        return decide(rules, replace(whole, stress=edit(report)), outcomes.to_bytes())

    return judge


def confident(outcomes: Outcomes, surer: dict[str, float]) -> Outcomes:
    """Logits of the confidence are normal; the same draws for every model, and a little noise of its own.

    NaN for a model that gives no number for samples of no class.
    """
    rng = np.random.default_rng(3)
    clean, other = rng.normal(0, 1, len(outcomes.labels)), rng.normal(0, 1, OUTSIDE)
    sure, of_none = outcomes.p_predicted.copy(), np.empty((len(outcomes.models), OUTSIDE), np.float16)
    for m, role in enumerate(outcomes.models):
        by = surer[role]
        sure[m, 0] = 1 / (1 + np.exp(-(clean + np.nan_to_num(by) + rng.normal(0, 0.1, clean.shape))))
        of_none[m] = 1 / (1 + np.exp(-(other + rng.normal(0, 0.1, OUTSIDE)))) + 0 * by
    return replace(outcomes, p_predicted=sure, out_of_scope=of_none)


def reasons(decision):
    return {reason.against: reason for reason in decision.reasons if reason.rule == "out_of_scope"}


@pytest.mark.parametrize(
    ("surer", "outcomes"),
    [
        ({"candidate": 3.0, "control": 2.9, "champion": 2.9}, ("pass", "pass", "pass")),
        ({"candidate": 0.5, "control": 0.5, "champion": 3.0}, ("fail", "pass", "fail")),
        ({"candidate": 1.75, "control": 1.8, "champion": 3.0}, ("investigate", "pass", "fail")),
    ],
)
def test_what_is_accepted_and_what_is_lost_is_shown_fails_or_is_looked_into(judged, rules, surer, outcomes):
    decision = judged(with_section(rules), surer)
    found = reasons(decision)
    assert tuple(found[against].outcome for against in (None, "control", "champion")) == outcomes
    assert (decision.verdict == "PASS") == (set(outcomes) == {"pass"})
    accepted = found[None]
    assert accepted.n == OUTSIDE and accepted.low < accepted.measured < accepted.high and accepted.threshold == 0.5
    assert f"{100 * accepted.measured:.1f}% of 200 samples of no class are as well" in accepted.message
    control = found["control"]
    assert control.low < control.measured < control.high and control.threshold == -0.05


def test_a_suite_without_them_or_with_too_few_is_no_evidence(judged, rules):
    surer = dict.fromkeys(("candidate", "control", "champion"), 3.0)
    for decision, n in (
        (judged(with_section(rules), None), 0),
        (judged(with_section(rules, min_n=OUTSIDE + 1), surer), OUTSIDE),
    ):
        (reason,) = reasons(decision).values()
        assert (reason.outcome, reason.n, decision.verdict) == ("investigate", n, "INVESTIGATE")


def test_a_model_without_a_number_and_a_missing_control_are_no_evidence(judged, rules):
    surer = dict.fromkeys(("candidate", "control", "champion"), 3.0)
    alone = {"models": {"candidate": "c" * 64}, "champion": False, "control_digest": None}
    (reason,) = reasons(judged(with_section(rules), surer, **alone)).values()
    assert reason.outcome == "error"
    (reason,) = reasons(judged(with_section(rules), surer | {"candidate": np.nan})).values()
    assert reason.outcome == "error"
    found = reasons(judged(with_section(rules), surer | {"control": np.nan}))
    assert found["control"].outcome == "error" and found[None].outcome == "pass"


def test_the_same_model_loses_nothing_against_itself(judged, rules):
    surer = dict.fromkeys(("candidate", "control"), 3.0)
    same = {"models": {"candidate": "c" * 64, "control": "c" * 64}, "champion": False}
    reason = reasons(judged(with_section(rules, margin=0.0), surer, **same))["control"]
    assert (reason.outcome, reason.measured) == ("pass", 0.0)


def test_a_report_of_others_than_the_samples_give_is_found_out(judged, rules):
    surer = dict.fromkeys(("candidate", "control", "champion"), 3.0)

    def better(report):
        first = replace(report.separations[0], area=0.999)
        return replace(report, separations=(first, *report.separations[1:]))

    decision = judged(rules, surer, better)
    assert decision.verdict == "ERROR"
    assert any("samples of no class of the stress report" in reason.message for reason in decision.reasons)


def test_rules_without_it_keep_their_digest_and_it_stands_beside_no_alerts(judged, rules):
    assert "out_of_scope" not in rules.model_dump(mode="json")
    assert reasons(judged(rules, dict.fromkeys(("candidate", "control", "champion"), 3.0))) == {}
    asked = with_section(rules).model_dump() | {"alerts": {"class": "a", "rate": 0.1}, "groups": None}
    with pytest.raises(ValidationError, match="out_of_scope only where every class counts alike"):
        GateRules.model_validate(asked)
