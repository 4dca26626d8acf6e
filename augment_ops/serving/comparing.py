"""Comparisons of two versions on their way to the log of their rollout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from augment_ops.rollout.comparisons import Comparison, ComparisonLog
from augment_ops.serving.background import Background

_ROW = 256  # bytes that a sample's row takes while it waits, by and large


@dataclass(frozen=True, eq=False)
class Compared:
    """One request of a rollout."""

    rollout: str
    comparison: Comparison

    @property
    def nbytes(self) -> int:
        """Memory that it takes while it waits."""
        return _ROW * self.size

    @property
    def size(self) -> int:
        """Samples of it."""
        return len(self.comparison.ids)

    @property
    def group(self) -> str:
        """The rollout."""
        return self.rollout


def comparer(
    uri: str, dataset: str, *, most: int, flush_s: float, lost: Callable[[int, str], None]
) -> Background[Compared]:
    """What writes the comparisons of a data set's rollouts.

    Args:
        uri: of the logs.
        most: bytes that may wait; flush_s: after which what waits is written.
        lost: called with how many samples were lost, and why.
    """

    def write(group: list[Compared]) -> None:
        log = ComparisonLog(uri, dataset, group[0].rollout)
        log.write([one.comparison for one in group])

    return Background("comparisons", write, most=most, flush_s=flush_s, lost=lost)
