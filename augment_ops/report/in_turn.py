"""Which of many samples a page shows: classes take turns, or a rare one, which a policy may be for, is never seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_turn(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions so that classes take turns: the first sample of each, then the second of each, and so on.

    Args:
        labels: int64 (N,), 0 and up.

    Returns:
        int64 (N,); within a turn as in `labels`.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    turns = np.empty(len(labels), np.int64)
    turns[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.argsort(turns, kind="stable")
