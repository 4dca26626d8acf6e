"""The labels of a prediction log by sample id, read once a file: files of the log never change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from augment_ops.errors import DataError
from augment_ops.monitoring.drift.log_files import read_log_file
from augment_ops.monitoring.drift.log_records import late_labels
from augment_ops.monitoring.drift.prediction_log import PredictionLog


class LoggedLabels:
    """What samples are called: of several labels of one the one that was logged last. Not thread-safe.

    Args:
        since: labels that were logged on days before it are left out; by default none is.

    Attributes:
        labels: sample id → label, of all that was read.
    """

    def __init__(self, log: PredictionLog, since: date | None = None) -> None:
        self._log = log
        self._since = "" if since is None else f"date={since:%Y-%m-%d}"
        self._read: set[str] = set()
        self.labels: dict[str, str] = {}
        self._at: dict[str, datetime] = {}

    def last(self, ids: Iterable[str]) -> datetime | None:
        """When the last label of any of these was logged, of what was read; None where none was."""
        return max((self._at[one] for one in ids if one in self._at), default=None)

    def refresh(self) -> dict[str, str]:
        """Read what was written since the last time: sample id → label, of those whose label is new or another.

        A file that cannot be read says nothing: the monitor names such a file.

        Raises:
            StoreError: the log cannot be read.
        """
        import pyarrow as pa

        changed: dict[str, str] = {}
        for name in self._log.blobs.names(f"{self._log.dataset}/labels/"):
            folder = name.split("/")[2]
            if name in self._read or (folder.startswith("date=") and folder < self._since):
                continue
            self._read.add(name)
            try:
                rows = late_labels(read_log_file(self._log.blobs.read(name) or b""))
            except (pa.ArrowException, OSError, DataError, ValueError, KeyError, TypeError, AttributeError):
                continue
            for one, label, at in rows:
                if one in self._at and at < self._at[one]:
                    continue
                if self.labels.get(one) != label:
                    changed[one] = label
                self._at[one], self.labels[one] = at, label
        return changed
