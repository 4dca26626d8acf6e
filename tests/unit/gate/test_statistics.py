from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from augment_ops.gate.statistics import Bootstrap, Estimate, below, corrected
from augment_ops.statistics import wilson

BOOTSTRAP = Bootstrap("e" * 64, 0.95, 10_000)


def differences(n: int, lost: int, won: int) -> np.ndarray:
    return np.array([1.0] * lost + [-1.0] * won + [0.0] * (n - lost - won))


def test_the_bootstrap_agrees_with_the_normal_theory_of_a_mean():
    values = differences(2000, 160, 100)
    estimate = BOOTSTRAP.mean("a", values, 0.05)
    error = values.std() / math.sqrt(len(values))
    assert estimate.value == pytest.approx(0.03)
    assert estimate.low == pytest.approx(0.03 - 1.96 * error, abs=0.1 * error)
    assert estimate.high == pytest.approx(0.03 + 1.96 * error, abs=0.1 * error)
    assert estimate.p_safe == pytest.approx(norm.cdf((0.03 - 0.05) / error), rel=0.5)  # the tail is skewed
    assert estimate.p_harm > 0.95


def test_it_resamples_samples_and_not_only_their_distinct_values():
    """Direct resampling of rows, the textbook way, gives the same distribution."""
    values = np.concatenate([differences(300, 30, 10), np.full(20, 0.5)])
    rng = np.random.default_rng(1)
    direct = values[rng.integers(0, len(values), (10_000, len(values)))].mean(axis=1)
    means = BOOTSTRAP.means("a", values)
    assert means.mean() == pytest.approx(direct.mean(), abs=1e-3)
    assert means.std() == pytest.approx(direct.std(), rel=0.03)
    np.testing.assert_allclose(np.quantile(means, [0.025, 0.975]), np.quantile(direct, [0.025, 0.975]), atol=0.004)


def test_the_same_evidence_draws_the_same_and_another_does_not():
    values = differences(300, 30, 10)
    assert (BOOTSTRAP.means("a", values) == BOOTSTRAP.means("a", values)).all()
    assert (BOOTSTRAP.means("a", values) != BOOTSTRAP.means("b", values)).any()
    assert (BOOTSTRAP.means("a", values) != Bootstrap("f" * 64, 0.95, 10_000).means("a", values)).any()


def test_the_order_of_the_samples_does_not_matter():
    values = differences(300, 30, 10)
    assert BOOTSTRAP.mean("a", values, 0.1) == BOOTSTRAP.mean("a", values[::-1], 0.1)


def test_the_draws_are_those_that_decisions_were_made_with():
    """A replay compares byte for byte: should a NumPy draw otherwise, this says so before an auditor does."""
    means = BOOTSTRAP.means("golden", differences(300, 30, 10))
    assert np.rint(means[:6] * 300).astype(int).tolist() == [24, 32, 10, 27, 19, 23]


def test_no_difference_in_n_samples_is_known_by_the_rule_of_three():
    for n, within in ((100, False), (300, True)):
        estimate = BOOTSTRAP.mean("a", np.zeros(n), 0.02)
        assert estimate.high == pytest.approx(-math.log(0.025) / n)
        assert (estimate.p_safe <= 0.025) == within == (estimate.high <= 0.02)
        assert estimate.p_harm == 1.0


def test_three_samples_that_all_got_worse_prove_little():
    assert BOOTSTRAP.mean("a", np.ones(3), 0.1).low < 0.1


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (5, 12), (12, 12), (88, 100), (9870, 10_000)])
def test_the_exact_test_is_that_of_scipy(hits, n):
    test = binomtest(hits, n, 0.4, alternative="less")
    assert below(hits, n, 0.4, 0.95).p_harm == pytest.approx(test.pvalue)
    assert below(hits, n, 0.4, 0.95).p_safe == pytest.approx(binomtest(hits, n, 0.4, alternative="greater").pvalue)


def test_a_recall_is_judged_by_what_it_misses():
    estimate = below(2, 10, 0.5, 0.95)
    assert (estimate.value, estimate.limit) == (0.8, 0.5)
    assert estimate.beyond
    assert (1 - estimate.high, 1 - estimate.low) == pytest.approx(wilson(2, 10, 0.95))
    assert not below(5, 10, 0.5, 0.95).beyond


def test_proof_of_harm_alone_is_corrected():
    made = [Estimate(0, 0, 0, 1, 0, p, 0.2) for p in (0.01, 0.04, 0.03)]
    assert [e.p_harm for e in corrected(made)] == pytest.approx([0.03, 0.06, 0.06])
    assert [e.p_safe for e in corrected(made)] == [0.2] * 3


@pytest.mark.slow
def test_of_equal_models_the_share_found_better_is_the_nominal_one():
    """Two models that each miss 5% of the samples, 2% of them in common; n = 450 as in the digits; level 2.5%."""
    rng, wins, safe = np.random.default_rng(5), 0, 0
    for trial in range(2000):
        draw = rng.uniform(size=450)
        ours, theirs = draw < 0.05, (draw >= 0.03) & (draw < 0.08)
        bootstrap = Bootstrap(str(trial), 0.95, 1000)
        wins += bootstrap.mean("win", ours.astype(float) - theirs, 0.0).p_safe <= 0.025
        # A model that truly loses 2 points, the margin, may be called safe as often as the level says.
        worse = (draw < 0.06).astype(float) - ((draw >= 0.05) & (draw < 0.09))
        safe += bootstrap.mean("safe", worse, 0.02).p_safe <= 0.025
    assert 0.015 <= wins / 2000 <= 0.037
    assert 0.015 <= safe / 2000 <= 0.040
