"""Numbers of numbers that have to be the same wherever they are computed: sums, Wilson's interval, Holm, softmax."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
