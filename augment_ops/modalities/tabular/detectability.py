"""The classifier two-sample test of augmented rows: whether trees can tell them from real ones.

Half of the pairs, drawn by a key, give their augmented row, and the other half their original: no row stands beside the
one that was made of it, on whichever side of a fold. Rows that augmentation left as they are take no part, and of each
class there are as many on both sides, so that a policy for one class is not known by the class alone. The trees see the
columns, the class, and what no tree can see in a number by itself: how far it is from one with as many decimals as the
originals have, which gives away noise on cents and counts.

Source: Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests, ICLR, arXiv:1610.06545; the standard error of an
area under the curve, Hanley & McNeil 1982, Radiology 143(1), doi 10.1148/radiology.143.1.7063747.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import sample_key
from augment_ops.modalities.tabular.crowd import drawn
from augment_ops.modalities.tabular.schema import MOST_DECIMALS, Rows, TableSchema, has_decimals, schema_of, to_decimals
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged

_MOST_ROWS = 4_000  # of a side: a standard error below 0.01, and about two seconds
_LEAST = 20  # of a side: an area of ½ is known to ±0.18 (two standard errors), far from one that fails
_FOLDS = 3
_ROUNDS = 50  # of boosting; enough for rows of a table, and half of scikit-learn's default
_ALMOST_ALL = 0.99  # of the originals' values are written with so many decimals


def detectability(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Area under the ROC curve with which trees tell augmented rows from real ones: ½ where they cannot."""
    changed = ~pairs.unchanged()
    real, made = sides(pairs.labels, changed)
    remedy = "narrow the transforms: a model would learn to know what is invented instead of what it is of"
    if len(made) < _LEAST:
        found = f"{len(made)} augmented rows differ from their original and have real ones to be compared with"
        measured = np.nan if changed.any() else 0.5  # too few to say; or nothing is there to be told apart
        more = f"{_LEAST} are needed: raise the probabilities of the transforms, or give more rows of the rare classes"
        return judged("detectability", rule, measured, "area", found, more)
    schema = schema_of(pairs.schema, pairs.originals.shape[1])
    rows = np.concatenate([pairs.originals[real], pairs.augmented[made]])
    looked = np.column_stack([rows, off_decimals(schema, pairs.originals[real], rows), pairs.labels[[*real, *made]]])
    area, error = area_of(looked, np.arange(len(rows)) >= len(real), ~schema.is_number)
    found = (
        f"trees tell {len(made)} augmented rows from {len(real)} real ones with an area under the curve of "
        f"{area:.3f} ± {error:.3f} (standard error)"
    )
    return judged("detectability", rule, area, "area", found, remedy)


def sides(labels: NDArray[np.int64], changed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs that give their original, and others that give their augmented row: as many of each class on both sides."""
    half = np.zeros(len(labels), np.bool_)
    half[drawn(len(half), "detectability", len(half) // 2)] = True
    made = np.flatnonzero(~half & changed)
    made = made[drawn(len(made), "made", _MOST_ROWS)]
    both = []
    for label in np.unique(labels[made]).tolist():
        one, other = np.flatnonzero(half & (labels == label)), made[labels[made] == label]
        number = min(len(one), len(other))
        both.append((one[drawn(len(one), "real", number)], other[drawn(len(other), "made", number)]))
    if not both:
        return made, made
    real, made = (np.concatenate(side) for side in zip(*both, strict=True))
    return real, made


def off_decimals(schema: TableSchema, originals: Rows, rows: Rows) -> Rows:
    """How far each number is from the nearest with as many decimals as nearly all originals of its column have.

    Args:
        originals: float64 (n, F), rows: float64 (m, F).

    Returns:
        float64 (m, C), of those C columns whose originals have few decimals.
    """
    found = []
    for column in np.flatnonzero(schema.is_number).tolist():
        known = originals[:, column]
        known = known[~np.isnan(known)]
        for decimals in range(MOST_DECIMALS + 1):
            if len(known) and has_decimals(known, decimals).mean() >= _ALMOST_ALL:
                values = rows[:, column]
                found.append(np.abs(values - to_decimals(values, decimals)) * 10.0**decimals)
                break
    return np.stack(found, axis=1) if found else np.empty((len(rows), 0))


def area_of(rows: Rows, made: NDArray[np.bool_], categorical: NDArray[np.bool_]) -> tuple[float, float]:
    """Area under the ROC curve of trees that have not seen what they judge, and its standard error.

    Args:
        rows: float64 (N, G).
        made: bool (N,), which of them are to be told from the others.
        categorical: bool (F,), which of the first F columns hold codes.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    seed = sample_key("detectability", len(rows))[0] & 0xFFFFFFFF  # scikit-learn takes 32 bits
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    codes = [*categorical.tolist(), *[False] * (rows.shape[1] - len(categorical))]
    areas = []
    for learnt, judged_rows in folds.split(rows, made):
        trees = HistGradientBoostingClassifier(
            max_iter=_ROUNDS, early_stopping=False, categorical_features=codes, random_state=seed
        )
        with threadpool_limits(limits=1, user_api="openmp"):  # the same sums on every machine
            trees.fit(rows[learnt], made[learnt])
        areas.append(roc_auc_score(made[judged_rows], trees.decision_function(rows[judged_rows])))
    area = float(np.mean(areas))
    return area, standard_error(area, int(made.sum()), int((~made).sum()))


def standard_error(area: float, positives: int, negatives: int) -> float:
    """Of an area under the ROC curve, by Hanley & McNeil.

    >>> round(standard_error(0.9, 100, 100), 4)
    0.0218
    """
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (one - area**2) + (negatives - 1) * (two - area**2)
    return math.sqrt(max(variance, 0.0) / (positives * negatives))
