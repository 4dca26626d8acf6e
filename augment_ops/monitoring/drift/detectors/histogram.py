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

from augment_ops.monitoring.drift.detectors.base import MISSING, Bin, Values
from augment_ops.monitoring.drift.records import is_missing, number_text
from augment_ops.statistics import Binning, Counts, Cuts, count, cuts

UNSEEN = "not in the reference"
RARE = "rare in the reference"
_MAX_CATEGORIES = 50  # the most frequent ones of the reference have a bin each; beyond, a chart cannot be read
_LEAST_EXPECTED = 5  # Cochran 1954: below, the chi-squared distribution of a cell's share does not hold


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
        found = cuts(reference, binning)
        return Histogram(labels_of(found), count(reference, found), count(window, found))
    return _categories(reference, window)


def is_numeric(values: NDArray[Any]) -> bool:
    """Whether the values are numbers or truth values; an empty list of anything may be."""
    return values.dtype.kind in "fiub"


def labels_of(found: Cuts) -> tuple[str, ...]:
    """Names of the bins of `count`."""
    if not len(found.at):
        return ("below", "any value", "above", MISSING)
    pairs = list(pairwise(found.at)) or [(found.at[0], found.at[0])]
    inner = [
        f"{(a + b) / 2:.6g}" if single else f"{a:.4g} – {b:.4g}"
        for (a, b), single in zip(pairs, found.alone, strict=True)
    ]
    return (f"below {found.at[0]:.4g}", *inner, f"above {found.at[-1]:.4g}", MISSING)


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
    return [None if is_missing(v) else number_text(v) for v in values.tolist()]


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
