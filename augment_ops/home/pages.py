"""View data to HTML: every text is escaped, links lead to our own addresses alone, nothing of a page is a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import jinja2

from augment_ops.pipeline.cause import AlertCause
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.report import brief
from augment_ops.report import page as report
from augment_ops.report.formats import percent, points
from augment_ops.shown import is_below

_HERE = Path(__file__).parent / "templates"
# One word of style for each state of a run and of a policy, beside those that the report knows.
_TONES = {
    "PASS": "good", "FAIL": "bad", "ERROR": "bad", "INVESTIGATE": "unsure", "refused": "bad", "unreadable": "bad",
    "holds": "good", "passed": "good", "promoted": "good", "open": "quiet", "broken": "bad", "rolled": "bad",
    "running": "warn", "runs": "warn", "promoting": "warn", "paused": "unsure",
    "approved": "good", "proposed": "warn", "draft": "quiet", "deprecated": "warn", "revoked": "bad",
}  # fmt: skip


@cache
def environment() -> jinja2.Environment:
    """The report's environment, with templates of our own."""
    made = report.environment().overlay(loader=jinja2.FileSystemLoader(_HERE))
    made.filters = {
        **made.filters,
        "state_tone": state_tone,
        "day": day,
        "because": because,
        "gap": gap,
        "tail": tail,
        "query": lambda values: urlencode({name: value for name, value in values.items() if value}),
    }
    made.globals = {**made.globals, "brief": brief}
    return made


@cache
def style() -> bytes:
    """The one style sheet: the report's, and what these pages have beside it."""
    files = (Path(report.__file__).parent / "templates" / "page.css", _HERE / "home.css")
    return b"\n".join(file.read_bytes() for file in files)


def render(
    template: str, *, base: str, addresses: Iterable[str], kept: Callable[[RunLine], bool], **shown: object
) -> str:
    """A page.

    Args:
        template: its name without ending.
        base: what addresses of these pages begin with; empty where they stand at the root.
        addresses: where links to elsewhere may lead; any other address is left out.
        kept: whether the report of a run lies on this machine.
        shown: view data, by the names that the template knows.
    """
    ours = tuple(addresses)

    def own(url: str) -> str:
        return url if url and is_below(url, ours) else ""

    context = {"base": base, "own": own, "kept": kept, **shown}
    return environment().get_template(f"{template}.html.j2").render(context).lstrip()


def state_tone(state: str) -> str:
    """The style of a run's or policy's state: good, warn, bad, unsure or quiet."""
    return _TONES.get(state.partition(" ")[0], "quiet")


def day(text: str, length: int = 16) -> str:
    """A time of ISO 8601 in UTC, to the minute; what is none, as it stands."""
    try:
        return datetime.fromisoformat(text).isoformat(" ")[:length]
    except ValueError:
        return text[:length]


def because(line: RunLine) -> str:
    """Why a run was started, where it was no person's own idea."""
    cause: AlertCause | None = line.cause
    return cause.short if cause is not None else ""


def gap(line: RunLine) -> str:
    """The largest loss under stress, with where; empty where it was not measured."""
    found = line.headline.gap if line.headline else None
    return "" if found is None else f"{points(found[2], sign=False)} points, {found[0].replace('_', ' ')} {found[1]}"


def tail(line: RunLine) -> str:
    """The lowest recall of a class under stress, with where; empty where it was not measured."""
    found = line.headline.tail if line.headline else None
    return "" if found is None else f"{percent(found.worst)}, class {found.name}"
