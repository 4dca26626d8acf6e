"""The windows of a data set in time: which are due, which were judged and how.

A window has one record for each set of rules, below `drift/<data set>/windows/`:

    <reference>_<rules>/<start>.json          one window
    <reference>_<rules>/<start>-<end>.json    windows in a row without any record, judged at once
    <reference>/<start>.json                  as earlier versions wrote it, for whichever rules came first

Rules beside each other (hourly and daily ones, strict and loose ones) have records of their own, so that neither hides
a window from the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.monitoring.drift.log_hours import LogHours
from augment_ops.monitoring.drift.log_reader import RETRIED_WITHIN
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules, moment

_AT_MOST = 500  # windows of one call: what a monitor that was down for long has missed is caught up in several
_STAMP = "%Y%m%dT%H%M%S"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class JudgedWindow:
    """One window and what it came to: plain values, for drivers and for whoever tells people.

    Attributes:
        start, end: ISO 8601, UTC; the end is excluded. Windows in a row without any record are judged as one.
        status: `ok`, `warn`, `drift`, `insufficient`.
        blind: whether monitoring could not do its work.
        faults: what was odd about the window.
        metrics: name to value, as in MLflow.
        report: digest of the DriftReport in the store.
        page: address of the page in MLflow; link: of the MLflow run.
        alert: key of the alert that it raised, or of that of the outage it belongs to; empty for none.
        told: keys of all alerts that it raised or belongs to.
        silent: whether there was no record.
        labelled: records whose label had arrived; -1 where an earlier version did not count them.
        looked: when its labels were looked for last; labels: digest of the names of the files that they were in.
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
    told: tuple[str, ...] = ()
    silent: bool = False
    labelled: int = -1
    looked: str = ""
    labels: str = ""

    @property
    def span(self) -> Period:
        """The time that it is about."""
        return Period(datetime.fromisoformat(self.start), datetime.fromisoformat(self.end))


@dataclass(frozen=True, order=True)
class Period:
    """One window, or several in a row; the end is excluded."""

    start: datetime
    end: datetime


