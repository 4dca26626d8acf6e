from __future__ import annotations

import re

import pytest

from augment_ops.gate.explain import rows, text


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


def test_rows_give_every_reason_as_text(decide, rules, evidence):
    decision = decide(rules, evidence(collapse, augment_p95_ms=2.0))
    table = rows(decision)
    assert len(table) == len(decision.reasons)
    worst = table[0]
    assert (worst.outcome, worst.rule, worst.where) == ("fail", "invariance", "brightness_up 5, class a")
    assert (worst.measured, worst.threshold, worst.n) == ("45.0%", "15.0%", "300")
    assert re.fullmatch(r"(39|40)\.\d% to (50|51)\.\d%", worst.interval)
    cost = next(row for row in table if row.rule == "budget")
    assert (cost.measured, cost.threshold) == ("2.00×", "1.00×")


def test_a_minimum_n_is_shown_as_a_number_of_samples(decide, rules, evidence):
    row = rows(decide(rules, evidence(n=50)))[0]
    assert (row.outcome, row.threshold, row.n) == ("investigate", "n 200", "150")


def test_the_page_shows_what_does_not_pass_and_counts_the_rest(decide, rules, evidence):
    page = text(decide(rules, evidence(drift_status="drift")))
    assert page.startswith("PASS  gate default 2.1.0\n")
    assert "warn         drift" in page
    assert "invariance" not in page
    assert re.search(r"pass +\d+ more judgements$", page)
    assert "rotation" in text(decide(rules, evidence()), passes=True)
