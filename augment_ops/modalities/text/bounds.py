"""What a domain of texts may bound, and what a policy's budget is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augment_ops.policy.bounds import Bounds, Limits
from augment_ops.policy.spec import LatencyBudget

_Share = Annotated[float, Field(ge=0, le=1)]


class TextBounds(Bounds):
    """Bounds on what transforms do to texts; shares of the words that may be changed. Steps that follow add up.

    Attributes:
        max_misspelt_share: of words with a slip.
        max_moved_share: of words that change places.
        max_deleted_share: of words that are left out.
        max_marks_ratio: punctuation marks put in, over the words.
        max_synonym_share: of words that give way to a synonym from a lexicon.
    """

    max_misspelt_share: _Share | None = None
    max_moved_share: _Share | None = None
    max_deleted_share: _Share | None = None
    max_marks_ratio: _Share | None = None
    max_synonym_share: _Share | None = None


class TextLimits(TextBounds, Limits):
    """The bounds of a domain of texts."""


class TextBudget(LatencyBudget):
    """What one text may cost, at (L,) bytes."""

    at: tuple[Annotated[int, Field(gt=0)]]
