"""What whoever decides is told, as they read it in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from augment_ops.report.brief import Brief, intervals, numbers, rows


def show_brief(output: Console, brief: Brief, facts: Mapping[str, str]) -> None:
    """Print what there is to know, the measures beside those of the other models, and where to look further.

    Args:
        facts: name to value, printed in order; empty values are left out.
    """
    output.print()
    output.print(_table(["", ""], rows(brief), heads=False))
    head, measured = numbers(brief)
    if measured:
        output.print()
        output.print(_table(head, measured, heads=True))
        output.print(Text(intervals(brief)))
    output.print()
    for name, value in facts.items():
        if value:
            output.print(f"{name:16} {value}", soft_wrap=True, highlight=False, markup=False)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], *, heads: bool) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, show_header=heads)
    for column in head:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table
