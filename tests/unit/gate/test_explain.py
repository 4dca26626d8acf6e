from __future__ import annotations

import re

import pytest


def collapse(role, corruption, severity):
    falls = {"rotation": 6, "brightness_up": 9}.get(corruption, 0) if role == "candidate" else 0
    return (95 - falls * severity,) * 3


def sentences(summary: str) -> int:
    return len(re.findall(r"\.(?= [A-Z]|$)", summary))


def test_a_refusal_in_two_sentences_names_every_corruption(decide, rules, evidence):
    decision = decide(rules, evidence(collapse))
    assert decision.verdict == "FAIL"
    assert decision.summary.startswith(
        "Gate default 2.1.0 refuses the candidate: brightness_up at severity 5 costs 45.0 points"
    )
    assert "also on rotation" in decision.summary
    assert sentences(decision.summary) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n": 50},
        {"champion": False},
        {"drift_status": "drift"},
        {"data_quality": None},
        {"stress": None},
        {"augment_p95_ms": 9.5},
        {"drift_status": "drift", "data_wait_share": 0.9},
    ],
)
def test_every_summary_has_two_sentences_and_says_whether_to_promote(decide, rules, evidence, changes):
    decision = decide(rules, evidence(**changes))
    assert sentences(decision.summary) == 2, decision.summary
    assert ("may be promoted" in decision.summary) == (decision.verdict == "PASS")
    assert ("Nothing is promoted" in decision.summary) == (decision.verdict != "PASS")


def test_a_pass_names_the_largest_gap_and_its_warnings(decide, rules, evidence):
    def give(role, corruption, severity):
        if (role, corruption, severity) == ("candidate", "noise", 4):
            return (850, 850, 850)
        return (600, 600, 600) if role == "control" and severity else (950, 950, 950)

    summary = decide(rules, evidence(give, n=1000, drift_status="drift")).summary
    assert "of 40 gaps" in summary
    assert "10.0 points (noise at severity 4)" in summary
    assert "2 warnings, first: noise at severity 4 costs 10.0 points" in summary
