"""Which hours of a prediction log have records, by where its files lie: nothing is read."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from augment_ops.monitoring.drift.prediction_log import PredictionLog

HOUR = timedelta(hours=1)
_PLACE = re.compile(r"/date=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/")
_FOLDER = re.compile(r"/date=(\d{4}-\d{2}-\d{2})$")


class LogHours:
    """Hours of one log that have records, listed when they are asked for and a day at a time.

    A day whose files lie at no such place counts as a whole: whoever reads it names them.
    """

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._listed: dict[date, list[datetime]] = {}

    @cached_property
    def days(self) -> list[date]:
        """Days that have a folder, oldest first."""
        return days_of(self._log)

    def first(self) -> datetime | None:
        """Beginning of the first hour; None for an empty log."""
        return self.next(datetime(1, 1, 1, tzinfo=UTC))

    def next(self, time: datetime) -> datetime | None:
        """Beginning of the first hour with records that ends after `time`; None where there is none."""
        for day in self.days[bisect_left(self.days, time.astimezone(UTC).date()) :]:
            found = next((hour for hour in self._hours(day) if hour + HOUR > time), None)
            if found is not None:
                return found
        return None

    def _hours(self, day: date) -> list[datetime]:
        if day not in self._listed:
            hours = {hour_of(name) for name in names_of(self._log, day)}
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            every = [midnight + number * HOUR for number in range(24)]
            self._listed[day] = every if hours == {None} else [hour for hour in every if hour in hours]
        return self._listed[day]


def days_of(log: PredictionLog) -> list[date]:
    """Days that have a folder of predictions, oldest first."""
    return sorted(filter(None, map(_day_of, log.blobs.folders(f"{log.dataset}/predictions/"))))


def names_of(log: PredictionLog, day: date) -> list[str]:
    """Names of the files of one day."""
    return log.blobs.names(f"{log.dataset}/predictions/date={day.isoformat()}/")


def hour_of(name: str) -> datetime | None:
    """The hour that a file's place says; None for one that lies at no such place."""
    found = _PLACE.search(name)
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}:00:00+00:00") if found else None
    except ValueError:
        return None


def _day_of(folder: str) -> date | None:
    found = _FOLDER.search(folder)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
