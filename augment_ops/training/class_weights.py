"""What a sample counts for where classes are not equally frequent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weight of each class: N / (K · its samples), so that every class that occurs counts the same in all.

    Args:
        labels: int64 (N,), 0 to K - 1; classes: K.

    Returns:
        float32 (K,); 0 for a class without a sample.

    Source: King and Zeng 2001, Logistic Regression in Rare Events Data, section 4.2; as scikit-learn's `balanced`.
    """
    counts = np.bincount(labels, minlength=classes)
    occurring = int((counts > 0).sum())
    weights = len(labels) / (occurring * np.maximum(counts, 1))
    return np.where(counts, weights, 0).astype(np.float32)
