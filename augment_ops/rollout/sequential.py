"""Intervals that hold at every moment at once: a look after each answer misleads with a chance of α, all together.

A mean of bounded values is bet against. Whoever begins with a capital of 1 and stakes the share κ of it, at odds that
are fair if the mean is m and unfair to them if it is less, has after values v_1 … v_n, all of them at least a,

    K(m, κ) = Π_i [1 + κ (v_i − m) / (m − a)]        0 < κ < 1

A capital that is not expected to grow reaches 1/α with a chance of at most α, ever (Ville 1939). So at any moment at
which K ≥ 1/α, the mean is shown to lie above m. Which stake is best depends on what is to be found out; a mean of the
capitals of several stakes is a capital too, Σ_κ w(κ) K(m, κ), and costs a logarithm of 1/w. All of this depends on the
values through their counts alone, so intervals can be made again by whoever adds the counts up.

For values of 0 and 1 it is the mixture of likelihood ratios of Robbins 1970, with θ = m + κ(1 − m) in place of κ.

Nothing is assumed but that each value, given all before it, has the mean that is asked about: no model of the values,
no number of them that is settled beforehand.

Source: Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86(1),
sections 4.3 (betting) and B.7 (mixtures on a grid); Robbins 1970, Ann. Math. Stat. 41(5); Howard et al. 2021, Ann.
Stat. 49(2), for intervals over time; Howard & Ramdas 2022, Bernoulli 28(3), for quantiles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# Stakes from 0.98 down to 2 in 10⁹: the best is about (mean − m)/variance × (m − a), small where there are many values
# or what they count is rare. Even steps of their logit, so that one within a quarter of the best is among them, which
# costs a few percent of the growth. Small ones have less of the weight the smaller they are.
_LOGITS = np.arange(4.0, -20.5, -0.5)
STAKES: Floats = 1 / (1 + np.exp(-_LOGITS))
WEIGHTS: Floats = 1 / (1 + np.maximum(0, -_LOGITS)) / np.sum(1 / (1 + np.maximum(0, -_LOGITS)))
_EXACT = 2.0**-8  # of the distance from a mean to its bound: a bound is at most so much further away than it might be
_MOST_TURNS = 200  # where even that is not reached, as of one in 10⁹, the bound is the least that can occur
_COST = 2.0  # of the grid, as a logarithm, about: it only says where a bound is looked for first


def log_capital(
    values: Floats, counts: Counts, mean: Floats | float, *, stakes: Floats = STAKES, weights: Floats = WEIGHTS
) -> Floats:
    """Logarithm of the capital of a bet that means lie above `mean`.

    Args:
        values: (V,), sorted; the first is the least that can occur, whether it did or not.
        counts: (..., V), how often each occurred.
        mean: (...), above the least value.

    Returns:
        (...); it falls as `mean` rises.
    """
    stake = (values - values[0]) / (np.asarray(mean, np.float64)[..., None] - values[0]) - 1  # (v − m)/(m − a)
    # (..., stakes, V). What 1 + x is rounded by comes to 10⁻⁷ over 10⁹ values, and `log` takes half as long as `log1p`.
    growth = np.log(1 + stakes[:, None] * stake[..., None, :])
    grown = (growth @ counts.astype(np.float64)[..., None])[..., 0]
    most = grown.max(axis=-1, keepdims=True)
    total: Floats = most[..., 0] + np.log(np.exp(grown - most) @ weights)
    return total


def mean_interval(values: Any, counts: Any, alpha: float) -> tuple[Floats, Floats]:
    """Intervals of means, each of which holds at all times at once with a chance of at least 1 − alpha.

    Args:
        values: (V,), all that can occur, sorted.
        counts: (..., V), how often each did.
        alpha: of both ends together.

    Returns:
        Low and high ends, each (...); the whole range where nothing occurred.

    >>> low, high = mean_interval([0, 1], [900, 100], alpha=0.05)
    >>> round(float(low), 3), round(float(high), 3)
    (0.068, 0.138)
    """
    known, found = np.asarray(values, np.float64), np.asarray(counts, np.int64)
    low = _lower(known, found, alpha / 2)
    high = -_lower(-known[::-1], found[..., ::-1], alpha / 2)
    return low, high


def difference_interval(values: Any, counts: Any, other: Any, alpha: float) -> tuple[Floats, Floats]:
    """Intervals of the mean of `counts` less the mean of `other`, of two samples that nothing pairs.

    Each has an interval of its own at half of alpha, which holds whatever the two have to do with each other.

    Args:
        values: (V,), all that can occur, sorted; counts, other: (..., V).
        alpha: of both ends together.
    """
    low, high = mean_interval(values, counts, alpha / 2)
    other_low, other_high = mean_interval(values, other, alpha / 2)
    return low - other_high, high - other_low


def quantile_interval(edges: Floats, counts: Counts, quantile: float, alpha: float) -> tuple[float, float]:
    """The interval of a quantile, from counts between fixed edges; its ends are edges.

    At an edge below the quantile, at most that share of all values lies below it. There is one such last edge, and
    what is shown of an edge is shown of every higher one as well; so one bet of α/2 does for all edges together.

    Args:
        edges: (E,), rising.
        counts: (E + 1,), how many are at most the first edge, then above one and at most the next, then above the last.
        quantile: 0 to 1.

    Returns:
        Low end, −inf where it may lie below every edge; high end, inf where it may lie above every edge.
    """
    below = np.cumsum(counts[:-1])
    total = int(counts.sum())
    at_most = np.stack([total - below, below], axis=-1)  # of 0 and 1: is it at most the edge?
    two, least = np.array([0.0, 1.0]), math.log(2 / alpha)
    above = np.flatnonzero(log_capital(two, at_most[:, ::-1], 1 - quantile) >= least)
    under = np.flatnonzero(log_capital(two, at_most, quantile) >= least)
    low = float(edges[above[-1]]) if len(above) else -math.inf
    high = float(edges[under[0]]) if len(under) else math.inf
    return low, high


def _lower(values: Floats, counts: Counts, alpha: float) -> Floats:
    """The largest m of which it is shown that the means lie above it: the capital falls as m rises.

    Near a mean the capital's logarithm, with what the grid of stakes has cost, is a parabola: that says where to look
    next, and where it does not hold, every third step halves what is left.
    """
    least = np.arange(len(values)) == 0  # is always part of it, whether it occurred or not
    seen = least | counts.reshape(-1, len(values)).any(axis=0)
    above, counts = (values - values[0])[seen], counts[..., seen]  # from the least on: near it lie the rare ones
    n = np.maximum(counts.sum(axis=-1), 1)
    means, goal = (counts * above).sum(axis=-1) / n, -math.log(alpha)
    spread = np.maximum((counts * above**2).sum(axis=-1) / n - means**2, 0)
    low, high = np.zeros(means.shape), means  # at the sample's own mean no stake has gained
    guess = means - np.sqrt(2 * spread * (goal + _COST) / n)
    for turn in range(_MOST_TURNS):
        wide = high - low > _EXACT * (means - low)  # the others are left alone: each is what it would be by itself
        if not wide.any():
            break
        useful = (guess > low) & (guess < high) & (turn % 3 < 2)
        at = np.where(useful, guess, (low + high) / 2)
        capital = log_capital(
            above, counts, np.where(means > 0, at, 1.0)
        )  # where all are the least, nothing is between
        shown = capital >= goal
        low, high = np.where(wide & shown, at, low), np.where(wide & ~shown, at, high)
        distance = (means - at) * np.sqrt((goal + _COST) / np.maximum(capital + _COST, _COST / 4))
        guess = means - distance * np.where(shown, 1 - _EXACT / 4, 1 + _EXACT / 4)  # just beyond, from the other side
    return np.asarray(values[0] + low)


def of_many(number: int) -> float:
    """The share of alpha that each of several has, where nobody knows how many there will be: 6/(π² number²).

    With it, the k-th that comes is never given more than its part of a sum that is 1 over all k, however many come
    later: Σ 1/k² = π²/6 (Basel).

    Args:
        number: of those that there are by now, 1 at least.
    """
    return 6 / (math.pi * number) ** 2
