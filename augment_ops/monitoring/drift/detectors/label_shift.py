"""How often each class occurs in the window, estimated from predictions alone before labels arrive.

    C w = μ        C[i, j] = share of the reference predicted i and labelled j, μ[i] = share of the window predicted i
    q[j] = w[j] · share of class j in the reference

holds where only the class mix has changed (label shift). What a confused model predicts is so corrected for its
confusions. The p-value is that of the predictions themselves (chi-squared), which is what the method detects by.

Source: Lipton, Wang & Smola 2018, Detecting and correcting for label shift with black box predictors, ICML.

>>> import numpy as np
>>> truth = np.array(list("ab") * 500)
>>> said = np.where(np.arange(1000) % 10 == 1, "a", truth)      # one of five b is called a
>>> window = np.array(list("aab") * 300)[:600]
>>> found = label_shift(LabelledPredictions(truth, said), window)
>>> [(b.label, round(b.reference_share, 2), round(b.window_share, 2)) for b in found.bins]
[('a', 0.5, 0.58), ('b', 0.5, 0.42)]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Bin, Measurement, nothing
from augment_ops.monitoring.drift.detectors.chi_squared import ChiSquared
from augment_ops.monitoring.drift.detectors.performance import LabelledPredictions

_WORST_CONDITION = 1e6  # beyond, predictions say too little about labels for the equations to be solved


def label_shift(reference: LabelledPredictions, window: NDArray[Any]) -> Measurement:
    """Estimated class shares (`bins`); `effect` is Cohen's w of them against the reference's shares.

    Args:
        reference: labels and predictions on held-out data.
        window: (M,) predictions; None where there is none.
    """
    known = [
        (str(label), str(said))
        for label, said in zip(reference.labels.tolist(), reference.predictions.tolist(), strict=True)
        if label is not None and said is not None
    ]
    labels, said = np.array([a for a, _ in known]), np.array([b for _, b in known])
    after = np.array([str(v) for v in window.tolist() if v is not None])
    n, m = len(known), len(window)
    if not n or not len(after):
        return nothing(n, m)
    classes = sorted(set(labels.tolist()))
    shares = np.array([np.mean(labels == name) for name in classes])
    confusion = np.array([[np.mean((said == i) & (labels == j)) for j in classes] for i in classes])
    predicted = np.array([np.mean(after == name) for name in classes])
    test = ChiSquared().measure(said, np.asarray(window, dtype=object))
    if np.linalg.cond(confusion) > _WORST_CONDITION:
        return Measurement(statistic=test.statistic, effect=math.nan, p_value=test.p_value, n_reference=n, n_window=m)
    estimate = np.maximum(np.linalg.solve(confusion, predicted) * shares, 0.0)
    estimate /= estimate.sum() or 1.0
    squared = float(np.sum((estimate - shares) ** 2 / shares)) - (len(classes) - 1) * (1 / n + 1 / m)
    bins = tuple(Bin(name, float(a), float(b)) for name, a, b in zip(classes, shares, estimate, strict=True))
    return Measurement(
        statistic=test.statistic,
        effect=math.sqrt(max(0.0, squared)),
        p_value=test.p_value,
        n_reference=n,
        n_window=m,
        bins=bins,
    )
