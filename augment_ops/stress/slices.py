"""Accuracy by group of samples: site, device, subject group, or whatever column a data set brings."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from augment_ops.extras import require
from augment_ops.stress.outcomes import NO_GROUP, Outcomes
from augment_ops.stress.report import Slice


def slices(outcomes: Outcomes) -> tuple[Slice, ...]:
    """Clean and stressed accuracy of every model on every group of every column, by fairlearn's `MetricFrame`.

    Samples without a value belong to no group.
    """
    found: list[Slice] = []
    for row, (column, names) in enumerate(outcomes.columns.items()):
        codes = outcomes.groups[row]
        if (known := codes != NO_GROUP).any():
            for m, role in enumerate(outcomes.models):
                table = _by_group(outcomes.right[m][:, known], outcomes.left[:, known], codes[known])
                found += [Slice(column, names[code], role, *table[code]) for code in sorted(table)]
    return tuple(found)


def _by_group(
    right: NDArray[np.bool_], left: NDArray[np.bool_], codes: NDArray[np.int16]
) -> dict[int, tuple[int, float, float]]:
    """Code → samples, clean accuracy, accuracy over what is left in the other cells (NaN where nothing is)."""
    require("fairlearn", "slices of a stress test")
    from fairlearn.metrics import MetricFrame, count

    clean = right[0].astype(np.float64)
    hits, cells = ((of & left)[1:].sum(axis=0).astype(np.float64) for of in (right, left))
    measured = {
        "n": MetricFrame(metrics=count, y_true=clean, y_pred=clean, sensitive_features=codes).by_group,
        "clean": MetricFrame(metrics=_mean, y_true=clean, y_pred=clean, sensitive_features=codes).by_group,
        "stressed": MetricFrame(metrics=_share, y_true=cells, y_pred=hits, sensitive_features=codes).by_group,
    }
    return {
        int(code): (int(n), float(measured["clean"][code]), float(measured["stressed"][code]))
        for code, n in measured["n"].items()
    }


def _mean(y_true: NDArray[np.float64], y_pred: NDArray[np.float64]) -> float:
    return float(np.mean(y_pred))


def _share(y_true: NDArray[np.float64], y_pred: NDArray[np.float64]) -> float:
    cells = float(np.sum(y_true))
    return float(np.sum(y_pred)) / cells if cells else math.nan
