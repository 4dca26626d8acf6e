"""Classes that nobody tells apart are judged as one where the gate's file says so, and that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError
from augment_ops.gate.decide import decide as judge
from augment_ops.gate.decision import Decision
from augment_ops.gate.explanation import explain
from augment_ops.gate.needs import alike_fault, unmet
from augment_ops.gate.rules import GateRules, load
from augment_ops.report.inputs import judged_of
from augment_ops.report.stress_summary import worst_classes
from augment_ops.stress.outcomes import from_bytes, merged
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from support.places import POLICIES

DEFAULT = POLICIES / "gates" / "default.yaml"


def alike(rules: GateRules, *groups: tuple[str, ...]) -> GateRules:
    return rules.model_copy(update={"equivalent": groups})


def confused(role: str, corruption: str, severity: int) -> tuple[int, ...]:
    """Half of class a is taken for b, as everything wrong of a is (see `shown`)."""
    if role == "control" and severity:
        return (60, 60, 60)
    return (50, 97, 97) if role != "control" else (50, 96, 96)


@pytest.fixture
def judged(decide: Any, rules: Any, evidence: Any) -> Any:
    def found(*groups: tuple[str, ...], **changes: Any) -> Decision:
        made: Decision = decide(alike(rules, *groups), evidence(confused, **changes))
        return made

    return found


def test_one_that_is_taken_for_another_of_its_group_is_right(judged: Any) -> None:
    apart, together = judged(), judged(("a", "b"))
    assert (apart.verdict, together.verdict) == ("INVESTIGATE", "PASS"), together.summary
    assert any(r.rule == "class_recall" and r.class_name == "a" for r in apart.reasons)
    recall = [r for r in together.reasons if r.rule == "class_recall"]
    assert [(r.outcome, r.class_name) for r in recall] == [("pass", "c")]  # 97 of 100; a and b: 197 of 200
    assert together.gate == f"{apart.gate} (a = b judged as one)"
    assert "(a = b judged as one) lets the candidate pass" in together.summary


def test_what_is_taken_for_a_class_outside_the_group_stays_wrong(judged: Any) -> None:
    (lowest,) = (r for r in judged(("a", "c")).reasons if r.rule == "class_recall")
    assert (lowest.class_name, lowest.measured) == ("a = c", 0.75)  # half of a is taken for b, nothing of c for b


def test_few_samples_of_a_class_count_with_those_of_its_group(decide: Any, rules: Any, evidence: Any) -> None:
    made = evidence(n=(12, 200, 12))
    names = [r.class_name for r in decide(rules, made).reasons if r.outcome == "investigate"]
    assert set(names) == {"a", "c"}
    assert {r.class_name for r in decide(alike(rules, ("a", "c")), made).reasons if r.outcome == "investigate"} == set()
    assert unmet(rules, {"a": 12, "b": 200, "c": 12})[0].has == {"a": 12, "c": 12}
    assert unmet(alike(rules, ("a", "c")), {"a": 12, "b": 200, "c": 12}) == []


@pytest.mark.parametrize(
    ("groups", "why"),
    [((("a", "d"),), "no class d, which"), ((("a", "b", "c"),), "all classes as one")],
    ids=["a class that is not there", "all classes"],
)
def test_what_cannot_be_judged_as_one_is_no_evidence(judged: Any, groups: Any, why: str) -> None:
    found = judged(*groups)
    assert found.verdict == "ERROR"
    assert any(why in reason.message for reason in found.reasons)


def test_calibration_stays_a_matter_of_single_classes(judged: Any) -> None:
    def error(found: Decision) -> float | None:
        return next(r.measured for r in found.reasons if r.rule == "calibration")

    assert error(judged(("a", "b"))) == error(judged())


def test_what_lies_behind_a_reason_is_of_the_classes_as_judged(rules: Any, evidence: Any, outcomes_of: Any) -> None:
    rules = alike(rules, ("a", "b"))
    made = evidence(lambda role, c, s: (95, 95, 40) if role == "candidate" else (95, 95, 95))
    found = judge(rules, made, outcomes_of(made))
    told = explain(found, made, outcomes_of(made), rules.equivalent)
    low = next(f for f in told.findings if f.rule == "class_recall")
    assert ({c.name for c in low.classes}, {flip.label for flip in low.flips}) == ({"c"}, {"c"})
    assert {flip.predicted for flip in low.flips} == {"a = b"}


def test_outcomes_of_classes_that_are_one(evidence: Any, outcomes_of: Any) -> None:
    made = evidence()
    outcomes = from_bytes(outcomes_of(made), made.stress.outcomes)
    outcomes.predicted[0, 0, 0] = NOT_A_NUMBER
    found = outcomes.alike([("c", "a")])
    assert found.classes == ("c = a", "b")
    assert found.predicted[0, 0, 0] == NOT_A_NUMBER
    assert np.array_equal(found.labels == 0, (outcomes.labels == 0) | (outcomes.labels == 2))
    assert merged("xyz", []) == (("x", "y", "z"), (0, 1, 2))


def test_headlines_are_about_what_was_judged(evidence: Any, outcomes_of: Any) -> None:
    made = evidence(confused)
    outcomes = from_bytes(outcomes_of(made), made.stress.outcomes)
    shown = judged_of(made.stress, outcomes, [("a", "b")])
    assert (shown.measure, shown.stress.classes) == ("accuracy (a = b as one)", ("a = b", "c"))
    clean = shown.stress.cell("candidate", "clean", 0)
    assert clean is not None
    assert (clean.class_n, clean.class_recall) == ((200, 100), (0.985, 0.97))
    assert worst_classes(shown.stress, 1)[0].name == "c"
    assert worst_classes(made.stress, 1)[0].name == "a"


def test_the_line_in_the_file(tmp_path: Path) -> None:
    text = yaml.safe_load(DEFAULT.read_text())
    path = tmp_path / "default.yaml"
    path.write_text(yaml.safe_dump(text | {"equivalent": [[0, "O", "o"], [1, "l"]]}))
    rules = load(path)
    assert rules.equivalent == (("0", "O", "o"), ("1", "l"))
    assert rules.digest != load(DEFAULT).digest
    assert GateRules.model_validate_json(rules.model_dump_json()).digest == rules.digest
    assert alike_fault(rules, ("0", "1", "O", "l", "o", "x")) == ""
    path.write_text(yaml.safe_dump(text | {"equivalent": []}))
    assert load(path).digest == load(DEFAULT).digest == digest_of(load(DEFAULT).model_dump(mode="json"))
    for wrong in ([["a"]], [["a", "b"], ["b", "c"]], [["a", "a"]], [["a", True]], "ab"):
        path.write_text(yaml.safe_dump(text | {"equivalent": wrong}))
        with pytest.raises(PolicyError, match="equivalent"):
            load(path)
    path.write_text(yaml.safe_dump(text | {"equivalent": [["a", "b"]], "alerts": {"class": "a", "rate": 0.1}}))
    with pytest.raises(PolicyError, match="alerts or equivalent"):
        load(path)
