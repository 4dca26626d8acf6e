"""Numbers of numbers that have to be the same wherever they are computed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add


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
