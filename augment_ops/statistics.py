"""Numbers of numbers that have to be the same wherever they are computed: sums, intervals, Holm, softmax, bins, PSI."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 2  # times the number of bins: so many distinct values can each be a bin, and a chart of them be read

Counts = NDArray[np.int64]


def total(values: Iterable[float]) -> float:
    """The sum from left to right; 0.0 of nothing.

    `sum` compensates for rounding from Python 3.12 on, and so differs from 3.11's in the last digit: a decision that is
    made again, or held against its digest, has to be the same on both.
    """
    return reduce(add, values, 0.0)


def mean(values: Iterable[float]) -> float:
    """The mean, summed from left to right.

    Raises:
        ZeroDivisionError: there is no value.
    """
    found = list(values)
    return total(found) / len(found)


def wilson(hits: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share, which holds for small n and for shares near 0 and 1.

    Args:
        hits: of `n`; a share that was measured before, times `n`, does as well.
        confidence: of the two-sided interval.

    Raises:
        ZeroDivisionError: `n` is 0.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22(158).

    >>> [round(end, 3) for end in wilson(10, 20)]
    [0.299, 0.701]
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + confidence) / 2))
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values multiplied so that one limit holds the chance of *any* false alarm among them; NaN stays NaN.

    Holm rather than Benjamini–Hochberg: the columns of a table and the cells of a stress test depend on each other,
    which Holm allows without assumption; and one false alarm is what costs, so its probability is what is to be
    bounded, not the share of false ones among many alarms.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of logits (N, K), float64 (N, K), each row's sum 1; a row that is not finite has no meaning."""
    exact = np.asarray(logits, np.float64)
    shares = np.exp(exact - exact.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return probabilities


@dataclass(frozen=True)
class Binning:
    """How a reference is cut up.

    Attributes:
        bins: bins of equal share between the tails.
        tail_share: share of the reference in each of the two tail bins.
    """

    bins: int = 10
    tail_share: float = 0.01


DEFAULT_BINNING = Binning()


@dataclass(frozen=True, eq=False)
class Cuts:
    """Where numbers are cut into bins.

    Attributes:
        at: sorted edges of the inner bins; none where the reference has no finite value.
        alone: for each inner bin, whether it holds one value (to the last digits of a float32) and no more.
    """

    at: NDArray[np.float64]
    alone: NDArray[np.bool_]


def cuts(reference: NDArray[Any], binning: Binning) -> Cuts:
    """Bins of equal share, in which a value that takes the share of half a bin or more is a bin of its own.

    So is every value of a column that has few: truth values, ratings and counts would else lie in one bin, and a change
    between them would be nobody's. What a float32 keeps of a value counts as that value, so that another width of the
    column's type, or a constant that was computed another way, is no change.
    """
    values = np.asarray(reference, dtype=np.float64)
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return Cuts(np.zeros(0), np.zeros(0, dtype=bool))
    mantissa, exponent = np.frexp(values)
    first = np.append(True, np.diff(np.ldexp(np.round(np.ldexp(mantissa, 24)), exponent - 24)) > 0)
    distinct, counts = values[first], np.diff(np.append(np.flatnonzero(first), len(values)))
    frequent = counts * 2 * binning.bins >= len(values)
    if len(distinct) <= _FEW * binning.bins:
        frequent[:] = True
    alone, rest = distinct[frequent], values[~np.repeat(frequent, counts)]
    gaps = np.diff(distinct, prepend=-np.inf, append=np.inf)
    width = np.minimum(_width(alone), np.minimum(gaps[:-1], gaps[1:])[frequent] / 4)
    at = np.concatenate([alone - width, alone + width, _quantiles(rest, len(values), binning)])
    order = np.argsort(at, kind="stable")
    begins = np.repeat([True, False, False], [len(alone), len(alone), len(at) - 2 * len(alone)])[order]
    return Cuts(*_without_ties(at[order], begins))


def _quantiles(rest: NDArray[np.float64], n: int, binning: Binning) -> NDArray[np.float64]:
    """Edges that cut what is no frequent value, of n in all, into as many bins as its share is worth."""
    if not len(rest):
        return np.zeros(0)
    share = len(rest) / n
    tail, bins = min(binning.tail_share / share, 0.25), max(2, round(binning.bins * share))
    return np.unique(np.quantile(rest, np.linspace(tail, 1 - tail, bins + 1)))


def _without_ties(at: NDArray[np.float64], begins: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    kept, where = np.unique(at, return_index=True)
    return kept, begins[where][: max(len(kept) - 1, 1)]


def _width(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far from a value its neighbours in float32 are, doubled, because rounding may go either way."""
    width: NDArray[np.float64] = np.maximum(np.abs(values) * 2.0**-22, np.finfo(np.float32).tiny)
    return width


def count(values: NDArray[Any], found: Cuts) -> Counts:
    """Counts of: below the first edge, each [edge, next) with the last closed, above the last edge, missing."""
    values, at = np.asarray(values, dtype=np.float64), found.at
    missing = int(np.isnan(values).sum())
    if not len(at):
        return np.array([0, len(values) - missing, 0, missing], dtype=np.int64)
    # A comparison an edge runs four times as fast as a search for each value's place. NaN is neither below nor above.
    below = [int(np.count_nonzero(values < edge)) for edge in at]
    above = int(np.count_nonzero(values > at[-1]))
    inner = np.diff([*below[: max(len(at) - 1, 1)], len(values) - missing - above])
    return np.array([below[0], *inner, above, missing], dtype=np.int64)


def psi(reference: Counts, window: Counts) -> tuple[float, float, int]:
    """The population stability index of two samples' counts in the same bins.

        PSI = Σ_b (w_b − r_b) · ln(w_b / r_b)        r_b, w_b: shares of reference and window in bin b

    Without drift it is not zero but about (B − 1)(1/n + 1/m), and that is taken off. Half a sample of the smaller side,
    as a share, goes into every bin of both sides: no logarithm of zero. Bins that are empty on both sides have no part
    in it: into how many the reference is cut where nothing lies changes nothing.

    Args:
        reference, window: int64 (B,), with a sample each at least.

    Returns:
        The index, the index without what chance adds to it (0 or more), and the degrees of freedom, B − 1.

    Source: Yurdakul & Naranjo 2020, Journal of Risk Model Validation 14(4).
    """
    n, m = int(reference.sum()), int(window.sum())
    seen = reference + window > 0
    pseudo, bins = 0.5 / min(n, m), int(np.count_nonzero(seen))
    r = (reference[seen] / n + pseudo) / (1 + pseudo * bins)
    w = (window[seen] / m + pseudo) / (1 + pseudo * bins)
    raw = float(np.sum((w - r) * np.log(w / r)))
    return raw, max(0.0, raw - (bins - 1) * (1 / n + 1 / m)), bins - 1
