"""The few statistics of the gate: a paired bootstrap, an exact binomial test, estimates corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import generator, sample_key
from augment_ops.statistics import holm, wilson

# A threshold in decimals and a quotient of counts meet with an error of this size: 0.95 - 0.80 is 0.1499….
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A measured number with its uncertainty; larger is worse.

    Attributes:
        low, high: two-sided interval.
        p_harm: one-sided p-value against "at most the limit": small where it is shown to be beyond.
        p_safe: one-sided p-value against "beyond the limit": small where it is shown to be within.
    """

    value: float
    low: float
    high: float
    n: int
    limit: float
    p_harm: float
    p_safe: float

    @property
    def beyond(self) -> bool:
        """Whether the measured number itself is beyond the limit."""
        return self.value > self.limit + TOLERANCE


@dataclass(frozen=True)
class Bootstrap:
    """A paired bootstrap whose randomness is a function of the evidence: the same evidence, the same interval.

    Samples with equal values are exchangeable, so a resample of n samples is one multinomial draw over the distinct
    values: exact, and its cost does not grow with n.

    Attributes:
        key: digest of the evidence.
        confidence: of the two-sided interval.
        resamples: number of resamples; the smallest p-value is 1 / (resamples + 1).

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 (percentile interval) and 16.
    """

    key: str
    confidence: float
    resamples: int

    def mean(self, name: str, values: NDArray[np.floating], limit: float) -> Estimate:
        """The mean of per-sample values, against a limit.

        Where all values are alike, resampling sees no uncertainty: the rule of three then bounds the share of samples
        that may be different and were not met, each counted as 1.

        Args:
            name: of the comparison; it keys the draws.
            values: (n,), such as the difference between two models on each sample.

        Source: Hanley & Lippman-Hand 1983, JAMA 249(13), for the rule of three.
        """
        means = self.means(name, values)
        value = round(math.fsum(values.tolist()) / len(values), 12)  # tenths have no exact sum: 0 is to be 0
        if np.ptp(values) == 0:
            return self.alike(value, len(values), limit)
        return self.judged(value, means, len(values), limit)

    def alike(self, value: float, n: int, limit: float) -> Estimate:
        """An estimate where all n samples say the same, by the rule of three (see `mean`)."""
        spread = min(1.0, -math.log((1 - self.confidence) / 2) / n)
        inside = 1.0 if abs(value - limit) <= TOLERANCE else math.exp(-n * abs(value - limit))
        beyond = value > limit
        return Estimate(
            value=value,
            low=value - spread,
            high=value + spread,
            n=n,
            limit=limit,
            p_harm=inside if beyond else 1.0,
            p_safe=1.0 if beyond else inside,
        )

    def means(self, name: str, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Means of the resamples: (resamples,)."""
        distinct, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
        draws = self.stream(name).multinomial(len(values), counts / len(values), size=self.resamples)
        means: NDArray[np.float64] = (draws * distinct).sum(axis=1) / len(values)
        return means

    def stream(self, name: str) -> np.random.Generator:
        """The random numbers of a comparison."""
        return generator(sample_key("bootstrap", self.key, name))

    def judged(self, value: float, means: NDArray[np.float64], n: int, limit: float) -> Estimate:
        """An estimate from the resampled values of its statistic."""
        tail = (1 - self.confidence) / 2
        low, high = (float(q) for q in np.quantile(means, [tail, 1 - tail]))
        within = int((means <= limit + TOLERANCE).sum())
        beyond = int((means >= limit - TOLERANCE).sum())
        resamples = len(means)
        return Estimate(
            value=value,
            low=low,
            high=high,
            n=n,
            limit=limit,
            p_harm=(within + 1) / (resamples + 1),
            p_safe=(beyond + 1) / (resamples + 1),
        )


def below(hits: int, n: int, floor: float, confidence: float) -> Estimate:
    """A share against a floor, as an estimate of what is missing (1 - share), so that larger is worse.

    The interval is Wilson's, the p-values are those of the exact binomial test.
    """
    from scipy.special import bdtr, bdtrc

    low, high = wilson(hits, n, confidence)
    at_most = float(bdtr(hits, n, floor))
    at_least = 1.0 if hits == 0 else float(bdtrc(hits - 1, n, floor))
    return Estimate(
        value=1 - hits / n, low=1 - high, high=1 - low, n=n, limit=1 - floor, p_harm=at_most, p_safe=at_least
    )


def corrected(estimates: Sequence[Estimate]) -> list[Estimate]:
    """The estimates with `p_harm` corrected, by Holm, for having looked at all of them."""
    return [
        replace(estimate, p_harm=p_harm)
        for estimate, p_harm in zip(estimates, holm([e.p_harm for e in estimates]), strict=True)
    ]
