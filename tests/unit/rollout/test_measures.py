"""Each condition is measured from its own counts, holds or is broken where it should, and says nothing too early."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augment_ops.rollout.counting import tally, tally_labels
from augment_ops.rollout.judge import MeasuredCondition
from augment_ops.rollout.measures import MOST_CLASSES, alpha_of, measure
from augment_ops.rollout.rules import ABOUT_INPUTS, SLICES, RolloutRules
from augment_ops.rollout.sequential import difference_interval, mean_interval, of_many, quantile_interval
from augment_ops.rollout.tally import EDGES, Tally, added
from support.simulated_rollouts import CLASSES, DEFAULT, Model, answers


def rules(change: Callable[[dict[str, Any]], None]) -> RolloutRules:
    content = DEFAULT.model_dump(mode="json")
    change(content)
    return RolloutRules.model_validate(content)


def seen(
    champion: Model, challenger: Model, n: dict[int, int], *, labelled: bool = True, by: RolloutRules = DEFAULT
) -> Tally:
    rng, parts = np.random.default_rng(11), []
    for step, number in n.items():
        table, labels = answers(rng, number, step, champion, challenger, by)
        parts.append(tally(by, table) + tally_labels(by, table, labels if labelled else {}))
    return added(parts, len(by.steps))


def of(
    found: tuple[MeasuredCondition, ...], condition: str, about: str = "", step: int | None = None
) -> MeasuredCondition:
    (one,) = (m for m in found if (m.condition, m.about, m.step) == (condition, about, step))
    return one


def test_where_nothing_came_nothing_is_measured() -> None:
    assert measure(DEFAULT, Tally.nothing(4), 3) == ()


def test_an_equal_challenger_breaks_nothing_and_is_shown_to_hold_what_shadows_show() -> None:
    found = measure(DEFAULT, seen(Model(), Model(own=0.2), {0: 6000, 3: 8000}), 3)
    assert {one.state for one in found} == {"holds", "open"}
    assert {one.condition for one in found} == {*DEFAULT.conditions.named} - {*ABOUT_INPUTS}
    assert of(found, "agreement").state == "holds"
    assert of(found, "latency", step=0).state == of(found, "latency", step=3).state == "holds"
    assert of(found, "confidence").state == "holds"
    assert sum(one.condition == "recall" and one.step is None for one in found) == CLASSES
    for one in found:
        assert one.low is not None
        assert one.high is None or one.low <= one.estimate <= one.high


@pytest.mark.parametrize(
    ("challenger", "condition", "about", "answers_of_shadow"),
    [
        (Model(own=1.0, accuracy=0.6), "agreement", "", 1000),
        (Model(lost=3), "agreement", "3", 500),
        (Model(lost=3), "recall", "3", 800),
        (Model(fails=0.02), "errors", "", 2500),
        (Model(seconds=0.06), "latency", "", 600),
        (Model(confidence=0.6), "confidence", "", 300),
        (Model(accuracy=0.87), "accuracy", "", 6000),
    ],
)
def test_what_is_broken_in_the_shadow_is_shown(
    challenger: Model, condition: str, about: str, answers_of_shadow: int
) -> None:
    found = measure(DEFAULT, seen(Model(), challenger, {0: answers_of_shadow}), 0)
    step = 0 if condition in ("errors", "latency") else None
    assert of(found, condition, about, step).state == "broken"


@pytest.mark.parametrize(
    ("challenger", "condition", "about"),
    [
        (Model(fails=0.1), "errors", ""),
        (Model(seconds=0.06), "latency", ""),
        (Model(accuracy=0.6), "accuracy", ""),
        (Model(lost=3), "recall", "3"),
    ],
)
def test_what_is_broken_in_a_canary_is_shown(challenger: Model, condition: str, about: str) -> None:
    found = measure(DEFAULT, seen(Model(), challenger, {2: 12_000}), 2)
    assert of(found, condition, about, 2).state == "broken"
    assert {one.step for one in found} == {2}


def test_a_step_that_has_not_begun_is_not_looked_at() -> None:
    everything = seen(Model(), Model(fails=0.5, accuracy=0.1), {0: 10, 2: 3000})
    assert {one.step for one in measure(DEFAULT, everything, 1)} == {0, None}


def test_confidence_of_two_arms_stands_in_for_pairs_where_nothing_shadows() -> None:
    of_pairs = dict.fromkeys(("agreement", *SLICES))
    alone = rules(lambda content: (content["steps"].pop(0), content["conditions"].update(of_pairs)))
    found = measure(alone, seen(Model(), Model(confidence=0.6), {1: 4000}, by=alone), 1)
    assert of(found, "confidence", step=1).state == "broken"
    assert of(found, "confidence", step=1).estimate == pytest.approx(-0.25, abs=0.02)


def test_labels_below_what_the_rules_ask_for_say_nothing() -> None:
    few = seen(Model(), Model(accuracy=0.05), {0: 199})
    accuracy = of(measure(DEFAULT, few, 0), "accuracy")
    assert (accuracy.state, accuracy.n) == ("open", 199)
    assert accuracy.low is not None
    assert accuracy.low > accuracy.limit
    assert of(measure(DEFAULT, few + seen(Model(), Model(accuracy=0.05), {0: 1}), 0), "accuracy").state == "broken"
    assert not any(one.condition == "recall" for one in measure(DEFAULT, seen(Model(), Model(lost=3), {0: 100}), 0))


def test_labels_of_one_arm_alone_say_nothing() -> None:
    canary = seen(Model(), Model(accuracy=0.05), {1: 4000})
    accuracy = of(measure(DEFAULT, canary, 1), "accuracy", step=1)
    assert accuracy.n < 200
    assert (accuracy.state, accuracy.low is not None and accuracy.low > accuracy.limit) == ("open", True)


def test_a_champion_that_fails_more_is_no_fault_of_the_challenger() -> None:
    found = measure(DEFAULT, seen(Model(fails=0.1), Model(fails=0.02), {0: 2000, 3: 2000}), 3)
    assert [one.estimate for one in found if one.condition == "errors"] == pytest.approx([-0.08, -0.08], abs=0.02)
    assert {one.state for one in found if one.condition == "errors"} == {"holds"}


def test_without_labels_there_is_no_accuracy_and_a_lost_class_is_shown_all_the_same() -> None:
    found = measure(DEFAULT, seen(Model(), Model(lost=3), {0: 400}, labelled=False), 0)
    assert not any(one.condition in ("accuracy", "recall") for one in found)
    assert of(found, "agreement", "3").state == "broken"


def test_the_champion_that_answers_for_a_failed_challenger_is_no_evidence_about_itself() -> None:
    fast = seen(Model(), Model(fails=0.9), {3: 2000}, labelled=True)
    assert fast.failed_sides[3, 0].sum() + fast.failed_sides[3, 1].sum() == 2000
    assert fast.latency[3, 1].sum() < 150


def test_alpha_is_divided_as_it_is_said() -> None:
    assert alpha_of(DEFAULT) == pytest.approx(0.05 / 9)
    everything = seen(Model(), Model(own=0.2), {0: 3000, 2: 4000})
    found = measure(DEFAULT, everything, 2)
    alpha = alpha_of(DEFAULT)

    def ends(one: MeasuredCondition) -> list[float | None]:
        return [one.low, one.high]

    whole = np.sum(list(everything.agreement.values()), axis=0)
    assert ends(of(found, "agreement")) == [float(end) for end in mean_interval([0, 1], whole, alpha / 2)]
    of_class = mean_interval([0, 1], everything.agreement["3"], alpha / 2 * of_many(CLASSES))
    assert ends(of(found, "agreement", "3")) == [float(end) for end in of_class]
    failed = everything.failed_sides[2]
    apart = difference_interval([0, 1], failed[1], failed[0], alpha / 4)
    assert ends(of(found, "errors", step=2)) == [float(end) for end in apart]
    right = np.sum([counts[2] for counts in everything.right_sides.values()], axis=0)
    lost = difference_interval([0, 1], right[0], right[1], alpha / 2 / 3)
    assert ends(of(found, "accuracy", step=2)) == [float(end) for end in lost]
    pairs = np.sum(list(everything.right_pairs.values()), axis=0)
    in_pairs = mean_interval([-1, 0, 1], [pairs[1], pairs[0] + pairs[3], pairs[2]], alpha / 2)
    assert ends(of(found, "accuracy")) == [float(end) for end in in_pairs]


def test_alpha_of_a_latency_is_divided_among_steps_and_arms() -> None:
    everything = Tally.nothing(4)
    everything.latency[2] = 14  # so many edges that no end is the same at twice of alpha
    bare = rules(lambda content: content["conditions"]["latency"].update(floor_ms=0))
    found = of(measure(bare, everything, 2), "latency", step=2)
    low, high = quantile_interval(EDGES, everything.latency[2, 0], 0.95, alpha_of(DEFAULT) / 4 / 2)
    assert (found.low, found.high) == (low / high, high / low)
    twice = quantile_interval(EDGES, everything.latency[2, 0], 0.95, alpha_of(DEFAULT) / 4)
    assert low != twice[0] and high != twice[1]


def test_a_latency_below_the_floor_is_nobodys_ratio() -> None:
    quick, slower = Model(seconds=0.0005), Model(seconds=0.004)
    everything = seen(quick, slower, {0: 3000})
    bare = rules(lambda content: content["conditions"]["latency"].update(floor_ms=0))
    assert of(measure(bare, everything, 0), "latency", step=0).state == "broken"
    floored = of(measure(DEFAULT, everything, 0), "latency", step=0)
    assert (floored.state, floored.estimate, floored.low, floored.high) == ("holds", 1.0, 1.0, 1.0)


def test_of_few_latencies_neither_end_is_known() -> None:
    bare = rules(lambda content: content["conditions"]["latency"].update(floor_ms=0))
    found = of(measure(bare, seen(Model(), Model(), {0: 5}), 0), "latency", step=0)
    assert (found.low, found.high, found.state) == (0.0, None, "open")


def test_ten_thousand_classes_cost_what_a_thousand_do() -> None:
    counts = {f"item-{one}": np.array([1 + one % 3, 2]) for one in range(10_000)}
    nothing = Tally.nothing(4)
    many = Tally(**{**vars(nothing), "agreement": counts})
    began = time.process_time()
    found = measure(DEFAULT, many, 0)
    assert len(found) == 1 + MOST_CLASSES
    assert time.process_time() - began < 5  # a fifth of a second; the bound is for the slowest machine
    assert min(one.n for one in found) >= 4
