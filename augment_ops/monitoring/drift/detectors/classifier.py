"""The classifier two-sample test: whether a classifier can tell which side samples that it has not seen come from.

Half of both sides trains a logistic regression; on the other half, the area under its ROC curve is the probability
that a sample of the window looks more like the window than one of the reference does: ½ without drift. The p-value
comes from shuffling the sides of that other half, with the classifier fixed.

Source: Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests, ICLR; Kim et al. 2021, Annals of Statistics 49.

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> reference, window = generator.normal(size=(400, 8)), generator.normal(0.3, 1, size=(300, 8))
>>> found = ClassifierTest(permutations=199).measure(reference, window)
>>> found.statistic > 0.6, found.p_value
(True, 0.005)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.vectors import Vectors, comparable

_LEAST = 4  # rows of a side: two to learn from, two to test on


@dataclass(frozen=True)
class ClassifierTest:
    """AUC of a classifier between the sides; `effect` is its excess over ½, 0 to ½.

    Attributes:
        permutations: shuffles; the smallest p-value is 1/(permutations + 1).
        at_most: rows of a side.
        seed: of thinning, halving and shuffling.
    """

    permutations: int = 1999
    at_most: int = 2000
    seed: int = 0

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        from scipy.stats import rankdata

        x, y = comparable(reference, window, self.at_most, self.seed)
        n, m = len(x), len(y)
        if min(n, m) < _LEAST:
            return nothing(n, m)
        generator = np.random.default_rng([self.seed, 2])
        halves = [_halves(side, generator) for side in (x, y)]
        score = _trained(halves[0][0], halves[1][0])
        tested = np.concatenate([halves[0][1], halves[1][1]])
        ranks = rankdata(score(tested))
        first, second = len(halves[0][1]), len(halves[1][1])
        auc = float(_auc(ranks[first:].sum(), first, second))
        shuffled = generator.permuted(np.repeat(ranks[None], self.permutations, axis=0), axis=1)
        found = _auc(shuffled[:, first:].sum(axis=1), first, second)
        extreme = int(np.count_nonzero(found >= auc))
        return Measurement(
            statistic=auc,
            effect=max(0.0, auc - 0.5),
            p_value=(1 + extreme) / (1 + self.permutations),
            n_reference=n,
            n_window=m,
        )


def window_likeness(reference: Values, window: Values, seed: int = 0) -> NDArray[np.float64]:
    """(M,): log odds that each sample of the window belongs to the window; which samples moved most.

    Each half of the window is judged by a classifier that learnt from the other half.
    """
    rows = max(len(reference), len(window), 1)
    x, y = comparable(reference, window, rows, seed)
    odds = np.zeros(len(y))
    if min(len(x), len(y)) < _LEAST:
        return odds
    for learnt, judged in ((0, 1), (1, 0)):
        odds[judged::2] = _trained(x[learnt::2], y[learnt::2])(y[judged::2])
    return odds


def _halves(rows: Vectors, generator: np.random.Generator) -> tuple[Vectors, Vectors]:
    order = generator.permutation(len(rows))
    return rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]


def _trained(x: Vectors, y: Vectors) -> _Score:
    from sklearn.linear_model import LogisticRegression

    labels = np.concatenate([np.zeros(len(x)), np.ones(len(y))])
    # Balanced, and with a penalty that keeps separable samples finite. liblinear takes few rows of any scale quickly.
    model = LogisticRegression(C=0.1, class_weight="balanced", solver="liblinear")
    return _Score(model.fit(np.concatenate([x, y]), labels))


class _Score:
    """A fitted classifier as a function from rows to log odds."""

    def __init__(self, model: object) -> None:
        self._model = model

    def __call__(self, rows: Vectors) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._model.decision_function(rows)  # type: ignore[attr-defined]
        return found


def _auc(ranks_of_second: NDArray[np.float64] | float, first: int, second: int) -> NDArray[np.float64]:
    """Area under the ROC curve from the rank sum of the second side (Mann–Whitney)."""
    found: NDArray[np.float64] = np.asarray((ranks_of_second - second * (second + 1) / 2) / (first * second))
    return found
