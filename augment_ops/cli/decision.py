"""A decision as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from augment_ops.cli.terminal import plain, styled, table, tell_facts
from augment_ops.gate.decision import Reason
from augment_ops.gate.grouping import grouped

_QUIET = frozenset({"pass"})  # what passed is counted, not listed: forty lines would hide the one that matters


def show_decision(
    output: Console, verdict: str, summary: str, reasons: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> None:
    """Print the verdict, the reasons that need attention by their kind, and where to look further.

    Args:
        reasons: as the gate gave them: dicts with rule, outcome and message, and the other fields of a `Reason`.
        facts: name to value, printed in order; empty values are left out.
    """
    output.print(Text.assemble("\n", styled(verdict), "  ", summary, "\n"))
    shown = table("outcome", "rule", "reason")
    given = [Reason(**reason) for reason in reasons]
    told = [reason for reason in given if reason.outcome not in _QUIET]
    for group in grouped(told):
        said = "\n".join(filter(None, (group.message, group.advice)))
        shown.add_row(styled(group.outcome), plain(group.rule), plain(said))
    shown.add_row(styled("pass"), "", f"{len(given) - len(told)} conditions")
    output.print(shown)
    output.print()
    tell_facts(output, facts)
