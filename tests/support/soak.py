"""A service under a steady load: what it takes over the time, and whether its log has every answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import numpy as np
import psutil

from augment_ops.monitoring.drift.log_files import read_log_file
from augment_ops.monitoring.drift.log_hours import days_of, names_of
from augment_ops.monitoring.drift.prediction_log import PredictionLog

_CLIENTS = 4
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, again and again."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What all processes of a service take at one moment.

    Attributes:
        at_s: since the load began.
        rss_mib: resident memory by kind of process; pages that processes share count for each of them.
    """

    at_s: float
    answers: int
    rss_mib: dict[str, float]
    descriptors: int

    @property
    def total_mib(self) -> float:
        return sum(self.rss_mib.values())


class Load:
    """Requests at a steady rate, by clients that each keep a connection.

    Args:
        per_s: of all clients.
    """

    def __init__(self, asked: Asked, per_s: float) -> None:
        self.statuses = Counter[int]()
        self._asked, self._pause_s = asked, _CLIENTS / per_s
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._clients = [threading.Thread(target=self._ask, daemon=True) for _ in range(_CLIENTS)]
        for client in self._clients:
            client.start()

    def _ask(self) -> None:
        asked, due = self._asked, time.monotonic()
        with httpx.Client(timeout=60) as client:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                status = client.post(asked.url, content=asked.body, headers=dict(asked.headers)).status_code
                with self._lock:
                    self.statuses[status] += 1
                due = max(due + self._pause_s, time.monotonic() - self._pause_s)  # what it was late by is not made up

    def end(self) -> Counter[int]:
        """How often each status came."""
        self._ended.set()
        for client in self._clients:
            client.join(90)
        return self.statuses


def soaked(service: int, asked: Asked, metrics: str, *, seconds: float, per_s: float, every_s: float) -> dict[str, Any]:
    """Ask for some seconds; what was read meanwhile, and the statuses.

    Args:
        service: its process.
        metrics: address that is scraped at each reading, as Prometheus does.
    """
    began, load, readings = time.monotonic(), Load(asked, per_s), list[Reading]()
    while (now := time.monotonic() - began) < seconds:
        httpx.get(metrics, timeout=60).raise_for_status()
        readings.append(reading(service, now, load.statuses.total()))
        threading.Event().wait(max(0.0, every_s * len(readings) - (time.monotonic() - began)))
    statuses = load.end()
    lost = [line for line in httpx.get(metrics, timeout=60).text.splitlines() if "log_lost_total{" in line]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "answers": statuses[200],
        "other_statuses": {str(status): count for status, count in statuses.items() if status != 200},
        "per_s": round(statuses.total() / (time.monotonic() - began), 1),
        "lost": sum(float(line.rpartition(" ")[2]) for line in lost),
        "readings": readings,
    }


def reading(service: int, at_s: float, answers: int) -> Reading:
    """What the processes take now."""
    rss, descriptors = Counter[str](), 0
    supervisor = psutil.Process(service)
    for process in (supervisor, *supervisor.children(recursive=True)):
        try:
            kind = _kind(process, supervisor)
            rss[kind] += process.memory_info().rss
            descriptors += process.num_fds()
        except psutil.NoSuchProcess:
            continue
    mib = {kind: round(size / _MIB, 2) for kind, size in sorted(rss.items())}
    return Reading(at_s=round(at_s, 1), answers=answers, rss_mib=mib, descriptors=descriptors)


def _kind(process: psutil.Process, supervisor: psutil.Process) -> str:
    if process == supervisor:
        return "supervisor"
    return "workers" if "augment_ops.serving.worker" in process.cmdline() else "models"


def trend(at_s: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """A line through what was read after the first quarter.

    Returns:
        level: the mean; growth: of the line from end to end; noise: two standard deviations about it; per_h: its slope.
    """
    x, y = (np.asarray(one, float)[len(at_s) // 4 :] for one in (at_s, values))
    slope, start = np.polyfit(x, y, 1)
    noise = 2 * float(np.std(y - (start + slope * x), ddof=2))
    found = {"level": y.mean(), "growth": slope * (x[-1] - x[0]), "noise": noise, "per_h": slope * 3600}
    return {name: round(float(value), 3) for name, value in found.items()}


def logged(log: PredictionLog) -> int:
    """Entries of a log."""
    files = (name for day in days_of(log) for name in names_of(log, day))
    return sum(read_log_file(log.blobs.read(name) or b"").num_rows for name in files)


def judged(found: dict[str, Any], entries: int, *, grown_share: float, grown_descriptors: float) -> dict[str, Any]:
    """The same with trends and verdicts: what grew by less than its noise, or than the bound, is flat.

    Args:
        entries: of the log.
        grown_share: of the memory; grown_descriptors: a number of them.
    """
    readings: list[Reading] = found.pop("readings")
    at_s = [one.at_s for one in readings]
    memory = trend(at_s, [one.total_mib for one in readings])
    descriptors = trend(at_s, [one.descriptors for one in readings])
    found |= {
        "entries": entries,
        "memory_mib": memory,
        "descriptors": descriptors,
        "flat_memory": memory["growth"] <= max(memory["noise"], grown_share * memory["level"]),
        "flat_descriptors": descriptors["growth"] <= max(descriptors["noise"], grown_descriptors),
        "nothing_lost": not found["other_statuses"] and found["lost"] == 0 and entries == found["answers"],
    }
    return {**found, "readings": [asdict(one) for one in readings]}
