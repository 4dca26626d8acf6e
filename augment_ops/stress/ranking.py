"""Where every class is an item: a model is right about a sample whose item is among the first k that it names.

Items are thousands and their samples few, so that no rule can speak of one of them. What is judged are bands of items,
by how often each is in the training split: what is asked of every class is asked of the items that few have had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MISSED = "not among the first"  # what a sample is taken for whose item is not
MOST = 100  # first items: who is shown more looks at a catalogue
UNRANKED = np.iinfo(np.int32).max  # the rank of a sample whose logits are not finite


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What is asked of models that rank items.

    Attributes:
        at: k, the first items that count.
        bands: name, and how often the items of the band are in the training split at least, rising.
    """

    at: int
    bands: tuple[tuple[str, int], ...]

    @property
    def measure(self) -> str:
        """What the share of right samples is called."""
        return f"recall at {self.at}"

    def __str__(self) -> str:
        """What is asked, in words."""
        bands = ", ".join(f"{name} from {least}" for name, least in self.bands)
        return f"a ranking of items, at {self.at}, in bands: {bands}"

    @property
    def classes(self) -> tuple[str, ...]:
        """What a sample is taken for: the bands, its own where its item is among the first, and `MISSED`, the last."""
        return (*(name for name, _ in self.bands), MISSED)

    @property
    def fault(self) -> str:
        """What is expected of it, where it is something else; else empty."""
        least = [samples for _, samples in self.bands]
        if not 1 <= self.at <= MOST:
            return f"a number of first items from 1 to {MOST}"
        if least[:1] != [0] or any(after <= before for before, after in pairwise(least)):
            return "bands of which the first begins at 0 samples, and each at more than the one before"
        return "" if len(set(self.classes)) == len(self.classes) else f"names that differ, and none called {MISSED!r}"

    def band_of(self, frequency: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
        """The place of each item's band: int64 (K,).

        Args:
            frequency: (K,), samples of each item in the training split.
        """
        least = [samples for _, samples in self.bands]
        return np.searchsorted(least, np.asarray(frequency, np.int64), side="right").astype(np.int64) - 1

    def taken_for(self, places: NDArray[np.int32], bands: NDArray[np.integer]) -> NDArray[np.int64]:
        """Which of `classes` samples of those ranks and bands are taken for: int64, of the shape of `places`."""
        return np.where(places <= self.at, bands, len(self.bands)).astype(np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranked:
    """What outcomes have beside the bands.

    Attributes:
        ranks: int32 (M, C, N), the place of each sample's item among all, from 1; `UNRANKED` without an answer.
        recommended: int32 (M, K), how often each item is among the first of the clean samples.
        frequency: int32 (K,), samples of each item in the training split.
        items: int32 (N,), the item of each sample.
    """

    ranking: Ranking
    ranks: NDArray[np.int32]
    recommended: NDArray[np.int32]
    frequency: NDArray[np.int32]
    items: NDArray[np.int32]


def ranks(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int32]:
    """The place of each sample's item among all, from 1: int32 (N,); `UNRANKED` where a logit is not finite.

    Of items with equal logits, the first in the catalogue comes first.

    Args:
        logits: (N, K).
        labels: int64 (N,).
    """
    own = logits[np.arange(len(labels)), labels][:, None]
    before = np.arange(logits.shape[1]) < labels[:, None]
    found = 1 + ((logits > own) | ((logits == own) & before)).sum(axis=1)
    return np.where(np.isfinite(logits).all(axis=1), found, UNRANKED).astype(np.int32)


def first_of(logits: NDArray[np.float32], at: int) -> NDArray[np.int32]:
    """The first items of each sample, one sample after the other; none of those whose logits are not finite.

    Of items with equal logits at the last place, any may be the one.

    Args:
        logits: (N, K).

    Returns:
        int32 (n,), n being at most N times `at`.
    """
    at, sound = min(at, logits.shape[1]), np.isfinite(logits).all(axis=1)
    return np.argpartition(-logits[sound], at - 1, axis=1)[:, :at].astype(np.int32).ravel()


def first_shares(shares: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    """Probability of the first items together, at most 1: (N,) of probabilities (N, K)."""
    at = min(at, shares.shape[1])
    found: NDArray[np.float64] = np.partition(shares, -at, axis=1)[:, -at:].sum(axis=1)
    return np.minimum(found, 1.0)


def gains(places: NDArray[np.int32], at: int) -> NDArray[np.float64]:
    """What NDCG counts of each sample with one item: 1 for the first place, 0 from `at` + 1 on.

    Source: Järvelin & Kekäläinen 2002, doi 10.1145/582415.582418; 1 / log2(rank + 1) where one item is right.
    """
    found: NDArray[np.float64] = np.where(places <= at, 1 / np.log2(np.maximum(places, 1) + 1.0), 0.0)
    return found


def popular(ranked: Ranked) -> NDArray[np.int32]:
    """The rank of each sample's item where everybody is named the most frequent items of training: int32 (N,)."""
    order = np.argsort(-ranked.frequency, kind="stable").argsort(kind="stable")
    return (1 + order[ranked.items]).astype(np.int32)


def gini(counts: NDArray[np.int64]) -> float:
    """How unevenly items are recommended: 0 where all are alike, near 1 where one has all; NaN where none is.

    Args:
        counts: (K,), how often each item of the catalogue is among the first.
    """
    ordered, n = np.sort(counts).astype(np.float64), len(counts)
    total = ordered.sum()
    if not total:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
