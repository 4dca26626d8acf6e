"""The page of a run that was stopped before anything was decided: why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from augment_ops.errors import Fault
from augment_ops.report.page import environment


@dataclass(frozen=True, kw_only=True)
class RefusedRun:
    """What stopped a run.

    Attributes:
        stage: where it stopped; empty where it never began.
        at: when, ISO 8601.
        asked: what was asked, by the title that people see.
        links: name and address of where to look further.
    """

    run_id: str
    stage: str
    at: str
    asked: Mapping[str, str]
    faults: tuple[Fault, ...]
    links: tuple[tuple[str, str], ...]


def render(refused: RefusedRun) -> str:
    """The page as one HTML document without network or script; every text is escaped."""
    return environment().get_template("refused.html.j2").render({"r": refused}).lstrip()
