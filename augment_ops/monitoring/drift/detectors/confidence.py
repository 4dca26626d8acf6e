"""Accuracy before any label arrives: average thresholded confidence (ATC).

On the reference, whose labels are known, find the threshold t above which lies a share of confidences equal to the
accuracy; the share of the window's confidences above t estimates its accuracy. It holds as long as confidence keeps
its meaning: it cannot see that a model has become sure of wrong answers.

Source: Garg et al. 2022, Leveraging unlabeled data to predict out-of-distribution performance, ICLR (ATC with maximum
confidence).

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> sure = generator.uniform(0.5, 1, 2000)
>>> right = generator.uniform(size=2000) < sure
>>> found = estimated_accuracy(sure, right, generator.uniform(0.5, 0.8, 500))
>>> bool(abs(right.mean() - 0.75) < 0.02), found.statistic < 0.65, found.p_value < 0.001
(True, True, True)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, nothing
from augment_ops.statistics import wilson


def estimated_accuracy(confidence: NDArray[Any], right: NDArray[Any], window: NDArray[Any]) -> Measurement:
    """Estimated accuracy of the window (`statistic`), and how much less it is than the reference's (`effect`).

    Args:
        confidence: (N,) largest probability of each answer of the reference; NaN where there is none.
        right: (N,) whether that answer was right.
        window: (M,) likewise of the window; one that is not finite counts as no confidence at all.
    """
    from scipy.special import ndtr

    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    known = np.isfinite(confidence)
    confidence, right = confidence[known], right[known]
    after = np.nan_to_num(np.asarray(window, dtype=np.float64), nan=-math.inf, posinf=-math.inf, neginf=-math.inf)
    n, m = len(confidence), len(after)
    if not n or not m:
        return nothing(n, m)
    correct = int(right.sum())
    threshold = np.sort(confidence)[n - correct] if correct else math.inf
    # Ties at the threshold lie above it on both sides, so the reference's own share is what is compared with.
    before, above = int(np.sum(confidence >= threshold)), int(np.sum(after >= threshold))
    shared = (before + above) / (n + m)
    error = math.sqrt(shared * (1 - shared) * (1 / n + 1 / m))
    drop = before / n - above / m
    p_value = float(ndtr(-drop / error)) if error else 1.0
    low, high = wilson(above, m)
    return Measurement(
        statistic=above / m, effect=max(0.0, drop), p_value=p_value, n_reference=n, n_window=m, low=low, high=high
    )
