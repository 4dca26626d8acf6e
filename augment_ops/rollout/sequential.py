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
        values: (..., V), sorted; the first is the least that can occur, whether it did or not.
        counts: (..., V), how often each occurred.
        mean: (...), above the least value.

    Returns:
        (...); it falls as `mean` rises.
    """
    least = values[..., :1]
    stake = (values - least) / (np.asarray(mean, np.float64)[..., None] - least) - 1  # (v − m)/(m − a)
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
    reach = np.stack([known - known[0], known[-1] - known[::-1]])  # from the least up, from the most down
    both = np.stack([found, found[..., ::-1]], axis=-2)
    shown = _shown(np.broadcast_to(reach, both.shape).reshape(-1, len(known)), both.reshape(-1, len(known)), alpha / 2)
    ends = shown.reshape(both.shape[:-1])
    return known[0] + ends[..., 0], known[-1] - ends[..., 1]


def difference_interval(values: Any, counts: Any, other: Any, alpha: float) -> tuple[Floats, Floats]:
    """Intervals of the mean of `counts` less the mean of `other`, of two samples that nothing pairs.

    Each has an interval of its own at half of alpha, which holds whatever the two have to do with each other.

    Args:
        values: (V,), all that can occur, sorted; counts, other: (..., V).
        alpha: of both ends together.
    """
    low, high = mean_interval(values, np.stack([counts, other]), alpha / 2)
    return low[0] - high[1], high[0] - low[1]


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


def _shown(reach: Floats, counts: Counts, alpha: float) -> Floats:
    """How far above the least that can occur each of M means is shown to lie: the capital falls as a mean rises.

    Near a sample's own mean the capital's logarithm, with what the grid of stakes has cost, is a parabola. That says
    where to look next; where it does not hold, every third step halves what is left.

    Args:
        reach: (M, V), how far above the least each value lies; the first is 0.
        counts: (M, V).
    """
    seen = counts.any(axis=0) | (np.arange(counts.shape[1]) == 0)
    reach, counts = reach[:, seen], counts[:, seen]
    n, goal = np.maximum(counts.sum(axis=1), 1), -math.log(alpha)
    means = (counts * reach).sum(axis=1) / n
    spread = np.maximum((counts * reach**2).sum(axis=1) / n - means**2, 0)
    low, high = np.zeros(len(means)), means.copy()  # at the sample's own mean no stake has gained
    guess = means - np.sqrt(2 * spread * (goal + _COST) / n)
    for turn in range(_MOST_TURNS):
        wide = np.flatnonzero(high - low > _EXACT * (means - low))
        if not len(wide):
            break
        known, unknown, next_ = low[wide], high[wide], guess[wide]
        useful = (next_ > known) & (next_ < unknown) & (turn % 3 < 2)
        at = np.where(useful, next_, (known + unknown) / 2)
        capital = log_capital(reach[wide], counts[wide], at)
        shown = capital >= goal
        low[wide], high[wide] = np.where(shown, at, known), np.where(shown, unknown, at)
        distance = (means[wide] - at) * np.sqrt((goal + _COST) / np.maximum(capital + _COST, _COST / 4))
        guess[wide] = means[wide] - distance * np.where(shown, 1 - _EXACT / 4, 1 + _EXACT / 4)  # from the other side
    return low


def of_many(number: int) -> float:
    """The share of alpha that each of several has, where nobody knows how many there will be: 6/(π² number²).

    With it, the k-th that comes is never given more than its part of a sum that is 1 over all k, however many come
    later: Σ 1/k² = π²/6 (Basel).

    Args:
        number: of those that there are by now, 1 at least.
    """
    return 6 / (math.pi * number) ** 2
