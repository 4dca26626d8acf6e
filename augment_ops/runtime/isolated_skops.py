"""What an isolated process does for gradient-boosted trees; imports scikit-learn and skops, nothing of this project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import skops.io
from scipy.special import log_expit, log_softmax
from sklearn.ensemble import HistGradientBoostingClassifier

# What skops does not trust of itself and such a model is made of: trees, whose links were checked before
# (`skops_archive.py`), and the check of numbers that comes before them where features are categories.
TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


def warm_up() -> None:
    """Do once, with open eyes, what each process would otherwise do when it may no longer look."""
    rows = np.stack([np.arange(40.0), np.arange(40) % 2], axis=1)
    for classes in (2, 3):
        model = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=2, categorical_features=[1])
        load(skops.io.dumps(model.fit(rows, np.arange(40) % classes)))(rows, False)


def load(content: bytes) -> Callable[[Any, bool], list[Any]]:
    """What gives the logarithms of probabilities float32 (N, K), twice where embeddings are asked for, of samples
    float64 (N, F).
    """
    untrusted = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    if untrusted:
        raise ValueError(f"types that are not trusted: {', '.join(untrusted)}")
    model = skops.io.loads(content, trusted=TRUSTED)
    if type(model) is not HistGradientBoostingClassifier:
        raise ValueError(f"a {type(model).__name__}")

    def predict(samples: Any, embedded: bool) -> list[Any]:
        decided = np.asarray(model.decision_function(samples))
        if decided.ndim == 1:  # of two classes: how much likelier the second is
            scores = np.stack([log_expit(-decided), log_expit(decided)], axis=1)
        else:
            scores = log_softmax(decided, axis=1)
        return [np.ascontiguousarray(scores, np.float32)] * (1 + embedded)

    return predict
