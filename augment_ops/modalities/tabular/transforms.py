"""`Jitter`, noise relative to each value, and `Smote`, a step of a sample towards a neighbour of its class.

Pure functions of the rows, the samples' keys and the training split.

Source: Chawla et al. 2002, "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, doi 10.1613/jair.953: section
4.2 for numbers, section 6.1 (SMOTE-NC) for categories. Parameters after imbalanced-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.tabular.schema import Rows, rounded
from augment_ops.modalities.tabular.training_table import TrainingTable

Keys = NDArray[np.uint64]  # (N, 2)


def jitter(
    table: TrainingTable,
    rows: Rows,
    keys: Keys,
    index: int,
    *,
    columns: NDArray[np.int64],
    std_range: tuple[float, float],
) -> Rows:
    """Multiply each number by 1 plus normal noise.

    No number changes its sign or leaves the range that the training split has of its column (one that is outside it
    goes no further); a zero stays zero, and what is missing stays missing.

    Args:
        table: the training split.
        rows: float64 (N, F); not modified.
        keys: uint64 (N, 2).
        index: of the transform in its policy.
        columns: int64 (C,), columns of numbers.
        std_range: of the noise's standard deviation, as a share of the value; drawn once a sample, evenly.

    Returns:
        float64 (N, F), a new array; columns of whole numbers hold whole numbers.
    """
    out = rows.copy()
    low, high = std_range
    std = low + (high - low) * philox.uniforms(keys, index, philox.PARAMETERS, 1)
    before, held = rows[:, columns], table.columns
    after = before * factors(std, keys, index, len(columns))
    least, most = np.fmin(held.least[columns], before), np.fmax(held.most[columns], before)
    out[:, columns] = np.clip(after, least, most)
    return rounded(table.schema, out, columns)


def smote(
    table: TrainingTable,
    rows: Rows,
    neighbours: NDArray[np.int64],
    keys: Keys,
    index: int,
) -> Rows:
    """Move each row towards one of its neighbours in the training split, by a share drawn from 0 to 1.

    Numbers move in proportion, and the categories are those of the nearer of the two: the row's own below a share of
    one half, the neighbour's from there on. A cell that either of the two lacks stays as it is.

    Args:
        table: the training split.
        rows: float64 (N, F); not modified.
        neighbours: int64 (N, k), rows of `table`.
        keys: uint64 (N, 2).
        index: of the transform in its policy.

    Returns:
        float64 (N, F), a new array; columns of whole numbers hold whole numbers.
    """
    schema = table.schema
    draws = philox.uniforms(keys, index, philox.PARAMETERS, 2)
    k = neighbours.shape[1]
    chosen = neighbours[np.arange(len(rows)), np.minimum((draws[:, 0] * k).astype(np.int64), k - 1)]
    towards, share = table.rows[chosen], draws[:, 1:]
    out = rows.copy()
    known = ~np.isnan(rows) & ~np.isnan(towards)
    moved = rows + share * (towards - rows)
    numbers = schema.is_number & known
    out[numbers] = moved[numbers]
    theirs = ~schema.is_number & known & (share >= 0.5)
    out[theirs] = towards[theirs]
    return rounded(schema, out, np.flatnonzero(schema.is_number))


def factors(std: float | NDArray[np.float64], keys: Keys, index: int, draws: int) -> NDArray[np.float64]:
    """1 plus normal noise of a standard deviation, or 0 where that would be less: float64 (N, draws).

    Args:
        std: one, or float64 (N, 1).
    """
    return np.maximum(1 + std * normal(keys, index, draws), 0)


def normal(keys: Keys, index: int, draws: int) -> NDArray[np.float64]:
    """Normal numbers of each sample's own stream: float64 (N, draws)."""
    from scipy.special import ndtri

    # 0, which comes once in 2^53 draws, would be minus infinity.
    found: NDArray[np.float64] = ndtri(np.maximum(philox.uniforms(keys, index, philox.VALUES, draws), 2.0**-54))
    return found
