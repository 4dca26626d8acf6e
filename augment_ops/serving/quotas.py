"""How many samples each token may still have augmented today: one count for all workers of a state folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from augment_ops.errors import StoreError
from augment_ops.monitoring.drift.prediction_log import CLOCKS_APART

_PATIENCE_S = 5.0  # with another worker that counts
_TABLE = "CREATE TABLE IF NOT EXISTS taken (day TEXT, token TEXT, samples INTEGER, PRIMARY KEY (day, token))"
# A row that is not there yet is inserted; of one that is, only as much is taken as there is.
_TAKE = (
    "INSERT INTO taken VALUES (?, ?, ?) ON CONFLICT (day, token) DO UPDATE SET samples = samples + excluded.samples "
    "WHERE samples + excluded.samples <= ?"
)
_GIVE_BACK = "UPDATE taken SET samples = max(0, samples - ?) WHERE day = ? AND token = ?"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of asking for samples.

    Attributes:
        wait_s: 0 where they are counted, else the seconds until the next day.
        day: as which they are counted.
    """

    wait_s: float
    day: str


class Quotas:
    """Samples a day, by UTC. May be used by several threads and processes, whose clocks may differ.

    Args:
        path: of a SQLite file, made where it is absent.
        samples_per_day: of each token; None counts nothing.
        now: the time, aware.
    """

    def __init__(
        self, path: Path, samples_per_day: int | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path, self._limit, self._now = path, samples_per_day, now

    def take(self, token: str, samples: int) -> Taken:
        """Count samples that are to be augmented, where the token may still have so many.

        Raises:
            StoreError: they cannot be counted.
        """
        now = self._now()
        day = now.date().isoformat()
        if self._limit is None:
            return Taken(wait_s=0.0, day=day)
        with self._counting() as counts:
            over = (now - CLOCKS_APART).date().isoformat()  # for another replica yesterday may not have ended
            counts.execute("DELETE FROM taken WHERE day < ?", (over,))
            fits = samples <= self._limit
            taken = fits and counts.execute(_TAKE, (day, token, samples, self._limit)).rowcount > 0
        return Taken(wait_s=0.0 if taken else _seconds_to_midnight(now), day=day)

    def give_back(self, token: str, samples: int, day: str) -> None:
        """What was counted on a day came to nothing; where another has begun since, it is no more of use.

        Raises:
            StoreError: it cannot be counted.
        """
        if self._limit is not None:
            with self._counting() as counts:
                counts.execute(_GIVE_BACK, (samples, day, token))

    @contextmanager
    def _counting(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE_S)) as connection, connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")  # the last counts may be lost with the power
                connection.execute(_TABLE)
                yield connection
        except (sqlite3.Error, OSError) as error:
            fix = "look who holds it, and whether the disk is full"
            raise StoreError(str(self._path), str(error)[:120], "a file that quotas are counted in", fix) from error


def _seconds_to_midnight(now: datetime) -> float:
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), now.tzinfo)
    return (midnight - now).total_seconds()
