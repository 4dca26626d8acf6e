"""Drift over windows, and the alerts that were raised."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.home.sources import Sources
from augment_ops.pipeline.cause import RETRAIN, AlertCause, cause_of
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.production.alerts import run_id_of
from augment_ops.production.timeline import JudgedWindow
from augment_ops.production.windows import judged_windows

WINDOWS, ALERTS = 48, 50  # newest ones that are shown: of each set of rules, and of all
_RANK = ("ok", "insufficient", "warn", "drift")  # how high a window's bar is


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alert, and the training that it started.

    Attributes:
        by: who found it.
        run: None where it started none, or the run is not kept here.
        started: whether the ledger says that a training was started.
    """

    dataset: str
    cause: AlertCause
    at: str
    by: str
    run: RunLine | None
    started: bool


@dataclass(frozen=True, kw_only=True)
class WindowBar:
    """A window in the strip of windows: its place from the left, its height from 1 to 4."""

    place: int
    height: int
    status: str
    text: str


@dataclass(frozen=True, kw_only=True)
class WindowsOf:
    """The windows of a data set by one set of rules, the newest first; `bars` has them oldest first."""

    dataset: str
    rules: str
    windows: tuple[JudgedWindow, ...]

    @property
    def bars(self) -> list[WindowBar]:
        """A bar for each."""
        return [
            WindowBar(
                place=place,
                height=_RANK.index(one.status) + 1 if one.status in _RANK else 1,
                status=one.status,
                text=_said(one),
            )
            for place, one in enumerate(reversed(self.windows))
        ]


def windows(sources: Sources) -> list[WindowsOf]:
    """Of every data set that is monitored."""
    found = judged_windows(sources.workspace.store, WINDOWS)
    return [WindowsOf(dataset=dataset, rules=rules, windows=tuple(of)) for (dataset, rules), of in found.items()]


def alarms(sources: Sources, most: int = ALERTS) -> list[Alarm]:
    """The newest alerts."""
    started = {entry.subjects.get("alert", "") for entry in sources.acts() if entry.act == RETRAIN}
    known = {run.id: run for run in sources.runs.begun()}
    found = []
    for entry in sources.alerts()[:most]:
        dataset, cause = entry.subjects["dataset"], cause_of(entry)
        run = known.get(run_id_of(dataset, cause.kind, entry.key))
        line = sources.runs.line(run) if run is not None else None
        begun = entry.hash in started
        found.append(Alarm(dataset=dataset, cause=cause, at=entry.at, by=entry.actor, run=line, started=begun))
    return found


def _said(one: JudgedWindow) -> str:
    return f"{one.start[:16].replace('T', ' ')}: {one.status}"
