"""What whoever decides is told, as they read it in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from augment_ops.cli.terminal import plain, table, tell_facts
from augment_ops.report.brief import Brief, intervals, numbers, rows

if TYPE_CHECKING:
    from rich.console import Console


def show_brief(output: Console, brief: Brief, facts: Mapping[str, str]) -> None:
    """Print what there is to know, the measures beside those of the other models, and where to look further.

    Args:
        facts: name to value, printed in order; empty values are left out.
    """
    output.print()
    known = table("", "", heads=False)
    for row in rows(brief):
        known.add_row(*map(plain, row))
    output.print(known)
    head, measured = numbers(brief)
    if measured:
        beside = table(*head)
        for cells in measured:
            beside.add_row(*map(plain, cells))
        output.print()
        output.print(beside)
        output.print(plain(intervals(brief)))
    output.print()
    tell_facts(output, facts)
