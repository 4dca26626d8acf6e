"""A decision as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from augment_ops.cli.terminal import plain, styled, table, tell_facts

_QUIET = frozenset({"pass"})  # what passed is counted, not listed: forty lines would hide the one that matters


def show_decision(
    output: Console, verdict: str, summary: str, reasons: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> None:
    """Print the verdict, the reasons that need attention, and where to look further.

    Args:
        reasons: as the gate gave them: dicts with rule, outcome and message.
        facts: name to value, printed in order; empty values are left out.
    """
    output.print(Text.assemble("\n", styled(verdict), "  ", summary, "\n"))
    shown = table("outcome", "rule", "reason")
    passed = 0
    for reason in reasons:
        if reason.get("outcome") in _QUIET:
            passed += 1
            continue
        outcome, rule, message = (str(reason.get(key) or "") for key in ("outcome", "rule", "message"))
        shown.add_row(styled(outcome), plain(rule), plain(message))
    shown.add_row(styled("pass"), "", f"{passed} conditions")
    output.print(shown)
    output.print()
    tell_facts(output, facts)
