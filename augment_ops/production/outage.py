"""Stretches of time without any record: when monitoring is blind, and since when.

An outage is told once, however many windows it lasts, and is over with the first window that has records.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.production.timeline import JudgedWindow

_SHOWN = 3


@dataclass(frozen=True)
class Outage:
    """What the records of a window, or their absence, say.

    Attributes:
        blind: whether monitoring cannot do its work.
        faults: what is odd about the window, the outage included.
        alert: key of the alert that has told of it already; empty for none.
    """

    blind: bool
    faults: tuple[str, ...]
    alert: str = ""


def outage_of(window: LogWindow, before: LogWindow, previous: JudgedWindow | None, rules: DriftRules) -> Outage:
    """Whether a window belongs to an outage.

    Args:
        before: the window just before it; previous: what that came to, where it was judged.
    """
    if window.silent and previous is not None and previous.silent:
        return Outage(previous.blind, window.faults if previous.blind else previous.faults[:1], previous.alert)
    if window.silent and _is_stray(before, window, rules):
        shown = ", ".join(before.rows["sample_id"][:_SHOWN])
        fault = (
            f"no record, and no outage: the {before.sample.size} before it ({shown}) were logged only after it, by a "
            "clock that was wrong or from a copy of something old"
        )
        return Outage(False, (fault,))
    if previous is not None and previous.silent and previous.alert and not window.silent:
        return Outage(window.blind, (*window.faults, f"records again: the outage of alert {previous.alert} is over"))
    return Outage(window.blind, window.faults)


def _is_stray(before: LogWindow, window: LogWindow, rules: DriftRules) -> bool:
    """Whether all that lies before is a few records that nobody had logged yet: the service need not have run then."""
    few = 0 < before.sample.size < rules.min_n
    return few and bool((before.rows["logged_at"] >= window.end).all())