class Timeline:
    """Windows of one data set, by one set of rules against one reference.

    Args:
        reference: names what they are compared with, and how long they are.
    """

    def __init__(self, store: Store, log: PredictionLog, rules: DriftRules, reference: str) -> None:
        self._store, self._rules = store, rules
        self._all = f"drift/{log.dataset}/windows/"
        self._earlier, self._own = reference, f"{reference}_{rules.name}"
        self._hours = LogHours(log)

    def due(self, at: datetime) -> list[Period]:
        """What has ended, grace included, and is covered by no record; oldest first.

        Windows in a row without any record are one span, however many they are. What has not ended by this machine's
        clock is due only where the log has something of it: of the future nobody can say that it is missing.
        """
        first = self._first
        if first is None:
            return []
        ended = at - timedelta(hours=self._rules.grace_h)
        past = min(ended, datetime.now(UTC))
        found: list[Period] = []
        cursor = max(first, self._begin(first))
        covered = sorted(self._mine)
        while cursor + self._rules.window <= ended and len(found) < _AT_MOST:
            place = bisect_right(covered, cursor, key=lambda span: span.start)
            if place and covered[place - 1].end > cursor:
                cursor = covered[place - 1].end
                continue
            free = covered[place].start if place < len(covered) else ended
            span, cursor = self._next(cursor, min(free, ended), past)
            found += [span] if span is not None else []
        return found

    def kept(self, since: datetime) -> Iterator[JudgedWindow]:
        """What was judged of windows that end after `since`, oldest first."""
        for span in sorted(self._mine):
            if span.end > since:
                yield self._read(span)

    def before(self, start: datetime) -> JudgedWindow | None:
        """What the windows that end at `start` came to; None where none was judged."""
        return next((self._read(span) for span in self._mine if span.end == start), None)

    def newest(self, span: Period) -> bool:
        """Whether nothing later was judged."""
        return all(other.start <= span.start for other in self._mine)

    def quiet_before(self, start: datetime) -> list[datetime]:
        """The last windows before `start` for a rolling reference, oldest first: those that were `ok`.

        Where there is none yet, those just before it.
        """
        most, found = self._rules.reference.windows, []
        for span in sorted(self._mine, reverse=True):
            if span.start < start and self._read(span).status == "ok":
                found.append(span.start)
            if len(found) == most:
                break
        if not found and self._first is not None:
            before = (start - number * self._rules.window for number in range(most, 0, -1))
            return [window for window in before if window >= self._first]
        return found[::-1]

    def keep(self, judged: JudgedWindow) -> None:
        """Record a window that was judged, in place of what is known of it."""
        span = judged.span
        several = span.end - span.start > self._rules.window
        stamp = f"{span.start:{_STAMP}}" + (f"-{span.end:{_STAMP}}" if several else "")
        name = self._mine.get(span, f"{self._all}{self._own}/{stamp}.json")
        self._store.put_document(name, canonical_json(judged))
        self._mine[span] = name

    @cached_property
    def _documents(self) -> dict[str, list[str]]:
        """Names of the records of all rules and references, by folder."""
        found: dict[str, list[str]] = {}
        for name in self._store.documents(self._all):
            found.setdefault(name.removeprefix(self._all).partition("/")[0], []).append(name)
        return found

    @cached_property
    def _mine(self) -> dict[Period, str]:
        names = [*self._documents.get(self._earlier, []), *self._documents.get(self._own, [])]
        return {self._span_of(name): name for name in names}

    @cached_property
    def _others(self) -> list[Period]:
        """What these rules judged against another reference, or in windows of another length."""
        mine = (self._own, self._earlier)
        return [
            self._span_of(name)
            for folder, names in self._documents.items()
            if folder not in mine and self._same_rules(folder, names)
            for name in names
        ]

    def _same_rules(self, folder: str, names: list[str]) -> bool:
        _, named, rules = folder.rpartition("_")
        if named:
            return rules == self._rules.name
        data = self._store.get_document(names[-1])
        return data is not None and from_json(JudgedWindow, data).rules == self._rules.name

    @cached_property
    def _first(self) -> datetime | None:
        """Start of the first window of all."""
        known = [span.start for span in (*self._mine, *self._others)]
        found = min(known) if known else self._hours.first()
        return None if found is None else _aligned(found, self._rules.window)

    def _begin(self, first: datetime) -> datetime:
        """From where on these rules judge: another champion does not judge again what was judged before it came."""
        window = self._rules.window
        ends = [_aligned(span.end - timedelta(seconds=1), window) + window for span in self._others]
        if self._rules.reference.kind == "period":
            ends.append(_aligned(moment(self._rules.reference.end), window))
        return max([first, *ends])

    def _next(self, cursor: datetime, free: datetime, past: datetime) -> tuple[Period | None, datetime]:
        """What is due from `cursor` on, if anything is, and where to go on; all before `free`."""
        window = self._rules.window
        one = Period(cursor, cursor + window)
        # A record may count just beside the hour that it is about, so windows next to records are read.
        near = self._hours.next(cursor - RETRIED_WITHIN)
        bounds = [free, past, *([near - RETRIED_WITHIN] if near is not None else [])]
        empty = (min(bounds) - cursor) // window
        if empty > 0:
            span = Period(cursor, cursor + empty * window)
            return span, span.end
        if one.end <= past:
            return one, one.end
        own = self._hours.next(cursor)
        if own is None:
            return None, free
        return (one, one.end) if own < one.end else (None, _aligned(own, window))

    def _read(self, span: Period) -> JudgedWindow:
        return from_json(
            JudgedWindow, self._store.get_document(self._mine[span]) or b""
        )  # one that is gone is said to be

    def _span_of(self, document: str) -> Period:
        stamps = document.rpartition("/")[2].removesuffix(".json").split("-")
        times = [datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) for stamp in stamps]
        return Period(times[0], times[1] if len(times) > 1 else times[0] + self._rules.window)


def folder_of(start: datetime) -> str:
    """Where the evidence of a window lies in its MLflow run."""
    return f"windows/{start:%Y-%m-%dT%H%M}"


def _aligned(time: datetime, length: timedelta) -> datetime:
    """The beginning of the window that `time` lies in."""
    return _EPOCH + ((time - _EPOCH) // length) * length
