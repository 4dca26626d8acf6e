"""What is too old goes out of the prediction log: whole days of answers, of labels, and of what rollouts compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from augment_ops.monitoring.drift.log_hours import days_of, names_of
from augment_ops.monitoring.drift.prediction_log import CLOCKS_APART, PredictionLog
from augment_ops.rollout.comparisons import folder_of, written_on


def too_old(days: float) -> datetime:
    """Before when everything is older than so many days, by the clock of whichever machine wrote it."""
    return datetime.now(UTC) - timedelta(days=days) - CLOCKS_APART


def for_so_long(days: float) -> str:
    """The time after which things are `too_old`, in words: 14 days, and the day by which clocks may differ."""
    return f"{days:g} day{'' if days == 1 else 's'}, and the day by which clocks may differ"


def forget(uri: str, dataset: str, before: datetime) -> int:
    """Delete the days of a log that ended before a moment; how many files.

    What the store holds of the samples stays: snapshots that were trained on may hold the same objects.
    """
    log, old = PredictionLog(uri, dataset), []
    for day in days_of(log):
        if day < before.date():
            old += [*names_of(log, day), *log.blobs.names(f"{dataset}/labels/date={day.isoformat()}/")]
    old += [name for name in log.blobs.names(folder_of(dataset)) if (written_on(name) or before.date()) < before.date()]
    for name in old:
        log.blobs.delete(name)
    return len(old)
