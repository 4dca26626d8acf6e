"""Two arms that are asked alike are left in peace however often one looks; two that are not are told by the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from augment_ops.rollout.inputs import FIRST_LOOK, ArmSamples, looks_at_inputs, measure_inputs
from augment_ops.rollout.judge import MeasuredCondition
from augment_ops.rollout.rules import RolloutRules
from support.simulated_rollouts import DEFAULT

START = np.datetime64("2026-11-29T00:00:00", "us")


def arm(values: Any, *, every_s: int = 1, name: str = "amount") -> ArmSamples:
    found = np.asarray(values)
    return ArmSamples(times=START + np.arange(len(found)) * np.timedelta64(every_s, "s"), features={name: found})


def found_of(
    champion: ArmSamples, challenger: ArmSamples, rules: RolloutRules = DEFAULT
) -> tuple[MeasuredCondition, ...]:
    return measure_inputs(rules, 1, looks_at_inputs(rules, champion, challenger))


def states(champion: ArmSamples, challenger: ArmSamples) -> list[tuple[str, str]]:
    return [(one.about, one.state) for one in found_of(champion, challenger)]


def test_before_the_first_look_there_is_nothing() -> None:
    many, few = arm(np.zeros(5000)), arm(np.ones(FIRST_LOOK - 1))
    assert states(many, few) == []
    assert states(many, arm(np.ones(FIRST_LOOK))) == [("amount", "broken")]


def test_rules_without_the_condition_measure_nothing() -> None:
    content = DEFAULT.model_dump(mode="json")
    content["conditions"]["inputs"] = None
    rules = RolloutRules.model_validate(content)
    assert found_of(arm(np.zeros(5000)), arm(np.ones(5000)), rules) == ()


@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_arms_that_are_asked_alike_are_left_in_peace(kind: str) -> None:
    rng, alarms = np.random.default_rng(4), 0
    for _ in range(60):
        drawn = rng.normal(size=8000) if kind == "numbers" else rng.choice(list("abc"), size=8000)
        champion, challenger = arm(drawn[:6500]), arm(drawn[6500:], every_s=4)
        (found,) = found_of(champion, challenger)
        alarms += found.state == "broken"
        assert found.n == 800
        assert (found.low, found.high) == (None, None)
    assert alarms == 0


def test_a_difference_that_is_shown_and_small_ends_nothing() -> None:
    rng = np.random.default_rng(4)
    champion, challenger = arm(rng.normal(size=60_000)), arm(rng.normal(0.15, 1, size=60_000))
    (found,) = found_of(champion, challenger)
    assert found.state == "open"
    assert 0 < found.estimate < DEFAULT.conditions.inputs.psi_at_most


def test_a_difference_that_is_large_and_not_shown_ends_nothing() -> None:
    """Of 200 samples 30 lie far away: an index of one half, and three times in a thousand looks it is chance."""
    rng = np.random.default_rng(8)
    wild = np.concatenate([rng.normal(size=170), rng.normal(6, 0.1, size=30)])
    (found,) = found_of(arm(rng.normal(size=200)), arm(wild))
    assert found.state == "open"
    assert found.estimate > DEFAULT.conditions.inputs.psi_at_most


@pytest.mark.parametrize(("far", "others", "state"), [(42, 0, "broken"), (42, 40, "open"), (36, 0, "open")])
def test_alpha_is_divided_among_inputs_and_canaries(far: int, others: int, state: str) -> None:
    """42 of 200 far away have a p of 0.0003, and 36 one of 0.003; one input of one canary of three has 0.0014."""
    here = np.linspace(0, 1, 200)
    champion, challenger = arm(here), arm(np.sort(np.concatenate([here[: 200 - far], np.full(far, 9.0)])))
    for one in (champion, challenger):
        one.features.update({f"same-{number}": here for number in range(others)})
    assert states(champion, challenger) == [("amount", state)]


def test_what_was_shown_once_stays_so_and_every_input_at_fault_is_named() -> None:
    rng = np.random.default_rng(4)
    times = arm(np.zeros(3200)).times
    early = np.concatenate([rng.normal(3, 1, size=400), rng.normal(size=2800)])
    texts = np.where(rng.random(3200) < 0.9, "a", "b").astype(object)
    champion = ArmSamples(
        times=times,
        features={"amount": rng.normal(size=3200), "shop": np.full(3200, "b", dtype=object), "age": np.zeros(3200)},
    )
    challenger = ArmSamples(times=times, features={"amount": early, "shop": texts, "age": np.zeros(3200)})
    assert states(champion, challenger) == [("amount", "broken"), ("shop", "broken")]
    later = found_of(champion, challenger)
    assert {one.n for one in later} == {200}


def test_looks_are_at_a_moment_and_so_an_hour_that_differs_is_no_difference() -> None:
    """The champion is asked far more: what it was asked until then is compared, not its first 200 samples."""
    rng = np.random.default_rng(4)
    hours = np.sort(rng.random(41_000))
    values = rng.normal(8 * hours, 1)  # the traffic itself moves
    of_challenger = np.zeros(41_000, bool)
    of_challenger[rng.choice(41_000, 1000, replace=False)] = True
    times = START + (hours * 1e9).astype("timedelta64[us]")
    arms = [ArmSamples(times=times[one], features={"amount": values[one]}) for one in (~of_challenger, of_challenger)]
    assert states(*arms) == [("amount", "open")]


def test_a_look_waits_for_the_arm_that_is_asked_later() -> None:
    champion, later = arm(np.zeros(5000)), arm(np.ones(200))
    challenger = ArmSamples(times=later.times + np.timedelta64(2, "h"), features=later.features)
    assert states(champion, challenger) == [("amount", "broken")]


def test_a_look_that_was_made_is_not_made_again_whatever_is_logged_later() -> None:
    rng = np.random.default_rng(4)
    same, other = arm(rng.normal(size=400)), arm(rng.normal(3, 1, size=800))
    made = looks_at_inputs(DEFAULT, same, arm(rng.normal(size=400)))
    assert [one.n for one in made] == [200, 400]
    assert looks_at_inputs(DEFAULT, same, other, made) == made
    more = looks_at_inputs(DEFAULT, arm(rng.normal(size=800)), other, made)
    assert more[:2] == made
    assert [one.broken for one in more] == [(), (), ("amount",)]
    assert [one.n for one in measure_inputs(DEFAULT, 1, more)] == [800]
