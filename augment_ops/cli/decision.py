"""A decision as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from augment_ops.gate.decision import Reason
from augment_ops.gate.grouping import grouped

_STYLES = {"PASS": "bold green", "INVESTIGATE": "bold yellow"}
_QUIET = frozenset({"pass"})  # what passed is counted, not listed: forty lines would hide the one that matters


def show_decision(
    output: Console, verdict: str, summary: str, reasons: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> None:
    """Print the verdict, the reasons that need attention by their kind, and where to look further.

    Args:
        reasons: as the gate gave them: dicts with rule, outcome and message, and the other fields of a `Reason`.
        facts: name to value, printed in order; empty values are left out.
    """
    output.print(f"\n[{_STYLES.get(verdict, 'bold red')}]{verdict}[/]  {escape(summary)}\n")
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in ("outcome", "rule", "reason"):
        table.add_column(column, overflow="fold")
    given = [Reason(**reason) for reason in reasons]
    told = [reason for reason in given if reason.outcome not in _QUIET]
    for group in grouped(told):
        said = "\n".join(filter(None, (group.message, group.advice)))
        table.add_row(*(Text(text) for text in (group.outcome, group.rule, said)))
    passed = len(given) - len(told)
    table.add_row("pass", "", f"{passed} conditions")
    output.print(table)
    output.print()
    for name, value in facts.items():
        if value:
            output.print(f"{name:14} {value}", soft_wrap=True, highlight=False, markup=False)
