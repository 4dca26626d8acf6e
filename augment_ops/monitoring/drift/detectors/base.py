"""What every detector takes and gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Values = NDArray[Any]
MISSING = "missing"


@dataclass(frozen=True)
class Bin:
    """One bin and the share of each side in it, 0 to 1."""

    label: str
    reference_share: float
    window_share: float


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Two samples compared; not yet judged.

    Attributes:
        statistic: in the method's own terms; NaN where it could not be computed.
        effect: size of the change, 0 or more, as far as possible without what chance adds; limits apply to it.
        p_value: probability of a statistic this extreme without any change; NaN where it could not be computed.
        n_reference, n_window: samples that were looked at; missing values count where the method counts them.
        bins: shares of both sides, where the method has bins.
        low, high: 95% interval of `statistic`, where the method has one.
    """

    statistic: float
    effect: float
    p_value: float
    n_reference: int
    n_window: int
    bins: tuple[Bin, ...] = ()
    low: float | None = None
    high: float | None = None


class Detector(Protocol):
    """Compares two samples of one column (N,), or of vectors (N, D).

    Never raises for what the samples hold: empty, entirely missing or infinite ones give a measurement too.
    """

    def measure(self, reference: Values, window: Values) -> Measurement:
        """How far the window is from the reference."""


def nothing(n_reference: int, n_window: int) -> Measurement:
    """The measurement of a side without any sample."""
    return Measurement(
        statistic=math.nan, effect=math.nan, p_value=math.nan, n_reference=n_reference, n_window=n_window
    )
