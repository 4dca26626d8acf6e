"""How far a piece of work is, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable

# How many are done, of how many (None where nobody knows), and what comes next.
Advance = Callable[[int, int | None, str], None]


def unheard(done: int, total: int | None, then: str) -> None:
    """Nobody is told."""
