"""Average precision of the candidate and of another model on the very same samples, and a bootstrap of both at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import TOLERANCE, Estimate
from augment_ops.stress.ordering import average_precision, levels, precision_by_level
from augment_ops.stress.report import Role

# Each draws every sample again and orders what it drew: 1.5 ms for two models on 100,000. Fifty of them lie beyond the
# 2.5% quantile, which then moves by a seventh of its distance from the middle at most.
_MOST_RESAMPLES = 2_000


@dataclass(frozen=True)
class RankedSamples:
    """The clean samples by the scores of the class that alerts are for; every score is finite.

    The interval is of a paired bootstrap that draws the samples of the class, and all others, each by themselves: how
    rare the class is belongs to the question, and a draw without any of it would have no answer.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 8.3 (two-sample problems).
    """

    samples: VerifiedOutcomes

    @property
    def n(self) -> int:
        """Samples of the class."""
        return int(self.samples.whole.wanted.sum())

    def measured(self, *roles: Role) -> bool:
        """Whether every one of these models gave a score for every sample."""
        return all(bool(np.isfinite(self._scores(role)).all()) for role in roles)

    def value(self, role: Role) -> float:
        """Average precision of a model."""
        return average_precision(self.samples.whole.wanted, self._scores(role))

    def own(self, role: Role) -> Estimate:
        """It as an estimate, against no limit."""
        draws = self._draws(f"average precision {role}", (role,))[0]
        return self._judged(self.value(role), draws, 0.0)

    def loss(self, against: Role, limit: float) -> Estimate:
        """How far the candidate's is below that of `against`; nothing, and surely so, where they are one model."""
        models = self.samples.whole.models
        if models["candidate"] == models[against]:
            beyond = limit < -TOLERANCE
            p_harm, p_safe = (0.0, 1.0) if beyond else (1.0, 0.0)
            return Estimate(value=0.0, low=0.0, high=0.0, n=self.n, limit=limit, p_harm=p_harm, p_safe=p_safe)
        ours, theirs = self._draws(f"average precision against {against}", ("candidate", against))
        return self._judged(self.value(against) - self.value("candidate"), theirs - ours, limit)

    def _judged(self, value: float, draws: NDArray[np.float64], limit: float) -> Estimate:
        bootstrap = self.samples.bootstrap
        if np.ptp(draws) == 0:  # perfect scores, say: no resample differs, and what was not met may
            return bootstrap.alike(value, self.n, limit)
        return bootstrap.judged(value, draws, self.n, limit)

    def _draws(self, name: str, roles: tuple[Role, ...]) -> NDArray[np.float64]:
        """Average precision of each role in the same resamples, float64 (len(roles), resamples)."""
        wanted, bootstrap = self.samples.whole.wanted, self.samples.bootstrap
        rng = bootstrap.stream(name)
        found = np.empty((len(roles), min(bootstrap.resamples, _MOST_RESAMPLES)))
        coded = [levels(wanted, self._scores(role)) for role in roles]
        counts = [int(codes[wanted].max()) + 1 for codes in coded]
        split = [(codes[wanted], codes[~wanted]) for codes in coded]
        hits_n, others_n = int(wanted.sum()), int((~wanted).sum())
        for draw in range(found.shape[1]):
            hit_rows, other_rows = rng.integers(0, hits_n, hits_n), rng.integers(0, max(1, others_n), others_n)
            for m, ((hit_levels, other_levels), count) in enumerate(zip(split, counts, strict=True)):
                hits = np.bincount(hit_levels[hit_rows], minlength=count)
                others = np.bincount(other_levels[other_rows], minlength=count)[:count]
                found[m, draw] = (hits * precision_by_level(hits, others)).sum() / hits_n
        return found

    def _scores(self, role: Role) -> NDArray[np.float32]:
        place = self.samples.whole.at(role)
        assert place is not None and self.samples.whole.scores is not None  # who asks has seen that they are there
        scores: NDArray[np.float32] = self.samples.whole.scores[place]
        return scores
