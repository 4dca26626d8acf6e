"""The runs as a list: which are asked for, a page of them at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from augment_ops.home.sources import Sources
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.pipeline.run import Run

PAGE = 25  # runs
FILTERS = ("dataset", "policy", "environment", "state", "actor")


@dataclass(frozen=True, kw_only=True)
class RunList:
    """One page of the runs that answer to all filters.

    Attributes:
        asked: filter → value; empty asks for nothing.
        choices: filter → the values that runs have.
        number: of the page, from 1; pages: how many there are, one at least.
        found: runs that answer, on all pages.
    """

    lines: tuple[RunLine, ...]
    asked: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]]
    number: int
    pages: int
    found: int


def run_list(sources: Sources, asked: Mapping[str, str], number: str) -> RunList | None:
    """The page of that number, the newest runs first; None where there is no such page, or no such value."""
    begun = sources.runs.begun()
    told = {run.id: _facts(sources, run) for run in begun}
    choices = {name: tuple(sorted({facts[name] for facts in told.values()} - {""})) for name in FILTERS}
    if any(value and value not in choices[name] for name, value in asked.items()):
        return None
    found = [run for run in begun if all(not value or told[run.id][name] == value for name, value in asked.items())]
    pages = max(1, -(-len(found) // PAGE))
    if not (number.isascii() and number.isdecimal() and len(number) < 9 and 1 <= int(number) <= pages):
        return None
    start = (int(number) - 1) * PAGE
    return RunList(
        lines=tuple(sources.runs.line(run) for run in found[start : start + PAGE]),
        asked=asked,
        choices=choices,
        number=int(number),
        pages=pages,
        found=len(found),
    )


def _facts(sources: Sources, run: Run) -> dict[str, str]:
    dataset, state = sources.runs.facts(run)
    policy, environment = (str(run.params.get(name, "")) for name in ("policy", "environment"))
    return {"dataset": dataset, "policy": policy, "environment": environment, "state": state, "actor": run.actor}
