"""Intervals hold however often one looks, are as narrow as they may be, and stay numbers up to a thousand million."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy.special import betainc, betaln, logsumexp

from augment_ops.rollout import sequential
from augment_ops.rollout.sequential import (
    difference_interval,
    log_capital,
    mean_interval,
    of_many,
    quantile_interval,
)

BINARY = np.array([0.0, 1.0])
PAIRED = np.array([-1.0, 0.0, 1.0])
FINE = np.linspace(-1, 1, 101)


def paths(rng: np.random.Generator, shares: np.ndarray, number: int, looks: np.ndarray) -> np.ndarray:
    """Counts of `number` streams at each look: (number, looks, V)."""
    steps = np.diff(looks, prepend=0)
    return np.stack([rng.multinomial(steps, shares) for _ in range(number)]).cumsum(axis=1)


def missed(values: np.ndarray, counts: np.ndarray, mean: float, alpha: float) -> float:
    """Share of the streams whose interval does not hold the true mean at one look or another."""
    above = log_capital(values, counts, mean)
    below = log_capital(-values[::-1], counts[..., ::-1], -mean)
    return float((np.maximum(above, below) >= math.log(2 / alpha)).any(axis=-1).mean())


@pytest.mark.parametrize("counts", [[1, 90, 9], [0, 10**6, 300], [4, 0, 4]])
def test_an_interval_ends_where_a_bet_against_it_would_have_won(counts: list[int]) -> None:
    low, high = (float(end) for end in mean_interval(PAIRED, counts, 0.02))
    against_low = [float(log_capital(PAIRED, np.array(counts), end)) for end in (low, low + (high - low) / 100)]
    assert against_low[0] >= math.log(100) > against_low[1]
    mirrored = np.array(counts[::-1])
    against_high = [float(log_capital(PAIRED, mirrored, -end)) for end in (high, high - (high - low) / 100)]
    assert against_high[0] >= math.log(100) > against_high[1]


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        (BINARY, [0.5, 0.5]),
        (BINARY, [0.98, 0.02]),
        (PAIRED, [0.03, 0.94, 0.03]),
        (PAIRED, [0.0, 0.99, 0.01]),
        (np.array([0.0, 0.2, 1.0]), [0.6, 0.3, 0.1]),
    ],
)
def test_looking_after_every_answer_misleads_no_more_than_is_said(values: np.ndarray, shares: list[float]) -> None:
    alpha, number = 0.2, 200
    looks = np.unique(np.geomspace(1, 3000, 90).astype(int))
    counts = paths(np.random.default_rng(19), np.array(shares), number, looks)
    wrong = missed(values, counts, float(values @ shares), alpha)
    assert wrong <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / number)
    assert wrong > 0.01  # and it is not bought by intervals that say nothing


@pytest.mark.slow
@pytest.mark.parametrize(("values", "shares"), [(BINARY, [0.9, 0.1]), (PAIRED, [0.05, 0.93, 0.02])])
def test_looking_twenty_thousand_times_misleads_no_more_than_is_said(values: np.ndarray, shares: list[float]) -> None:
    alpha, number, rng = 0.1, 150, np.random.default_rng(7)
    streams = (rng.multinomial(1, shares, size=20_000).cumsum(axis=0) for _ in range(number))
    wrong = sum(missed(values, counts, float(values @ shares), alpha) for counts in streams) / number
    assert 0.01 < wrong <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / number)


def test_what_pairs_do_not_have_to_be_independent_for() -> None:
    """Each value may depend on all before it, as long as its own mean is the same: here its spread follows the last."""
    rng, alpha, number = np.random.default_rng(3), 0.2, 300
    counts = np.zeros((number, 400, 3), dtype=np.int64)
    last = np.zeros(number, dtype=int)
    for at in range(400):
        moved = rng.random(number) < np.where(last == 0, 0.02, 0.6)
        last = np.where(moved, np.where(rng.random(number) < 0.5, -1, 1), 0)
        counts[np.arange(number), at, last + 1] += 1
    assert missed(PAIRED, counts.cumsum(axis=1), 0.0, alpha) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / number)


@pytest.mark.parametrize(("hits", "n", "mean"), [(30, 200, 0.1), (9, 9, 0.5), (0, 40, 0.2), (700, 1000, 0.69)])
def test_with_every_stake_alike_it_is_robbins_mixture_of_likelihood_ratios(hits: int, n: int, mean: float) -> None:
    """Uniform over 0 < κ < 1 is uniform over m < θ < 1: an incomplete beta integral."""
    a, b = hits + 1, n - hits + 1
    mixture = betaln(a, b) + math.log(1 - betainc(a, b, mean)) - math.log(1 - mean)
    exact = mixture - hits * math.log(mean) - (n - hits) * math.log(1 - mean)
    stakes = (np.arange(20_000) + 0.5) / 20_000
    found = log_capital(BINARY, np.array([n - hits, hits]), mean, stakes=stakes, weights=np.full(20_000, 1 / 20_000))
    assert float(found) == pytest.approx(exact, abs=1e-5)


def test_the_stakes_that_are_used_come_near_to_knowing_the_best_one() -> None:
    """Of a mean of 0.03 against 0.01, the grid loses less than a factor of 30 on a capital of a hundred million."""
    counts = np.round(np.array([0.02, 0.93, 0.05]) * 7000).astype(int)
    every = (np.arange(2000) + 0.5) / 2000
    best = max(float(log_capital(PAIRED, counts, 0.01, stakes=np.array([one]), weights=np.ones(1))) for one in every)
    assert best > math.log(1e8)
    assert best - float(log_capital(PAIRED, counts, 0.01)) < math.log(30)


def test_the_capital_is_the_mean_of_the_products_of_what_is_won() -> None:
    counts, mean = np.array([4, 9, 3]), 0.05
    stakes, weights = np.array([0.1, 0.7]), np.array([0.25, 0.75])
    won = [
        math.prod((1 + k * (v - mean) / (mean + 1)) ** c for v, c in zip(PAIRED, counts, strict=True)) for k in stakes
    ]
    found = log_capital(PAIRED, counts, mean, stakes=stakes, weights=weights)
    assert float(found) == pytest.approx(logsumexp(np.log(won), b=weights))


def test_where_nothing_was_seen_all_is_possible() -> None:
    assert [float(end) for end in mean_interval(PAIRED, [0, 0, 0], 0.05)] == [-1, 1]
    assert [float(end) for end in difference_interval(BINARY, [0, 0], [0, 0], 0.05)] == [-1, 1]
    assert quantile_interval(np.array([1.0, 2.0]), np.zeros(3, np.int64), 0.95, 0.05) == (-math.inf, math.inf)


def test_an_interval_holds_its_sample_mean_and_shrinks() -> None:
    ends = [mean_interval(FINE, np.bincount([40, 50, 55, 70], minlength=101) * n, 0.01) for n in (1, 10, 100, 10_000)]
    widths = [float(high - low) for low, high in ends]
    mean = FINE[[40, 50, 55, 70]].mean()
    assert all(low <= mean <= high for low, high in ends)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.01


def test_more_of_the_high_moves_both_ends_up_and_less_alpha_widens() -> None:
    low, high = mean_interval(BINARY, [[100 - hits, hits] for hits in range(101)], 0.05)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    wider = mean_interval(BINARY, [[100 - hits, hits] for hits in range(101)], 0.001)
    assert (wider[0] <= low).all()
    assert (wider[1] >= high).all()


def test_ends_are_mirror_images() -> None:
    low, high = mean_interval(PAIRED, [5, 80, 15], 0.05)
    mirrored = mean_interval(PAIRED, [15, 80, 5], 0.05)
    assert (float(low), float(high)) == (-float(mirrored[1]), -float(mirrored[0]))


@pytest.mark.parametrize(
    ("values", "counts", "mean", "width"),
    [
        (BINARY, [5 * 10**8, 5 * 10**8], 0.5, 2e-4),
        (BINARY, [10**9 - 1000, 1000], 1e-6, 4e-7),
        (BINARY, [10**9 - 1, 1], 1e-9, 1e-7),
        (BINARY, [10**9, 0], 0.0, 1e-7),
        (PAIRED, [10**8, 8 * 10**8, 10**8], 0.0, 2e-4),
        (PAIRED, [0, 10**9 - 1000, 1000], 1e-6, 4e-7),
    ],
)
def test_a_thousand_million_answers(values: np.ndarray, counts: list[int], mean: float, width: float) -> None:
    low, high = mean_interval(values, counts, 0.01)
    assert low <= mean <= high
    assert high - low < width


def test_many_at_once_are_as_each_alone() -> None:
    counts = np.random.default_rng(1).multinomial(60, [0.2, 0.7, 0.1], size=(4, 5))
    low, high = mean_interval(PAIRED, counts, 0.02)
    assert low.shape == (4, 5)
    for at in np.ndindex(4, 5):
        alone = [float(end) for end in mean_interval(PAIRED, counts[at], 0.02)]
        assert alone == pytest.approx([float(low[at]), float(high[at])], abs=1e-12)


def test_a_difference_of_two_samples_is_shown_when_it_is_there() -> None:
    low, high = difference_interval(BINARY, [900, 100], [980, 20], 0.05)
    assert 0 < low < 0.08 < high
    same = difference_interval(BINARY, [900, 100], [9000, 1000], 0.05)
    assert same[0] < 0 < same[1]


def test_a_difference_has_the_ends_of_two_intervals_of_half_of_alpha() -> None:
    one, other = (mean_interval(PAIRED, counts, 0.02) for counts in ([3, 80, 20], [9, 300, 4]))
    low, high = difference_interval(PAIRED, [3, 80, 20], [9, 300, 4], 0.04)
    assert (float(low), float(high)) == pytest.approx((float(one[0] - other[1]), float(one[1] - other[0])), abs=1e-12)


def test_a_quantile_lies_within_its_interval_however_often_one_looks() -> None:
    rng, edges, alpha, number = np.random.default_rng(5), np.geomspace(1e-3, 10, 190), 0.2, 80
    truth, wrong = math.exp(1.6448536 * 0.5 - 3), 0
    for _ in range(number):
        places = np.searchsorted(edges, np.exp(rng.normal(-3, 0.5, size=2000)))
        ends = [
            quantile_interval(edges, np.bincount(places[:n], minlength=191), 0.95, alpha)
            for n in (20, 50, 100, 200, 400, 800, 1400, 2000)
        ]
        wrong += any(low > truth or high < truth for low, high in ends)
    assert wrong / number <= alpha
    assert ends[-1][0] < truth < ends[-1][1]
    assert ends[-1][1] / ends[-1][0] < 1.5


@pytest.mark.parametrize("alpha", [0.2, 0.02])
def test_a_quantile_ends_at_edges_whose_share_below_is_shown(alpha: float) -> None:
    counts = np.bincount(np.random.default_rng(5).integers(0, 60, 400), minlength=61)
    below = np.cumsum(counts[:-1])
    share_low, share_high = mean_interval(BINARY, np.stack([400 - below, below], axis=1), alpha)
    edges = np.arange(1.0, 61.0)
    expected = edges[share_high < 0.8].max(), edges[share_low > 0.8].min()
    assert quantile_interval(edges, counts, 0.8, alpha) == expected


def test_a_quantile_beyond_the_edges_has_no_end_there() -> None:
    edges = np.array([1.0, 2.0])
    assert quantile_interval(edges, np.array([0, 0, 500]), 0.5, 0.05) == (2.0, math.inf)
    assert quantile_interval(edges, np.array([500, 0, 0]), 0.5, 0.05) == (-math.inf, 1.0)


def test_the_example_is_as_it_says() -> None:
    assert doctest.testmod(sequential) == (0, 2)


def test_shares_of_alpha_come_to_no_more_than_all_of_it() -> None:
    shares = [of_many(number) for number in range(1, 10_000)]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert sum(shares) < 1
