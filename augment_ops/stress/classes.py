"""All classes as one number each way: their mean F1, and how the worst found of them fare."""

from __future__ import annotations

import math

from augment_ops.statistics import mean
from augment_ops.stress.report import Cell, Measures

TAIL = 5  # a fifth of the classes is the tail; with fewer than twice as many classes it would be one of them


def macro_f1(cell: Cell, measures: Measures) -> float:
    """Mean of 2PR / (P + R) over the classes that have samples, 0 for one of which none is found.

    NaN where a prediction was not finite, or no sample is left. As `sklearn.metrics.f1_score(average="macro")`.

    Args:
        measures: of the same model, corruption and severity as the cell.

    Source: Sokolova & Lapalme 2009, Information Processing & Management 45(4).
    """
    pairs = zip(cell.class_recall, measures.class_precision, strict=True)
    found = [_f1(recall, precision or 0.0) for recall, precision in pairs if recall is not None]
    return mean(found) if found else math.nan


def _f1(recall: float, precision: float) -> float:
    whole = recall + precision
    return 2 * recall * precision / whole if whole else 0.0  # NaN stays NaN


def tail_recall(cell: Cell) -> float | None:
    """Mean recall of the fifth of the classes that is found worst; None with fewer than ten classes that have samples.

    Each model is asked about its own worst: one that moves its mistakes elsewhere has a tail as well.
    """
    recalls = sorted(recall for recall in cell.class_recall if recall is not None)
    if len(recalls) < 2 * TAIL:
        return None
    return math.nan if any(math.isnan(recall) for recall in recalls) else mean(recalls[: len(recalls) // TAIL])
