"""A challenger that fails on one kind of inputs is found by it; one that does not is left in peace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from augment_ops.rollout.inputs import FIRST_LOOK, look_sizes
from augment_ops.rollout.judge import MeasuredCondition
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.slices import PairedInputs, measure_slices
from support.simulated_rollouts import DEFAULT


def paired(n: int, *, wrong: Any = (), seed: int = 5, labelled: float = 1.0, **features: Any) -> PairedInputs:
    """Two models that are right on nine samples of ten, which for four in a hundred is drawn for each by itself.

    Args:
        wrong: samples of which the challenger says something else, and wrong.
    """
    rng = np.random.default_rng(seed)
    champion, challenger = rng.random(n) < 0.9, np.ones(n, bool)
    challenger = np.where(rng.random(n) < 0.04, rng.random(n) < 0.9, champion)
    same = champion & challenger | (~champion & ~challenger)
    bad = np.asarray(wrong, bool) if len(wrong) else np.zeros(n, bool)
    same, challenger = same & ~bad, challenger & ~bad
    names = features or {"sharpness": rng.gamma(4.0, 5.0, n), "mean": rng.normal(80, 20, n)}
    return PairedInputs(
        features=names,
        same=same,
        lost=champion.astype(np.int64) - challenger,
        labelled=rng.random(n) < labelled,
        looks=tuple(look_sizes(n)),
    )


def states(found: tuple[MeasuredCondition, ...]) -> dict[str, set[str]]:
    return {name: {one.state for one in found if one.condition == name} for name in {one.condition for one in found}}


def test_one_sample_in_fifty_that_goes_wrong_is_found_by_what_it_looks_like() -> None:
    rng = np.random.default_rng(2)
    n = 6400
    blurred = rng.random(n) < 0.02
    sharpness = np.where(blurred, rng.gamma(4.0, 0.3, n), rng.gamma(4.0, 5.0, n))
    found = measure_slices(DEFAULT, paired(n, wrong=blurred, sharpness=sharpness, mean=rng.normal(80, 20, n)))
    assert states(found) == {"slice_agreement": {"broken"}, "slice_accuracy": {"broken"}}
    assert all(one.about.startswith("sharpness is") and one.about.endswith("at most") for one in found)
    assert all(one.n < 0.1 * n and one.step is None and one.low <= one.estimate <= one.high for one in found)


def test_what_is_found_without_labels_is_found_by_agreement_alone() -> None:
    n = 3200
    shop = np.array(["a"] * 3100 + ["b"] * 100, object)[np.random.default_rng(1).permutation(n)]
    found = measure_slices(DEFAULT, paired(n, wrong=shop == "b", labelled=0.0, shop=shop))
    assert [(one.condition, one.about, one.state) for one in found] == [("slice_agreement", "shop is 'b'", "broken")]


@pytest.mark.parametrize("values", [np.where(np.arange(3200) % 32 == 0, np.nan, 1.0), "text"])
def test_inputs_that_are_missing_are_a_slice(values: Any) -> None:
    gone = np.arange(3200) % 32 == 0
    values = np.where(gone, None, "x").astype(object) if isinstance(values, str) else values
    found = measure_slices(DEFAULT, paired(3200, wrong=gone, amount=values))
    assert {one.about for one in found} == {"amount is missing"}


def test_a_number_that_most_have_in_common_is_no_tail() -> None:
    """Three quarters are 0: of the lowest half percent nobody can be told from the others."""
    values = np.where(np.arange(1600) % 4 == 0, np.arange(1600.0), 0.0)
    found = measure_slices(DEFAULT, paired(1600, amount=values))
    assert all("at least" in one.about for one in found)


def test_two_that_differ_by_chance_are_left_in_peace_however_often_one_looks() -> None:
    """A chance of 0.05 for nine conditions, of which these are two: of 60 rollouts less than one by chance."""
    alarms = sum(
        one.state == "broken" for seed in range(60) for one in measure_slices(DEFAULT, paired(3200, seed=seed))
    )
    assert alarms == 0


def test_before_the_first_look_there_is_nothing_and_what_was_shown_once_stays_so() -> None:
    n, rng = 3200, np.random.default_rng(3)
    low = np.arange(n) % 50 == 0
    sharpness = np.where(low, rng.uniform(0, 1, n), rng.uniform(5, 9, n))
    early = paired(n, wrong=low & (np.arange(n) < 1600), sharpness=sharpness)
    assert measure_slices(DEFAULT, early.first(FIRST_LOOK - 1)) == ()
    at_last = measure_slices(DEFAULT, early)
    assert states(at_last)["slice_agreement"] == {"broken"}
    assert {one.n for one in at_last if one.condition == "slice_agreement"} <= {16, 32, 160, 80}


def test_a_slice_that_holds_is_not_broken_and_the_worst_one_is_told() -> None:
    found = measure_slices(DEFAULT, paired(6400))
    assert [one.condition for one in found] == ["slice_agreement", "slice_accuracy"]
    assert {one.state for one in found} <= {"open", "holds"}
    assert found[0].estimate < np.mean(paired(6400).same)
    assert found[1].n >= DEFAULT.conditions.slice_accuracy.labels


def test_each_condition_is_measured_where_the_rules_have_it() -> None:
    content = DEFAULT.model_dump(mode="json")
    content["conditions"]["slice_agreement"] = None
    rules = RolloutRules.model_validate(content)
    assert {one.condition for one in measure_slices(rules, paired(800))} == {"slice_accuracy"}
    content["conditions"]["slice_accuracy"] = None
    assert measure_slices(RolloutRules.model_validate(content), paired(800)) == ()


def test_few_labels_of_a_slice_say_nothing() -> None:
    """At the first look a tail of one in ten has twenty."""
    found = measure_slices(DEFAULT, replace(paired(FIRST_LOOK), lost=np.ones(FIRST_LOOK, np.int64)))
    assert {one.condition for one in found} == {"slice_agreement"}
