"""Windows whose labels came after they were judged: which of them are worth judging again, and when.

Labels come hours or weeks after an answer. A window is looked at again until `label_wait_days` after its end, each time
a tenth of its age later than the time before: what labels show is noticed soon after they come, and a month of windows
is not read every hour. It is judged again where its labels have grown by half, or are complete, or for the last time:
every judgement may raise a false alarm, so there are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from augment_ops.content import digest_of
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import CLOCKS_APART, PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.production.timeline import JudgedWindow, Period, Timeline

_LATER = 0.1  # of a window's age: labels that took ten days are noticed within one more
_GROWTH = 1.5  # times as many labels: with 20 to begin with and 10,000 in the end, a window is judged 16 times at most
_KEPT_LOOKING = timedelta(days=2)  # after the wait, for the last look of a monitor that was down


class LateLabels:
    """Labels of one data set's windows."""

    def __init__(self, log: PredictionLog, rules: DriftRules, timeline: Timeline) -> None:
        self._log, self._rules, self._timeline = log, rules, timeline
        self._names: dict[date, list[str]] = {}

    def grown(self, at: datetime) -> Iterator[JudgedWindow]:
        """Records of windows that are to be judged again, oldest first; the others are noted as looked at."""
        wait = self._rules.label_wait
        if not wait:
            return
        for judged in list(self._timeline.kept(at - wait - max(_KEPT_LOOKING, self._rules.window))):
            if not self._is_time(judged, at):
                continue
            labels = self.files(judged.span, at)
            if labels == judged.labels:
                continue
            if self._is_worth(judged, self._labelled(judged.span), at):
                yield judged
            else:
                self._timeline.keep(replace(judged, looked=at.isoformat(), labels=labels))

    def files(self, span: Period, at: datetime) -> str:
        """Digest of the names of the files that the labels of a window may be in, as they are now.

        Files lie by the days of whoever wrote them, whose clocks may differ from those of the answers and of this one.
        """
        last = min(at, span.end + self._rules.label_wait) + CLOCKS_APART
        day, found = (span.start - CLOCKS_APART).astimezone(UTC).date(), []
        while self._rules.label_wait and day <= last.astimezone(UTC).date():
            found += self._of(day)
            day += timedelta(days=1)
        return digest_of(found) if found else ""

    def _is_time(self, judged: JudgedWindow, at: datetime) -> bool:
        if judged.silent or judged.labelled >= int(judged.metrics["window.samples"]):
            return False
        end = judged.span.end
        last = end + self._rules.label_wait
        looked = datetime.fromisoformat(judged.looked) if judged.looked else end
        return looked < last and at >= min(looked + _LATER * (looked - end), last)

    def _is_worth(self, judged: JudgedWindow, labelled: int, at: datetime) -> bool:
        known = max(judged.labelled, 0)
        complete = labelled >= int(judged.metrics["window.samples"])
        enough = complete or at >= judged.span.end + self._rules.label_wait or labelled >= _GROWTH * known
        return labelled > known and labelled >= self._rules.min_class_n and enough

    def _labelled(self, span: Period) -> int:
        return read_window(self._log, span.start, span.end, samples=False).labelled

    def _of(self, day: date) -> list[str]:
        if day not in self._names:
            self._names[day] = self._log.blobs.names(f"{self._log.dataset}/labels/date={day.isoformat()}/")
        return self._names[day]
