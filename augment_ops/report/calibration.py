"""How right a model is where it is how sure: the rows behind a reliability diagram. No markup here."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.report.stress_summary import share_range
from augment_ops.stress.cell_detail import CalibrationBin, CellDetail
from augment_ops.stress.measures import CALIBRATION_BINS


@dataclass(frozen=True, kw_only=True)
class Reliable:
    """What there is of one cell in one bin.

    Attributes:
        confidence: mean of the predictions; right: share of them that is right, with its 95% interval (Wilson).
    """

    n: int
    confidence: float
    right: float
    low: float
    high: float


@dataclass(frozen=True)
class ReliabilityRow:
    """A bin by its bounds, and what each cell has in it; None where it has nothing."""

    low: float
    high: float
    cells: tuple[Reliable | None, ...]


def reliability(*cells: CellDetail) -> tuple[ReliabilityRow, ...]:
    """The bins in which any of the cells has a prediction, the lowest first."""
    found = [{round(one.low * CALIBRATION_BINS): one for one in cell.bins} for cell in cells]
    return tuple(
        ReliabilityRow(
            place / CALIBRATION_BINS,
            (place + 1) / CALIBRATION_BINS,
            tuple(_reliable(of_cell.get(place)) for of_cell in found),
        )
        for place in sorted({place for of_cell in found for place in of_cell})
    )


def _reliable(one: CalibrationBin | None) -> Reliable | None:
    if one is None:
        return None
    low, high = share_range(one.right / one.n, one.n)
    return Reliable(n=one.n, confidence=one.confidence, right=one.right / one.n, low=low, high=high)
