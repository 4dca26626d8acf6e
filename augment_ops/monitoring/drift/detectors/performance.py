"""Accuracy, and the recall of every class, where labels have arrived: what falls, and how surely.

The intervals are Wilson's. The p-value is the one-sided
hypergeometric (Fisher) probability of so few right answers in the window, given those of both sides: exact for three
samples of a rare class as for ten thousand.

Source: Fisher 1934. Why intervals on the tail: a class with 20 samples and a recall of 50% has
an interval of 30% to 70%.

>>> import numpy as np
>>> truth = np.array(["cat", "dog"] * 200)
>>> before = LabelledPredictions(truth, truth)
>>> now = LabelledPredictions(truth, np.where(np.arange(400) % 8 == 0, "dog", truth))
>>> found = performance(before, now)
>>> round(found["accuracy"].effect, 3), round(found["recall of cat"].effect, 2), found["recall of dog"].effect
(0.125, 0.25, 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, nothing
from augment_ops.statistics import wilson

ACCURACY, RECALL = "accuracy", "recall of "


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """What a model said, and what was right.

    Attributes:
        labels: (N,) class names; None where the label has not arrived.
        predictions: (N,) class names; None where the service left none.
    """

    labels: NDArray[Any]
    predictions: NDArray[Any]


def performance(reference: LabelledPredictions, window: LabelledPredictions) -> dict[str, Measurement]:
    """`accuracy`, and `recall of <class>` for every class of the reference; `effect` is how much was lost."""
    before, after = _known(reference), _known(window)
    found = {ACCURACY: _compared(before.labels == before.predictions, after.labels == after.predictions)}
    for name in sorted({str(label) for label in before.labels}):
        sides = (side.predictions[side.labels == name] == name for side in (before, after))
        found[f"{RECALL}{name}"] = _compared(*sides)
    return found


def _compared(before: NDArray[Any], after: NDArray[Any]) -> Measurement:
    from scipy.stats import hypergeom

    n, m = len(before), len(after)
    if not n or not m:
        return nothing(n, m)
    right, now = int(np.sum(before)), int(np.sum(after))
    p_value = float(hypergeom.cdf(now, n + m, right + now, m))
    low, high = wilson(now, m)
    return Measurement(
        statistic=now / m,
        effect=max(0.0, right / n - now / m),
        p_value=min(p_value, 1.0),
        n_reference=n,
        n_window=m,
        low=low,
        high=high,
    )


def _known(side: LabelledPredictions) -> LabelledPredictions:
    labels, predictions = (np.asarray(v, dtype=object) for v in (side.labels, side.predictions))
    known = np.array([a is not None and b is not None for a, b in zip(labels, predictions, strict=True)], dtype=bool)
    return LabelledPredictions(labels[known].astype(str), predictions[known].astype(str))
