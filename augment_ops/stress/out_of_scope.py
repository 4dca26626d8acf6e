"""Whether a model knows that a sample is none of its business: by the largest probability that it gives to a class.

A model names a class for whatever it is shown. Who runs one has to know when not to act on its word, and the least that
can be asked is that it is less sure of what belongs to no class.

Source: Hendrycks & Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
Networks", arXiv:1610.02136: the area under the ROC curve of the maximum softmax probability. The share accepted where
95% of the others are: Liang et al. 2018, arXiv:1706.02690, section 4.2 ("FPR at 95% TPR").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.statistics import wilson
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import Role, Separation, ShareOf

ACCEPTED = 0.95  # of the samples that belong to a class; the usual point of comparison, see above

Confidence = NDArray[np.floating]


def separations(outcomes: Outcomes) -> tuple[Separation, ...]:
    """One a model, in their order; none where the suite has no samples of no class."""
    if outcomes.out_of_scope is None:
        return ()
    return tuple(
        _separation(role, outcomes.p_predicted[m, 0], outcomes.out_of_scope[m])
        for m, role in enumerate(outcomes.models)
    )


def _separation(role: Role, inside: Confidence, outside: Confidence) -> Separation:
    if not (np.isfinite(inside).all() and np.isfinite(outside).all()):
        return Separation(role=role, n=len(outside), area=float("nan"))
    threshold = accepting(inside)
    hits = int((outside >= np.float16(threshold)).sum())
    return Separation(
        role=role,
        n=len(outside),
        area=area(*levels(inside, outside)),
        threshold=threshold,
        accepted=ShareOf(hits / len(outside), *wilson(hits, len(outside)), len(outside)),
    )


def accepting(inside: Confidence) -> float:
    """The largest threshold at or above which `ACCEPTED` of the samples that belong to a class lie."""
    return float(np.sort(inside)[int((1 - ACCEPTED) * len(inside))])


def levels(inside: Confidence, outside: Confidence) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of each sample's confidence among all that there are, from the lowest: int64 (N,) and (S,)."""
    _, codes = np.unique(np.concatenate([inside, outside]), return_inverse=True)
    return codes[: len(inside)], codes[len(inside) :]


def area(inside: NDArray[np.int64], outside: NDArray[np.int64]) -> float:
    """Area under the ROC curve of `levels`: how often a sample of a class is surer than one of none, ties half."""
    count = 1 + int(max(inside.max(), outside.max()))
    of_class, of_none = np.bincount(inside, minlength=count), np.bincount(outside, minlength=count)
    below = np.cumsum(of_none) - of_none
    return float((of_class * (below + of_none / 2)).sum() / (len(inside) * len(outside)))
