"""What a person is told of the candidate beside the others: the gate's own numbers, and what is shown to be worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from augment_ops.content import digest_of
from augment_ops.gate.compared import SideBySide, compared
from augment_ops.gate.decision import Evidence
from augment_ops.gate.rules import GateRules

Told = Callable[[Evidence], SideBySide | None]


@pytest.fixture
def told(rules: GateRules, outcomes_of: Callable[[Evidence], bytes]) -> Told:
    return lambda evidence: compared(rules, evidence, outcomes_of(evidence), digest_of(evidence))


def worse_in_rotation(role: str, corruption: str, severity: int) -> tuple[int, ...]:
    """As good as the champion, but in rotation; the control is far behind under stress."""
    if corruption == "clean":
        return 95, 95, 95
    if role == "control":
        return 60, 60, 60
    return (70, 70, 70) if (role, corruption) == ("candidate", "rotation") else (90, 90, 90)


def test_its_intervals_are_those_of_the_reasons(told: Told, decide, rules: GateRules, evidence) -> None:
    found = evidence(worse_in_rotation)
    reasons = {
        (reason.rule, reason.corruption): reason
        for reason in decide(rules, found).reasons
        if reason.class_name is None and reason.rule in ("champion", "control")
    }
    clean, stressed = told(found).measured
    assert (clean.name, stressed.name) == ("clean accuracy", "mean accuracy under stress")
    for row, corruption in ((clean, "clean"), (stressed, None)):
        champion, control = row.beside
        reason = reasons["champion", corruption]
        assert (-champion.gain, -champion.high, -champion.low) == (reason.measured, reason.low, reason.high)
        reason, sign = reasons["control", corruption], 1 if corruption is None else -1  # one asks for a gain
        assert (control.low, control.high) == tuple(sorted((sign * reason.low, sign * reason.high)))
        assert row.low < row.share < row.high
        assert champion.share - row.share == pytest.approx(-champion.gain)
    assert (clean.n, clean.share) == (300, pytest.approx(0.95))


def test_what_is_shown_to_be_worse_comes_first_and_is_named(told: Told, evidence) -> None:
    found = told(evidence(worse_in_rotation))
    assert (found.against, found.confidence) == ("champion", 0.95)
    first, *others = found.falls
    assert (first.what, first.shown, first.loss) == ("rotation", True, pytest.approx(0.2))
    assert {fall.what for fall in others} == {f"class {name}, under stress" for name in "abc"}
    shown = [fall.shown for fall in found.falls]
    assert shown == sorted(shown, reverse=True)


def test_a_small_loss_is_measured_and_not_shown(told: Told, evidence) -> None:
    def right(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        return (94, 95, 95) if (role, corruption) == ("candidate", "clean") else (95, 95, 95)

    found = told(evidence(right))
    assert [(fall.what, fall.shown) for fall in found.falls] == [("class a, clean", False)]


def test_many_looks_show_no_more_than_one_would(told: Told, evidence) -> None:
    """Five of a hundred are worse in one class of many: alone it would be shown, among so many looks it is not."""

    def right(role: str, corruption: str, severity: int) -> tuple[int, ...]:
        return (90, *(95,) * 7) if (role, corruption) == ("candidate", "clean") else (95,) * 8

    found = told(evidence(right, n=(100,) * 8))
    (fall,) = found.falls
    assert fall.low > 0
    assert not fall.shown


def test_without_a_champion_it_is_held_against_the_control(told: Told, evidence) -> None:
    found = told(evidence(champion=False))
    assert found.against == "control"
    assert [[beside.role for beside in row.beside] for row in found.measured] == [["control"]] * 2
    assert found.falls == ()


def test_a_class_of_a_few_samples_is_not_compared(told: Told, evidence) -> None:
    few, enough = told(evidence(n=(100, 100, 4))), told(evidence(n=(100, 100, 5)))
    assert enough.looked_at - few.looked_at == 2  # clean and under stress


@pytest.mark.parametrize("outcomes", [None, b"of something else"], ids=["gone", "others"])
def test_nothing_is_said_of_what_may_not_be_believed(rules: GateRules, evidence, outcomes: bytes | None) -> None:
    found = evidence()
    assert compared(rules, found, outcomes, digest_of(found)) is None
    assert compared(rules, replace(found, stress=None), None, digest_of(found)) is None


def test_nothing_is_said_of_a_report_that_was_edited(told: Told, evidence, altered) -> None:
    assert told(altered(evidence(), ("champion", "clean", 0), lambda cell: replace(cell, accuracy=0.1))) is None
