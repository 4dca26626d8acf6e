"""What a gate has too few samples of is known before any model is: and no model would pass it."""

from __future__ import annotations

from typing import Any

import pytest

from augment_ops.gate.needs import Need, unmet
from augment_ops.gate.rules import GateRules, load
from support.places import POLICIES

ENOUGH = dict.fromkeys("abcdefghij", 20)


@pytest.fixture(scope="module")
def rules() -> GateRules:
    """All of 200 samples, 20 of each class."""
    return load(POLICIES / "gates" / "default.yaml")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"a": 19, "b": 21}, [("class_recall", {"a": 19}, 20)]),
        ({"a": 19}, [("invariance", {"": 199}, 200), ("class_recall", {"a": 19}, 20)]),
        ({"c": 0, "b": 3, "a": 3, "d": 300}, [("class_recall", {"c": 0, "a": 3, "b": 3}, 20)]),
    ],
    ids=["enough", "one class", "in all", "fewest first"],
)
def test_what_is_missing(rules: GateRules, changes: dict[str, int], wanted: list[tuple[str, Any, int]]) -> None:
    found = unmet(rules, ENOUGH | changes)
    assert found == [Need(rule=rule, has=has, least=least, of=10) for rule, has, least in wanted]
    assert [list(need.has) for need in found] == [list(has) for _, has, _ in wanted]


def test_a_waiver_is_for_a_class_with_samples_where_another_is_judged(rules: GateRules) -> None:
    few = ENOUGH | {"a": 19, "b": 0, "c": 300}
    assert [need.has for need in unmet(rules, few, "ab")] == [{"b": 0}]
    assert [need.has for need in unmet(rules, few | {"b": 1}, "ab")] == []
    assert [need.has for need in unmet(rules, {"a": 19, "b": 18}, "ab")][1] == {"a": 19}


def test_a_rule_about_samples_of_no_class_needs_some(rules: GateRules) -> None:
    asked = {"out_of_scope": {"max_accepted": 0.5, "margin": 0.02, "min_n": 30}}
    judged = GateRules.model_validate(rules.model_dump() | asked)
    assert unmet(judged, ENOUGH, outside=30) == []
    assert unmet(judged, ENOUGH) == [Need(rule="out_of_scope", has={"": 0}, least=30, of=10)]


def test_with_alerts_only_the_class_that_is_looked_for_counts() -> None:
    rules = load(POLICIES / "gates" / "transactions.yaml")
    assert unmet(rules, {"0": 3, "1": 300}) == []
    assert [(need.rule, need.has) for need in unmet(rules, {"0": 100_000, "1": 29})] == [
        ("invariance", {"": 29}),
        ("class_recall", {"1": 29}),
    ]
    assert [need.has for need in unmet(rules, {"0": 100_000})][1] == {"1": 0}
