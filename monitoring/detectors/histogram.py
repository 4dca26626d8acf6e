"""Counts of both sides in the same bins, which come from the reference alone.

One value of 1e6 in the window lands in the upper tail instead of stretching every bin, and missing values are counted
instead of dropped. Categories that the reference does not know share one bin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.detectors.base import MISSING, Bin, Values

UNSEEN = "not in the reference"
RARE = "rare in the reference"
_MAX_CATEGORIES = 50  # the most frequent ones of the reference have a bin each; beyond, a chart cannot be read
_LEAST_EXPECTED = 5  # Cochran 1954: below, the chi-squared distribution of a cell's share does not hold

Counts = NDArray[np.int64]


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
class Histogram:
    """Counts of both sides; `labels`, `reference` and `window` have one entry a bin."""

    labels: tuple[str, ...]
    reference: Counts
    window: Counts

    @property
    def sizes(self) -> tuple[int, int]:
        """Samples of the reference and of the window, missing values included."""
        return int(self.reference.sum()), int(self.window.sum())

    def shares(self) -> tuple[Bin, ...]:
        """The bins as shares; none where a side is empty."""
        n, m = self.sizes
        if not n or not m:
            return ()
        found = zip(self.labels, self.reference, self.window, strict=True)
        return tuple(Bin(label, float(a / n), float(b / m)) for label, a, b in found)


def histogram(reference: Values, window: Values, binning: Binning) -> Histogram:
    """Both samples in the reference's bins; numbers by quantiles, anything else (on either side) by category."""
    reference, window = np.asarray(reference), np.asarray(window)
    if is_numeric(reference) and is_numeric(window):
        found = edges(reference, binning)
        return Histogram(labels_of(found), count(reference, found), count(window, found))
    return _categories(reference, window)


def is_numeric(values: NDArray[Any]) -> bool:
    """Whether the values are numbers or truth values; an empty list of anything may be."""
    return values.dtype.kind in "fiub"


def edges(reference: NDArray[Any], binning: Binning) -> NDArray[np.float64]:
    """Sorted edges of the inner bins; ties make fewer, a constant one, and no finite value none."""
    values = np.asarray(reference, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(0)
    at = np.linspace(binning.tail_share, 1 - binning.tail_share, binning.bins + 1)
    return np.unique(np.quantile(finite, at))


def count(values: NDArray[Any], found: NDArray[np.float64]) -> Counts:
    """Counts of: below the first edge, each [edge, next) with the last closed, above the last edge, missing."""
    values = np.asarray(values, dtype=np.float64)
    missing = int(np.isnan(values).sum())
    if not len(found):
        return np.array([0, len(values) - missing, 0, missing], dtype=np.int64)
    # A comparison an edge runs four times as fast as a search for each value's place. NaN is neither below nor above.
    below = [int(np.count_nonzero(values < edge)) for edge in found]
    above = int(np.count_nonzero(values > found[-1]))
    inner = np.diff([*below[: max(len(found) - 1, 1)], len(values) - missing - above])
    return np.array([below[0], *inner, above, missing], dtype=np.int64)


def labels_of(found: NDArray[np.float64]) -> tuple[str, ...]:
    """Names of the bins of `count`."""
    if not len(found):
        return ("below", "any value", "above", MISSING)
    text = [f"{edge:.4g}" for edge in found]
    inner = [f"{a} – {b}" for a, b in pairwise(text)] or [text[0]]
    return (f"below {text[0]}", *inner, f"above {text[-1]}", MISSING)


def _categories(reference: NDArray[Any], window: NDArray[Any]) -> Histogram:
    before, after = _texts(reference), _texts(window)
    known = most_frequent([text for text in before if text is not None])
    rare = set(before) - set(known) - {None}
    labels = (*known, *((RARE,) if rare else ()), UNSEEN, MISSING)
    place = {str(name): labels.index(RARE) for name in rare}
    place |= {name: i for i, name in enumerate(known)}
    unseen, missing = len(labels) - 2, len(labels) - 1

    def counted(texts: list[str | None]) -> Counts:
        codes = [missing if text is None else place.get(text, unseen) for text in texts]
        return np.bincount(np.asarray(codes, dtype=np.int64), minlength=len(labels)).astype(np.int64)

    return Histogram(labels, counted(before), counted(after))


def most_frequent(texts: Sequence[object]) -> list[str]:
    """The most frequent categories, sorted by name; ties by name."""
    names, counts = np.unique(np.array([str(text) for text in texts]), return_counts=True)
    frequent = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))[:_MAX_CATEGORIES]
    return sorted(str(names[i]) for i in frequent)


def _texts(values: NDArray[Any]) -> list[str | None]:
    if is_numeric(values):  # NaN is missing, and 3.0 the same category as 3
        return [None if math.isnan(v) else f"{v:.15g}" for v in values.tolist()]
    return [None if v is None or (isinstance(v, float) and math.isnan(v)) else str(v) for v in values.tolist()]


def pooled(found: Histogram) -> tuple[Counts, Counts]:
    """Counts in cells that are large enough for a chi-squared statistic: small ones are joined with each other."""
    n, m = found.sizes
    seen = found.reference + found.window > 0
    reference, window = found.reference[seen], found.window[seen]
    least = (reference + window) * min(n, m) / (n + m)
    small = least < _LEAST_EXPECTED
    if not small.any():
        return reference, window
    rest = int(reference[small].sum()), int(window[small].sum())
    reference, window, least = reference[~small], window[~small], least[~small]
    if sum(rest) * min(n, m) / (n + m) < _LEAST_EXPECTED and len(least):
        nearest = int(np.argmin(least))
        reference[nearest] += rest[0]
        window[nearest] += rest[1]
        return reference, window
    return np.append(reference, rest[0]), np.append(window, rest[1])
