"""The states of a breaker: when it opens, for how long, and by what it closes again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from augment_ops.serving.augmenting_rules import BreakerRules
from augment_ops.serving.breaker import Breaker, BreakerChange, Latency, Pass

RULES = {
    "window_s": 10.0,
    "min_requests": 4,
    "latency_share": 0.5,
    "latency_ms": 20.0,
    "error_rate": 0.25,
    "waiting": 100,
    "open_s": 8.0,
    "longest_open_s": 20.0,
    "trials": 3,
}
GOOD = Latency(0.03, 0.003)
SLOW = Latency(0.03, 0.02)


class Watched:
    """A breaker with a clock that stands until it is moved, and what it told."""

    def __init__(self, **changed: Any) -> None:
        self.now, self.changes = 100.0, list[BreakerChange]()
        self.rules = BreakerRules(**{**RULES, **changed})
        self.breaker = Breaker(self.rules, self.changes.append, lambda: self.now)

    def ask(self, *, failed: bool = False, latency: Latency | None = GOOD, waiting: int = 0) -> bool:
        """One request from beginning to end; whether it was let through."""
        passed = self.breaker.enter(waiting)
        if passed is not None:
            self.breaker.left(passed, failed=failed, latency=latency)
        return passed is not None

    def opened(self) -> Watched:
        for _ in range(4):
            self.ask(failed=True)
        assert self.breaker.state == "open"
        return self


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"failed": True}, "4 of 4 failed"),
        ({"latency": SLOW}, "67% of 30 ms"),
        ({"waiting": 101}, "101 samples wait"),
    ],
)
def test_it_opens_where_a_rule_is_broken_and_says_which(asked: dict[str, Any], why: str) -> None:
    watched = Watched()
    for _ in range(3):
        assert watched.ask(**asked)
    assert watched.breaker.state == "closed"  # three requests say nothing
    watched.ask(**asked)
    assert watched.changes == [BreakerChange("open", why)]
    assert not watched.ask()


@pytest.mark.parametrize(
    "asked",
    [
        {"failed": False},
        {"waiting": 100},
        {"latency": Latency(0.03, 0.015)},
        {"latency": Latency(0.019, 0.019)},  # a large share of what nobody minds
        {"latency": None},
    ],
)
def test_what_lies_on_the_bound_is_within_it(asked: dict[str, Any]) -> None:
    watched = Watched()
    for _ in range(100):
        watched.ask(**asked)
    assert watched.changes == []


def test_a_failure_in_four_is_within_a_rate_of_a_quarter() -> None:
    watched = Watched()
    for number in range(100):
        watched.ask(failed=number % 4 == 3)
    assert watched.changes == []


def test_what_lies_before_the_window_is_forgotten() -> None:
    watched = Watched()
    for _ in range(3):
        watched.ask(failed=True)
    watched.now += 10.0
    watched.ask(failed=True)
    assert watched.breaker.state == "closed"
    watched.now += 4.0
    for _ in range(3):
        watched.ask(failed=True)
    assert watched.breaker.state == "open"


def test_a_few_are_tried_and_it_closes_where_they_are_well() -> None:
    watched = Watched().opened()
    watched.now += 7.9
    assert watched.breaker.left_s == pytest.approx(0.1)
    assert not watched.ask()
    watched.now += 0.1
    let_through = [watched.breaker.enter(0) for _ in range(5)]
    assert [one is not None for one in let_through] == [True, True, True, False, False]
    for one in let_through[:3]:
        assert one is not None
        assert watched.breaker.state == "half-open"
        watched.breaker.left(one, failed=False, latency=GOOD)
    assert [one.to for one in watched.changes] == ["open", "half-open", "closed"]
    for _ in range(3):
        watched.ask(failed=True)
    assert watched.breaker.state == "closed"  # what was before it opened is forgotten


def test_it_opens_for_longer_each_time_that_the_trials_go_wrong_up_to_a_bound() -> None:
    watched = Watched().opened()
    for seconds in (8.0, 16.0, 20.0, 20.0):
        assert watched.breaker.left_s == pytest.approx(seconds)
        watched.now += seconds
        for _ in range(3):
            assert watched.ask(latency=SLOW)
        assert watched.breaker.state == "open"
    watched.now += 20.0
    for _ in range(3):
        watched.ask()
    watched.opened()
    assert watched.breaker.left_s == pytest.approx(8.0)


def test_a_trial_of_which_nothing_came_is_tried_again_and_one_of_before_says_nothing() -> None:
    watched = Watched()
    before = watched.breaker.enter(0)
    watched.opened()
    watched.now += 8.0
    trials = [watched.breaker.enter(0) for _ in range(3)]
    assert before is not None
    assert trials[0] is not None
    watched.breaker.left(before, failed=True)
    watched.breaker.dropped(before)
    watched.breaker.dropped(trials[0])
    assert watched.ask()
    assert not watched.ask()
    for one in trials[1:]:
        assert one is not None
        watched.breaker.left(one, failed=False)
    assert watched.breaker.state == "closed"


def test_whom_it_protects_opens_it_by_waiting_for_what_goes_through_it() -> None:
    watched = Watched()
    for _ in range(3):
        watched.breaker.beside(SLOW)
    assert watched.breaker.state == "closed"
    watched.breaker.beside(SLOW)
    assert watched.breaker.why == "67% of 30 ms"
    watched.breaker.beside(SLOW)
    watched.now += 8.0
    trials = [watched.breaker.enter(0) for _ in range(3)]
    watched.breaker.beside(SLOW)
    for one in trials:
        assert one is not None
        watched.breaker.left(one, failed=False)
    assert watched.breaker.state == "open"


def test_who_is_told_makes_no_request_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def told(change: BreakerChange) -> None:
        raise RuntimeError(change.to)

    breaker = Breaker(BreakerRules(**RULES), told)
    for _ in range(4):
        passed = breaker.enter(0)
        assert passed is not None
        breaker.left(passed, failed=True)
    assert breaker.state == "open"
    assert "RuntimeError: open" in capsys.readouterr().err


class Anything(RuleBasedStateMachine):
    """Requests come and go in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = Watched()
        self.inside: list[tuple[Pass, int]] = []  # with the number of changes when it went in
        self.opened_at = 0.0

    @rule(waiting=st.integers(0, 300))
    def come(self, waiting: int) -> None:
        before = len(self.watched.changes)
        passed = self.watched.breaker.enter(waiting)
        if passed is not None:
            self.inside.append((passed, len(self.watched.changes)))
            assert self.watched.breaker.state != "open"
        self._look(before)

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), failed=st.booleans(), whole=st.floats(0, 1), share=st.floats(0, 1), dropped=st.booleans())
    def go(self, data: st.DataObject, *, failed: bool, whole: float, share: float, dropped: bool) -> None:
        before = len(self.watched.changes)
        passed, _ = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        if dropped:
            self.watched.breaker.dropped(passed)
        else:
            self.watched.breaker.left(passed, failed=failed, latency=Latency(whole, whole * share))
        self._look(before)

    @rule(whole=st.floats(0, 1), share=st.floats(0, 1))
    def wait_beside(self, whole: float, share: float) -> None:
        before = len(self.watched.changes)
        self.watched.breaker.beside(Latency(whole, whole * share))
        self._look(before)

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds: float) -> None:
        self.watched.now += seconds

    def _look(self, before: int) -> None:
        """What is legal of what has changed just now."""
        for change in self.watched.changes[before:]:
            if change.to == "half-open":
                assert self.watched.now - self.opened_at >= 8.0
            if change.to == "open":
                assert change.why
                self.opened_at = self.watched.now

    @invariant()
    def no_more_than_the_trials_are_on_their_way(self) -> None:
        if self.watched.breaker.state == "half-open":
            assert sum(at == len(self.watched.changes) for _, at in self.inside) <= 3

    @invariant()
    def states_follow_each_other(self) -> None:
        states = ["closed", *(one.to for one in self.watched.changes)]
        legal = {
            ("closed", "open"),
            ("open", "half-open"),
            ("half-open", "open"),
            ("half-open", "closed"),
        }
        assert set(pairwise(states)) <= legal
        assert self.watched.breaker.state == states[-1]

    @invariant()
    def nobody_waits_longer_than_the_bound(self) -> None:
        assert self.watched.breaker.left_s <= 20.0


TestAnything = Anything.TestCase


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_it_opens_by_what_the_window_holds_and_by_nothing_else(asked: list[tuple[float, bool]]) -> None:
    """Held against the plain definition, a window of ten slots a second long."""
    watched, kept = Watched(), list[tuple[int, bool]]()
    for seconds, failed in asked:
        watched.now += seconds
        if watched.breaker.state != "closed":
            return
        watched.ask(failed=failed, latency=None)
        slot = int(watched.now)
        kept = [(at, wrong) for at, wrong in [*kept, (slot, failed)] if at > slot - 10]
        wrong = sum(wrong for _, wrong in kept)
        assert (watched.breaker.state == "open") == (len(kept) >= 4 and wrong > 0.25 * len(kept))
