"""Each failure that augmentation of rows is known for, planted into payments, and caught by the shipped rules.

Label noise, leakage of the test month, a rare class washed out, bias amplified between groups of customers, and
over-augmentation; then rows that are known for invented ones, and other people's rows given out as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities.tabular.checks import CHECKS
from augment_ops.modalities.tabular.crowd import Crowd, Space
from augment_ops.modalities.tabular.detectability import sides, standard_error
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.report import CheckResult
from augment_ops.quality.training_samples import TrainingSamples, names_of
from support.planted_rows import (
    AMOUNT,
    AUGMENTED,
    AVERAGE,
    FRAUDS,
    GENUINE,
    HOUR,
    IDS,
    JUNE,
    KIND,
    LABELS,
    ROWS,
    SCHEMA,
    N,
    asking,
    bias,
    bias_by_mixing,
    cents_lost,
    checked,
    hours_lost,
    label_noise,
    leaked_month,
    near_others_rows,
    nearly_leaked_month,
    others_rows,
    pressed_together,
    torn_apart,
    washed_out,
)


@pytest.fixture(scope="module")
def clean() -> dict[str, CheckResult]:
    return checked(AUGMENTED)


def test_what_the_shipped_policy_makes_of_payments_passes_every_check(clean: dict[str, CheckResult]) -> None:
    assert list(clean) == [n.replace("_", "-") for n in CHECKS.augmented if n != "constraint_violations"]
    assert {name: check.message for name, check in clean.items() if check.status != "ok"} == {}


@pytest.mark.parametrize(
    ("plant", "name", "reason"),
    [
        (label_noise, "other-class-neighbours", "mostly of another class for"),
        (leaked_month, "held-out-leakage", "150 of 1500 augmented rows equal a held-out row in every value"),
        (nearly_leaked_month, "near-held-out-leakage", "as near to a held-out row as"),
        (washed_out, "class-share", "class fraud is"),
        (bias, "group-share", "age under 25 is"),
        (bias_by_mixing, "other-group-neighbours", "of the augmented rows of age under 25, and for"),
        (cents_lost, "detectability", "with an area under the curve of"),
        (hours_lost, "detectability", "with an area under the curve of"),
        (pressed_together, "distribution-shift", "the distribution of 'amount' moves"),
        (torn_apart, "correlation-change", "the rank correlation of 'amount' and 'average'"),
        (others_rows, "copies-of-others", "75 of 1500 augmented rows equal the row of somebody else"),
        (near_others_rows, "distance-to-closest-record", "as near to a training row that is not their original as"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_planted_failure_is_caught_with_its_reason(plant: Callable, name: str, reason: str) -> None:
    rows = AUGMENTED.copy()
    plant(rows)
    check = checked(rows, name)[name]
    assert check.status == "fail" and reason in check.message, check.message


def test_over_augmentation_is_caught_in_the_class_that_is_invented_most() -> None:
    name = "over-augmentation"
    check = checked(AUGMENTED, name, copies=40)[name]
    assert check.status == "fail" and "of class fraud (40 times augmented" in check.message


def test_a_row_of_the_same_customer_is_no_row_of_somebody_else() -> None:
    rows = ROWS.copy()
    rows[:300] = ROWS[300:600]  # of the same 300 customers
    assert checked(rows, "copies-of-others")["copies-of-others"].measured == 0
    rows[:300] = ROWS[301:601]
    assert checked(rows, "copies-of-others")["copies-of-others"].measured == 300 / N


def test_where_nobody_is_named_every_other_row_is_somebody_elses_and_a_rows_own_is_not() -> None:
    rows = ROWS.copy()
    rows[:300] = ROWS[300:600]
    labels, name = LABELS.copy(), "copies-of-others"
    (check,) = check_augmented(ROWS, rows, IDS, labels, JUNE, asking(name), "plan", schema=SCHEMA.content()).checks
    assert check.measured == 300 / N


def test_the_leak_of_a_class_that_the_originals_have_already_is_no_fault_of_the_policy() -> None:
    noisy = ROWS.copy()
    noisy[FRAUDS[::3]] = ROWS[GENUINE[: len(FRAUDS[::3])]]
    train = TrainingSamples(payload=ArrayPayload(noisy), labels=LABELS, places=np.arange(N))
    found = check_augmented(
        noisy,
        noisy + 1e-9,
        IDS,
        LABELS,
        JUNE,
        asking("other-class-neighbours"),
        "plan",
        schema=SCHEMA.content(),
        train=train,
    )
    (check,) = found.checks
    assert check.status == "ok" and check.measured < 0.005


def landing(name: str, rows: np.ndarray, labels: np.ndarray, *columns: list[str | None]) -> CheckResult:
    groups = {f"column {number}": names_of(column) for number, column in enumerate(columns)}
    train = TrainingSamples(payload=ArrayPayload(ROWS), labels=labels, places=np.arange(N), groups=groups)
    found = check_augmented(ROWS, rows, IDS, labels, JUNE, asking(name), "plan", schema=SCHEMA.content(), train=train)
    return found.checks[0]


def test_a_rare_class_has_as_many_neighbours_to_offer_as_a_frequent_one() -> None:
    # Labels that say nothing: half of the neighbours are of either class, however few of one there are.
    labels = (np.random.default_rng(5).random(N) < 0.1).astype(np.int64)
    check = landing("other-class-neighbours", AUGMENTED, labels)
    (share,) = re.findall(r"for ([\d.]+)% of their originals", check.message)
    assert 35 < float(share) < 65, check.message


def test_of_many_groups_that_mean_nothing_none_is_said_to_move() -> None:
    shuffled = ROWS[np.random.default_rng(6).permutation(N)]
    draw = np.random.default_rng(7).random((6, N))
    columns = [["a" if u < 0.05 else "b" if u < 0.1 else None for u in column] for column in draw]  # some 75 of each
    check = landing("other-group-neighbours", shuffled, np.zeros(N, np.int64), *columns)
    assert check.status == "ok", check.message


def test_a_group_that_is_its_class_is_compared_with_no_other_group() -> None:
    noisy = AUGMENTED.copy()
    label_noise(noisy)
    groups = ["stolen" if label else "own" for label in LABELS]
    assert landing("other-group-neighbours", noisy, LABELS, groups).measured == 0


def test_columns_that_are_hardly_known_together_have_no_correlation_that_could_change() -> None:
    name = "correlation-change"
    rows, after = ROWS.copy(), AUGMENTED.copy()
    torn_apart(after)
    for some in (rows, after):
        some[99:, AVERAGE] = np.nan
    train = TrainingSamples(payload=ArrayPayload(rows), labels=LABELS, places=np.arange(N))
    found = check_augmented(rows, after, IDS, LABELS, JUNE, asking(name), "plan", schema=SCHEMA.content(), train=train)
    assert "'amount' and 'hour'" in found.checks[0].message and found.checks[0].status == "warn"


def test_the_distance_is_that_of_smote_nc() -> None:
    space = Space.of(SCHEMA, ROWS)
    one = ROWS[:1].copy()
    crowd = Crowd(space, np.arange(1), one)
    spread = ROWS.std(axis=0)

    def apart(column: int, value: float) -> float:
        other = one.copy()
        other[0, column] = value
        return float(crowd.nearest(other, np.array([-1]), 1)[0][0, 0])

    assert apart(HOUR, one[0, HOUR] + 2 * spread[HOUR]) == pytest.approx(2, rel=1e-4)
    for code in (*{0, 1, 2} - {int(one[0, KIND])}, -1, np.nan):
        assert apart(KIND, code) == pytest.approx(1, rel=1e-4), "whatever the other category is"
    off = (one[0, AVERAGE] - ROWS[:, AVERAGE].mean()) / spread[AVERAGE]
    assert apart(AVERAGE, np.nan) == pytest.approx(np.hypot(off, 1), rel=1e-4)


def test_neighbours_among_rows_of_any_order_are_called_by_their_places() -> None:
    crowd = Crowd.of(Space.of(SCHEMA, ROWS), ArrayPayload(ROWS), np.array([40, 7, 300, 9, 7 + 100]))
    assert crowd.rows.tolist() == [7, 9, 40, 107, 300]
    apart, places = crowd.nearest(ROWS[[300, 7]], np.array([-1, 7]), 9)
    assert places.shape == (2, 4) and places[0, 0] == 300 and apart[0, 0] == 0  # nobody's own but the second's
    assert 7 not in places[1] and (apart[1] > 0).all()


def test_no_row_stands_beside_its_copy_and_each_class_is_as_large_on_both_sides() -> None:
    changed = np.random.default_rng(4).random(N) < np.where(LABELS == 1, 0.9, 0.2)
    real, made = sides(LABELS, changed)
    assert not set(real.tolist()) & set(made.tolist()) and changed[made].all()
    assert np.array_equal(np.bincount(LABELS[real]), np.bincount(LABELS[made])) and len(made) > N / 10
    assert (np.bincount(LABELS[made], minlength=2) > 50).all()


def test_rows_that_nothing_changed_cannot_be_told_and_a_few_that_changed_are_too_few_to_say() -> None:
    few = ROWS.copy()
    few[:10, AMOUNT] += 1
    assert checked(ROWS, "detectability")["detectability"].measured == 0.5
    assert np.isnan(checked(few, "detectability")["detectability"].measured)


def test_the_same_rows_are_told_apart_to_the_last_digit_alike(clean: dict[str, CheckResult]) -> None:
    names = ("detectability", "distance-to-closest-record")
    assert checked(AUGMENTED.copy(), *names) == {name: clean[name] for name in names}


def test_the_standard_error_is_that_of_the_book() -> None:
    # Hanley & McNeil 1982, table II: an area of 0.893 of 58 normal and 51 abnormal cases has 0.032.
    assert standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)
