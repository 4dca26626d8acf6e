"""What augmentation makes of classes and groups, for rows and for texts: a failure of each kind, planted and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities import modality
from augment_ops.modalities.text.texts import written
from augment_ops.quality.composition import class_share, contents, group_share, over_augmentation
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.rules import Ceiling
from augment_ops.quality.training_samples import TrainingSamples, names_of

RULE = Ceiling(warn_above=0.05, fail_above=0.2)
N = 400
LABELS = (np.arange(N) % 8 == 0).astype(np.int64)  # 50 frauds
REGIONS = ["north" if i % 16 < 8 else "south" for i in range(N)]  # of the frauds: 25 and 25


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 3))


def texts() -> np.ndarray:
    return written([f"where is payment number {i}" for i in range(N)], 64)


def pairs_of(originals: np.ndarray, augmented: np.ndarray, copies: int = 1, regions: list | None = None) -> Pairs:
    return Pairs(
        originals=originals,
        augmented=augmented,
        ids=tuple(f"s{i}" for i in range(len(originals))),
        labels=LABELS[: len(originals)],
        held_out=ArrayPayload(originals[:1]),
        classes=("genuine", "fraud"),
        identity=False,
        modality=modality("tabular" if originals.dtype == np.float64 else "text"),
        train=TrainingSamples(
            payload=ArrayPayload(originals),
            labels=LABELS[: len(originals)],
            places=np.arange(len(originals)),
            groups={} if regions is None else {"region": names_of(regions)},
        ),
        copies=copies,
    )


@pytest.fixture(params=[rows, texts], ids=["rows", "texts"])
def samples(request: pytest.FixtureRequest) -> np.ndarray:
    make: Callable[[], np.ndarray] = request.param
    return make()


def test_a_policy_that_changes_every_sample_alike_changes_no_share(samples: np.ndarray) -> None:
    pairs = pairs_of(samples, samples + 1, regions=REGIONS)
    assert (class_share(pairs, RULE).measured, group_share(pairs, RULE).measured) == (0, 0)
    same = pairs_of(samples, samples.copy(), regions=REGIONS)
    assert (class_share(same, RULE).measured, group_share(same, RULE).measured) == (0, 0)


def test_a_rare_class_that_is_pressed_together_is_washed_out(samples: np.ndarray) -> None:
    after = samples.copy()
    frauds = np.flatnonzero(LABELS == 1)
    after[frauds] = after[np.resize(frauds[:5], len(frauds))]
    check = class_share(pairs_of(samples, after), RULE)
    assert check.status == "fail" and check.measured == pytest.approx(1 - (5 / 355) / (50 / 400))
    assert "class fraud is 12.50%" in check.message and "1.41% after it" in check.message


def test_a_rare_class_of_which_fewer_are_made_is_washed_out(samples: np.ndarray) -> None:
    whole = pairs_of(samples, samples + 1)
    twice = np.tile(np.arange(N), 2)
    thinned = twice[(LABELS[twice] == 0) | (np.arange(2 * N) < N)]  # the second copy is of genuine ones alone
    kept = replace(
        whole,
        originals=samples[thinned],
        augmented=samples[thinned] + (1 + np.arange(len(thinned)) // N)[:, None].astype(samples.dtype),
        ids=tuple(f"s{i}" for i in thinned),
        labels=LABELS[thinned],
        train=replace(whole.train, places=thinned),
    )
    check = class_share(kept, RULE)
    assert check.status == "fail" and check.measured == pytest.approx(1 - (50 / 750) / (50 / 400))


def test_equal_originals_may_stay_equal(samples: np.ndarray) -> None:
    before = samples.copy()
    before[LABELS == 1] = before[0]
    assert class_share(pairs_of(before, before + 1), RULE).measured == 0


def test_a_group_that_is_pressed_together_loses_its_share_of_its_class(samples: np.ndarray) -> None:
    after = samples.copy()
    south = np.flatnonzero((LABELS == 1) & (np.array(REGIONS) == "south"))
    after[south] = after[south[0]]
    check = group_share(pairs_of(samples, after, regions=REGIONS), RULE)
    assert check.status == "fail" and "class fraud" in check.message and "region" in check.message
    assert check.measured == pytest.approx((25 / 26) / 0.5 - 1)


def test_groups_that_are_small_or_not_known_are_left_out(samples: np.ndarray) -> None:
    after = samples.copy()
    after[:8] = after[0]
    few = ["rare" if i < 8 else "usual" if i < 200 else None for i in range(N)]
    assert group_share(pairs_of(samples, after, regions=few), RULE).measured < 0.05, "rare ones alone lost theirs"
    assert "no column" in group_share(pairs_of(samples, after), RULE).message
    assert class_share(pairs_of(samples[:10], samples[:10] + 1), RULE).measured == 0, "the largest is judged"


def test_invented_samples_are_counted_in_the_class_that_has_most(samples: np.ndarray) -> None:
    after = samples.copy()
    after[LABELS == 1] += 1
    check = over_augmentation(pairs_of(samples, after, copies=30), Ceiling(warn_above=5, fail_above=20))
    assert (check.status, check.measured) == ("fail", 30)
    assert "30.0 invented" in check.message and "class fraud (30 times augmented, 100% changed)" in check.message
    assert over_augmentation(pairs_of(samples, samples, copies=30), RULE).measured == 0


def test_minus_zero_is_zero_and_what_is_missing_is_missing() -> None:
    one = np.array([[0.0, np.nan]])
    other = np.array([[-0.0, -np.nan]])
    assert contents(one) == contents(other) != contents(np.array([[0.0, 1.0]]))
