"""Why a run was started, where an alert of production started it: as the ledger has it, which no driver can edit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.identity import RESERVED, among
from augment_ops.names import alert_named
from augment_ops.shown import PARAGRAPH, link, markdown

ALERT, RETRAIN = "alert", "retrain"  # the acts of entering an alert, and of starting the training that it calls for
RUN_PREFIX = "retrain__"  # of the ids of runs that an alert starts
EVIDENCE = " Evidence: "  # in the reason of an alert, before the addresses of what it is based on


@dataclass(frozen=True, kw_only=True)
class AlertCause:
    """The alert that started a run.

    Attributes:
        entry: number of its entry in the ledger; key: of that entry.
        kind: `drift`, `age` or `policy`.
        found: what was found, in a sentence.
        moved: names of what drifted, the strongest first, as one text; of alerts of before it is empty.
        start, end: the window, ISO 8601 in UTC; empty where the alert is about none.
        page: address of the window's page; report: digest of its drift report. Both are empty for alerts of before.
    """

    entry: int
    key: str
    kind: str
    found: str
    moved: str = ""
    start: str = ""
    end: str = ""
    page: str = ""
    report: str = ""

    @property
    def window(self) -> str:
        """The window as people read it; empty where there is none."""
        if not self.start or not self.end:
            return ""
        begin, end = (f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M}" for time in (self.start, self.end))
        return f"{begin} to {end} UTC"

    @property
    def short(self) -> str:
        """For a column: the kind, what drifted and since when."""
        day = f" ({self.start[:10]})" if self.start else ""
        return f"{self.kind}: {self.moved}{day}" if self.moved else f"{self.kind}{day}"


def start_of(ledger: Ledger, run_id: str) -> Entry | None:
    """The entry that an alert's training is being started; None where there is none of that id."""
    found = ledger.find(start_key(run_id))
    return found if found is not None and found.act == RETRAIN else None


def start_key(run_id: str) -> str:
    """Key of that entry."""
    return f"{RETRAIN}:{run_id}"


def entries_behind(ledger: Ledger, run_id: str) -> tuple[Entry, ...]:
    """The entry of a run's start by an alert, then that of the alert; none where no alert started it."""
    start = start_of(ledger, run_id) if run_id.startswith(RUN_PREFIX) else None
    if start is None:
        return ()
    alert = start.subjects.get("alert")
    return (start, *(entry for entry in ledger.read((ALERT,)) if entry.hash == alert))


def alert_behind(ledger: Ledger, run_id: str) -> AlertCause | None:
    """The alert that started a run; None where none did."""
    return next((cause_of(entry) for entry in entries_behind(ledger, run_id)[1:]), None)


def people_behind(ledger: Ledger, run_id: str) -> tuple[str, ...]:
    """Who found the alert that started a run, or started its training, where a person did; nobody behind another."""
    found = (entry.actor for entry in entries_behind(ledger, run_id))
    return tuple(dict.fromkeys(actor for actor in found if not among(actor, RESERVED)))


def origins_behind(ledger: Ledger, run_id: str) -> tuple[str, ...]:
    """The monitor's runs that found the alert or started the training, as `driver's name of the monitor/run id`."""
    found = (entry.subjects.get("origin", "") for entry in entries_behind(ledger, run_id))
    return tuple(dict.fromkeys(origin for origin in found if origin))


def cause_of(entry: Entry) -> AlertCause:
    """An alert's entry as the cause of a run."""
    about = entry.subjects
    return AlertCause(
        entry=entry.seq,
        key=entry.key,
        kind=about["kind"],
        found=entry.reason.partition(EVIDENCE)[0],
        moved=about.get("moved", ""),
        start=about.get("window_start", ""),
        end=about.get("window_end", ""),
        page=about.get("page", ""),
        report=about.get("report", ""),
    )


def in_markdown(cause: AlertCause, addresses: Iterable[str]) -> str:
    """Which alert, window and features, with the window's page linked.

    Args:
        addresses: where links may lead (`augment_ops.shown.own_addresses`).
    """
    about = f"Started by {alert_named(markdown(cause.kind), cause.entry)}: "
    window = f" Window {markdown(cause.window)}." if cause.window else ""
    page = f"\n\n{link('What moved in that window', cause.page, addresses)}" if cause.page else ""
    return f"{about}{markdown(cause.found, PARAGRAPH)}{window}{page}"
