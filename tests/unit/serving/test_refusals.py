"""When a version that was refused is tried again."""

from __future__ import annotations

import pytest

from augment_ops.serving import refusals
from augment_ops.serving.refusals import Refusals


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(refusals, "monotonic", made)
    return made


def test_each_try_comes_later_and_none_later_than_ten_minutes(clock: Clock) -> None:
    refused = Refusals(1.0, lambda version: None)
    assert not refused.due
    pauses = []
    for _ in range(8):
        pauses.append(refused.note("2"))
        clock.now += pauses[-1] - 0.001
        assert not refused.due
        clock.now += 0.001
        assert refused.due
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]


def test_another_version_begins_anew_and_one_that_answers_is_not_tried_again(clock: Clock) -> None:
    told: list[str] = []
    refused = Refusals(1.0, told.append)
    refused.note("2")
    refused.note("2")
    assert refused.note("3") == 10
    refused.forget()
    clock.now += 1000
    assert not refused.due
    refused.forget()
    assert told == ["2", "3", ""]
    assert refused.note("3") == 10


def test_what_cannot_be_had_is_not_asked_for_at_each_look(clock: Clock) -> None:
    refused = Refusals(1.0, lambda version: None)
    refused.note("2")
    clock.now += 10
    refused.postpone()
    assert not refused.due
    clock.now += 10
    assert refused.due
