"""The windows of a data set in time: which are due, which were judged and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from monitoring.log_reader import first_time
from monitoring.prediction_log import PredictionLog
from monitoring.rules import DriftRules, moment

_AT_MOST = 500  # windows of one call: what a monitor that was down for long has missed is caught up in several


@dataclass(frozen=True)
class Judged:
    """One window and what it came to: plain values, for drivers and for whoever tells people.

    Attributes:
        start, end: ISO 8601, UTC; the end is excluded.
        status: `ok`, `warn`, `drift`, `insufficient`.
        blind: whether monitoring could not do its work.
        faults: what was odd about the window.
        metrics: name to value, as in MLflow.
        report: digest of the DriftReport in the store.
        page: address of the page in MLflow; link: of the MLflow run.
        alert: key of the alert that it raised; empty for none.
    """

    dataset: str
    rules: str
    reference: str
    start: str
    end: str
    status: str
    blind: bool
    message: str
    faults: tuple[str, ...]
    metrics: dict[str, float]
    report: str
    page: str
    link: str
    alert: str


class Timeline:
    """Windows of one data set against one reference.

    Args:
        reference: names what they are compared with, and how long they are.
    """

    def __init__(self, store: Store, log: PredictionLog, rules: DriftRules, reference: str) -> None:
        self._store, self._log, self._rules = store, log, rules
        self._all = f"drift/{log.dataset}/windows/"
        self._mine = f"{self._all}{reference}/"

    @cached_property
    def first(self) -> datetime | None:
        """Start of the first window of all; the log is listed for it only where none was judged yet."""
        judged = self._starts_below(self._all)
        found = datetime.fromisoformat(min(judged)) if judged else first_time(self._log)
        return None if found is None else _aligned(found, self._rules.window)

    def due(self, at: datetime) -> list[datetime]:
        """Starts of the windows that have ended, grace included, and that no record covers; oldest first."""
        if self.first is None:
            return []
        mine = self._starts_below(self._mine)
        # Another champion does not judge again what was judged before it came.
        others = [datetime.fromisoformat(start) for start in self._starts_below(self._all) - mine]
        begin = max([self.first, *(_aligned(start, self._rules.window) + self._rules.window for start in others)])
        if self._rules.reference.kind == "period":
            begin = max(begin, _aligned(moment(self._rules.reference.end), self._rules.window))
        ended = at - timedelta(hours=self._rules.grace_h)
        starts = (start for start in _starts(begin, ended, self._rules.window) if start + self._rules.window <= ended)
        return [start for start in starts if start.isoformat() not in mine][:_AT_MOST]

    def quiet_before(self, start: datetime) -> list[datetime]:
        """The last windows before `start` for a rolling reference, oldest first: those that were `ok`.

        Where there is none yet, those that the log begins with.
        """
        most, found = self._rules.reference.windows, []
        for text in sorted(self._starts_below(self._mine), reverse=True):
            earlier = datetime.fromisoformat(text)
            data = self._store.get_document(self._document(earlier)) if earlier < start else None
            if data is not None and from_json(Judged, data).status == "ok":
                found.append(earlier)
            if len(found) == most:
                break
        if not found and self.first is not None:
            return list(_starts(self.first, start, self._rules.window))[-most:]
        return found[::-1]

    def keep(self, judged: Judged) -> None:
        """Record a window that was judged."""
        self._store.put_document(self._document(datetime.fromisoformat(judged.start)), canonical_json(judged))

    def _starts_below(self, prefix: str) -> set[str]:
        return {_start_of(name) for name in self._store.documents(prefix)}

    def _document(self, start: datetime) -> str:
        return f"{self._mine}{start:%Y%m%dT%H%M%S}.json"


def folder_of(start: datetime) -> str:
    """Where the evidence of a window lies in its MLflow run."""
    return f"windows/{start:%Y-%m-%dT%H%M}"


def _aligned(time: datetime, length: timedelta) -> datetime:
    """The beginning of the window that `time` lies in."""
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return since + ((time - since) // length) * length


def _starts(first: datetime, end: datetime, length: timedelta) -> Iterator[datetime]:
    start = first
    while start < end:
        yield start
        start += length


def _start_of(document: str) -> str:
    stamp = document.rpartition("/")[2].removesuffix(".json")
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).isoformat()
