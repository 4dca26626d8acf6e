"""Average precision and its companions: as scikit-learn counts them, ties and all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve

from augment_ops.stress.ordering import average_precision, brier_score, levels, recall_at_precision


def drawn(seed: int, decimals: int, rate: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wanted = rng.random(1_500) < rate
    scores = np.clip(rng.normal(0.3 + 0.2 * wanted, 0.15), 0, 1).round(decimals).astype(np.float32)
    return wanted, scores


@pytest.mark.parametrize("decimals", [1, 2, 7])
@pytest.mark.parametrize("seed", range(4))
def test_as_scikit_learn_has_it_with_ties_and_without(seed: int, decimals: int) -> None:
    wanted, scores = drawn(seed, decimals)
    assert average_precision(wanted, scores) == pytest.approx(average_precision_score(wanted, scores), abs=1e-12)
    assert brier_score(wanted, scores) == pytest.approx(brier_score_loss(wanted, scores.astype(float)), abs=1e-12)
    for least in (0.1, 0.3, 0.9):
        precision, recall, _ = precision_recall_curve(wanted, scores)
        reached = recall[:-1][precision[:-1] >= least]  # the last point is no threshold
        assert recall_at_precision(wanted, scores, least) == pytest.approx(max(reached, default=0.0))


def test_where_scores_say_nothing_it_is_the_share_of_the_class_whatever_the_order_of_the_samples() -> None:
    wanted, scores = np.arange(100) < 7, np.full(100, 0.4, np.float32)
    assert average_precision(wanted, scores) == average_precision(wanted[::-1], scores) == pytest.approx(0.07)


def test_nothing_wanted_is_not_measured_and_nothing_else_is_perfect() -> None:
    scores = np.array([0.1, 0.9], np.float32)
    none = np.zeros(2, bool)
    assert math.isnan(average_precision(none, scores)) and math.isnan(recall_at_precision(none, scores, 0.5))
    assert average_precision(~none, scores) == 1
    assert recall_at_precision(np.array([True, False]), scores, 0.9) == 0  # the highest score is wrong


def test_a_sample_that_is_not_wanted_counts_at_its_own_threshold_and_below() -> None:
    wanted, scores = np.array([1, 0, 1, 0, 0], bool), np.array([0.9, 0.9, 0.5, 0.7, 0.1])
    assert levels(wanted, scores).tolist() == [0, 0, 1, 1, 2]
