"""How far a piece of work is, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[int, int, str], None]  # how many are done, of how many, and what comes next


def unheard(done: int, total: int, then: str) -> None:
    """Nobody is told."""
