"""What a model answered, as the prediction log keeps it: one way for a service and for replayed traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities import modality
from augment_ops.modalities.source import Samples, Schema
from augment_ops.monitoring.drift.prediction_log import PredictionLog


def log_answers(
    log: PredictionLog,
    ids: Sequence[str],
    times: Sequence[datetime],
    *,
    version: str,
    scores: NDArray[np.float64],
    samples: Samples,
    classes: Sequence[str],
    schema: Schema | None,
    keep_samples: bool = True,
    labels: Sequence[Any] | None = None,
    logged_at: datetime | None = None,
) -> None:
    """Append N answers of one version.

    Args:
        scores: float64 (N, K), probabilities of `classes`.
        samples: (N, *shape), what the model was given.
        schema: of the data set, where its modality has one.
        keep_samples: whether the samples go to the store; the columns of a table are logged either way.

    Raises:
        DataError, StoreError: see `PredictionLog.write`.
    """
    kind = modality(log.modality)
    # A table's columns are logged by their names as well, as any service would: what drift compares is then to be read.
    columns = None if kind.properties else kind.features(samples, schema)
    log.write(
        ids,
        times,
        model_version=version,
        predictions=[classes[place] for place in scores.argmax(axis=1)],
        scores=scores,
        classes=classes,
        samples=samples if keep_samples else None,
        features=columns,
        labels=labels,
        logged_at=logged_at,
    )
