"""What is too old goes out of the prediction log: whole days of answers and of labels."""

from __future__ import annotations

from datetime import datetime

from augment_ops.monitoring.drift.log_hours import days_of, names_of
from augment_ops.monitoring.drift.prediction_log import PredictionLog


def forget(uri: str, dataset: str, before: datetime) -> int:
    """Delete the days of a log that ended before a moment; how many files.

    What the store holds of the samples stays: snapshots that were trained on may hold the same objects.
    """
    log, gone = PredictionLog(uri, dataset), 0
    for day in days_of(log):
        if day < before.date():
            for name in (*names_of(log, day), *log.blobs.names(f"{dataset}/labels/date={day.isoformat()}/")):
                log.blobs.delete(name)
                gone += 1
    return gone
