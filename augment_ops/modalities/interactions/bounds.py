"""What a domain of interactions may bound, and what a policy's budget is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augment_ops.policy.bounds import Bounds, Limits
from augment_ops.policy.spec import LatencyBudget

_Share = Annotated[float, Field(ge=0, le=1)]


class HistoryBounds(Bounds):
    """Bounds on what transforms do to histories; shares of their items. Steps that follow add up.

    Attributes:
        max_cropped_share: of items that a crop leaves out.
        max_masked_share: of items that are left out one by one.
        max_reordered_share: of items that change places, and so how far any can come from its own.
        max_substituted_share: of items that give way to others.
        max_simulated_share: of items after which one is put that nobody had.
    """

    max_cropped_share: _Share | None = None
    max_masked_share: _Share | None = None
    max_reordered_share: _Share | None = None
    max_substituted_share: _Share | None = None
    max_simulated_share: _Share | None = None


class HistoryLimits(HistoryBounds, Limits):
    """The bounds of a domain of interactions."""


class HistoryBudget(LatencyBudget):
    """What one history may cost, at (H, 2)."""

    at: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(ge=2, le=2)]]
