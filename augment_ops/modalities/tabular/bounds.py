"""What a domain of tables may bound, and what a policy's budget is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augment_ops.policy.bounds import Bounds, Limits
from augment_ops.policy.spec import LatencyBudget


class TableBounds(Bounds):
    """Bounds on what transforms do to rows.

    Attributes:
        max_jitter_std: of the noise on a number, as a share of it; noises that follow each other add up as variances.
        max_mixed_share: of a row's columns that come from another row of its class (RowMix).
        max_resampled_columns: that come from another row of its class and bin (ConditionalBootstrap).
        min_copula_rows: of a class in the training split, for samples of it to become draws from a GaussianCopula.
    """

    max_jitter_std: Annotated[float, Field(ge=0)] | None = None
    max_mixed_share: Annotated[float, Field(ge=0, le=1)] | None = None
    max_resampled_columns: Annotated[int, Field(ge=0, strict=True)] | None = None
    min_copula_rows: Annotated[int, Field(ge=2, strict=True)] | None = None


class TableLimits(TableBounds, Limits):
    """The bounds of a domain of tables."""


class TableBudget(LatencyBudget):
    """What one row may cost, at (F,)."""

    at: tuple[Annotated[int, Field(gt=0)]]
