"""Labels that come later: taken for answers that the log has, once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from augment_ops.errors import InputError
from augment_ops.monitoring.drift.log_files import read_log_file
from augment_ops.monitoring.drift.log_hours import days_of, names_of
from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.monitoring.drift.prediction_log import PredictionLog

# As long as a label may come: chargebacks and diagnoses take weeks (policies/drift: label_wait_days).
_DAYS = 30
_REMEMBERED = 2_000_000  # ids of files that were read: some 200 MB of text at most
_SHOWN = 5


class LabelledError(InputError):
    """An answer has another label already."""


class AnswerLabels:
    """Labels for the answers of one log.

    Files of the log never change, so the ids in each are remembered. Not thread-safe.
    """

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._ids: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._remembered = 0
        self._labels = LoggedLabels(log)

    def take(self, labels: Mapping[str, str], *, replace: bool = False) -> int:
        """Append labels: sample id → class; how many are new.

        Args:
            replace: whether an answer that has another label gets this one.

        Raises:
            InputError: the log of the last 30 days has no answer of an id.
            LabelledError: an answer has another label, and none is replaced.
            DataError, StoreError: see `PredictionLog.label`.
        """
        if not labels:
            raise InputError("labels", "none", "sample id → class", "name what each sample is")
        unknown = self._unknown(labels)
        if unknown:
            found = f"{len(unknown)} ids that the log does not have, such as {_few(unknown)}"
            fix = "take the ids of the answers; what was answered a moment ago is logged in a few seconds"
            raise InputError("labels", found, f"ids of answers of the last {_DAYS} days", fix)
        known = self._known(labels)
        other = [one for one, label in labels.items() if known.get(one, label) != label]
        if other and not replace:
            found = f"{len(other)} answers that have another label, such as {_few(other)}"
            raise LabelledError("labels", found, "one label an answer", "send replace: true where the first was wrong")
        new = {one: label for one, label in labels.items() if known.get(one) != label}
        if new:
            self._log.label(new, logged_at=self._after(new))
        return len(new)

    def _after(self, ids: Iterable[str]) -> datetime:
        """Now, or just after what the samples were called before: another replica's clock may be ahead."""
        now, last = datetime.now(UTC), self._labels.last(ids)
        return now if last is None or last < now else last + timedelta(microseconds=1)

    def _unknown(self, wanted: Iterable[str]) -> list[str]:
        left, since = set(wanted), (datetime.now(UTC) - timedelta(days=_DAYS)).date()
        for day in reversed(days_of(self._log)):
            for name in reversed(names_of(self._log, day)):
                if not left or day < since:
                    return sorted(left)
                left -= self._in_file(name)
        return sorted(left)

    def _in_file(self, name: str) -> frozenset[str]:
        import pyarrow as pa

        found = self._ids.get(name)
        if found is None:
            try:
                table = read_log_file(self._log.blobs.read(name) or b"")
                found = frozenset(map(str, table.column("sample_id").to_pylist()))
            except (pa.ArrowException, OSError, ValueError, KeyError):  # the monitor names such a file
                found = frozenset()
            self._ids[name] = found
            self._remembered += len(found)
        self._ids.move_to_end(name)
        while self._remembered > _REMEMBERED and len(self._ids) > 1:
            self._remembered -= len(self._ids.popitem(last=False)[1])
        return found

    def _known(self, wanted: Iterable[str]) -> dict[str, str]:
        """The labels that answers have, the last of each."""
        self._labels.refresh()
        return {one: self._labels.labels[one] for one in wanted if one in self._labels.labels}


def _few(ids: list[str]) -> str:
    return ", ".join(repr(one)[:60] for one in ids[:_SHOWN])
