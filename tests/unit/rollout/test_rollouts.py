"""Whole rollouts under the rules that are shipped: who is equal gets through, and who is worse goes back, and when."""

from __future__ import annotations

import numpy as np
import pytest

from support.simulated_rollouts import DEFAULT, Model, Rollout, rolled_out

CHAMPION = Model(confidence=0.6)
OWN = 0.4  # share of samples on which rightness is drawn anew: two models of 90% then differ in it on 7%


def some(number: int, challenger: Model, *, every: int, labelled: float = 1.0) -> list[Rollout]:
    rng = np.random.default_rng(43)
    return [rolled_out(rng, CHAMPION, challenger, every=every, labelled=labelled) for _ in range(number)]


@pytest.mark.parametrize(
    ("challenger", "condition", "most"),
    [
        (Model(confidence=0.6, own=OWN, seconds=0.06), "latency", 1000),
        (Model(confidence=0.6, own=OWN, fails=0.01), "errors", 5000),
        (Model(confidence=0.6, own=OWN, lost=3), "agreement", 1000),
        (Model(confidence=0.9, own=OWN), "confidence", 1000),
    ],
)
def test_what_is_plainly_worse_goes_back_in_the_shadow_without_a_label(
    challenger: Model, condition: str, most: int
) -> None:
    (found,) = some(1, challenger, every=250, labelled=0)
    assert (found.ended, found.step) == ("rolled back", 0)
    assert found.conditions == (condition,)
    assert found.answers <= most


def test_an_equal_one_is_promoted_with_the_answers_that_the_steps_ask_for() -> None:
    (found,) = some(1, Model(confidence=0.6, own=OWN), every=2500)
    asked = sum(step.answers for step in DEFAULT.steps)
    assert (found.ended, found.step) == ("promoted", len(DEFAULT.steps))
    assert asked * 0.95 < found.answers < asked * 1.3


@pytest.mark.slow
def test_equal_ones_and_those_at_every_limit_go_back_no_more_often_than_is_said() -> None:
    at_limit = Model(confidence=0.5, own=OWN, accuracy=0.89, fails=0.002, seconds=0.03)
    for challenger in (Model(confidence=0.6, own=OWN), at_limit):
        found = some(20, challenger, every=2000)
        assert sum(one.ended == "rolled back" for one in found) <= 2  # 1 of 20 is what is said
        assert sum(one.ended == "promoted" for one in found) >= 18


@pytest.mark.slow
def test_one_that_is_three_points_worse_does_not_reach_half_of_the_traffic() -> None:
    found = some(25, Model(confidence=0.6, own=OWN, accuracy=0.87), every=500)
    assert sum(one.step >= len(DEFAULT.steps) - 1 for one in found) <= 1
    assert {one.conditions for one in found if one.ended == "rolled back"} == {("accuracy",)}
