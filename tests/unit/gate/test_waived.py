"""A class that somebody has waived is a warning where it cannot be judged, and fails where it can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.gate.decision import Evidence, Waiver
from augment_ops.pipeline import replay

WAIVED = (Waiver(class_name="a", by="ada", until="2027-01-31", reason="Samples come in spring."),)
FEW = (12, 200, 100)


def test_too_few_samples_are_a_warning_that_names_who_waived_them(decide: Any, rules: Any, evidence: Any) -> None:
    made = evidence(n=FEW, waivers=WAIVED)
    assert decide(rules, evidence(n=FEW)).verdict == "INVESTIGATE"
    found = decide(rules, made)
    assert found.verdict == "PASS", found.summary
    (told,) = (r for r in found.reasons if r.rule == "class_recall" and r.outcome == "warn")
    assert told.message == (
        "Class a has 12 samples in the suite; 20 are needed to judge its recall; waived by ada until 2027-01-31: "
        "Samples come in spring."
    )
    assert from_json(Evidence, canonical_json(made)) == made


def test_a_class_that_is_shown_to_be_lost_fails_all_the_same(decide: Any, rules: Any, evidence: Any) -> None:
    def lost(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        return (0, 190, 95) if role == "candidate" else (11, 190, 95)

    assert decide(rules, evidence(lost, n=FEW, waivers=WAIVED)).verdict == "FAIL"


def test_a_class_without_samples_cannot_be_waived(decide: Any, rules: Any, evidence: Any) -> None:
    found = decide(rules, evidence(n=(0, 200, 100), waivers=WAIVED))
    assert found.verdict == "INVESTIGATE"
    assert any("no sample in the suite" in r.message for r in found.reasons if r.outcome == "investigate")


def test_where_every_class_is_waived_nothing_was_judged(decide: Any, rules: Any, evidence: Any) -> None:
    everybody = tuple(replace(WAIVED[0], class_name=name) for name in "abc")
    changed = rules.model_copy(update={"class_recall": rules.class_recall.model_copy(update={"min_n": 201})})
    found = decide(changed, evidence(n=(200, 200, 200), waivers=everybody))
    assert found.verdict == "INVESTIGATE"
    assert [r.message for r in found.reasons if r.outcome == "investigate"] == [
        "Every class is waived, and none is judged: one has to have 201 samples; the most are 200."
    ]


def test_another_gate_has_no_waivers_of_the_first(
    decide: Any, rules: Any, evidence: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, loaded = evidence(n=FEW, waivers=WAIVED), [rules]
    decision = decide(rules, made)
    store: Any = SimpleNamespace(get=lambda _: canonical_json(made))
    monkeypatch.setattr(replay, "find_decision", lambda *_: decision)
    monkeypatch.setattr(replay, "load", lambda _: loaded[0])
    monkeypatch.setattr(replay, "outcomes_of", lambda *_: None)
    monkeypatch.setattr(replay, "decide", lambda _rules, given, _outcomes: given.waivers)
    assert replay.judge_by(store, "one", Path("gate.yaml")) == WAIVED
    for change in ({"version": "99.0.0"}, {"name": "other"}):
        loaded[0] = rules.model_copy(update=change)
        assert replay.judge_by(store, "one", Path("gate.yaml")) == ()


def test_another_class_is_not_waived(decide: Any, rules: Any, evidence: Any) -> None:
    assert decide(rules, evidence(n=(12, 200, 12), waivers=WAIVED)).verdict == "INVESTIGATE"


@pytest.mark.parametrize("field", ["by", "until", "reason"])
def test_a_waiver_without_name_end_or_reason_is_no_evidence(decide: Any, rules: Any, evidence: Any, field: str) -> None:
    made = evidence(n=FEW, waivers=(replace(WAIVED[0], **{field: " "}),))
    assert decide(rules, made).verdict == "ERROR"
