"""Which classes are taken for which, clean beside stressed; bounded, however many classes there are. No markup here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.report.stress_summary import share_range
from augment_ops.stress.cell_detail import CellDetail

_WHOLE_UP_TO = 20  # classes of a matrix that is shown whole; above, those with the most mistakes alone
_SHOWN = 12  # of more classes


@dataclass(frozen=True, kw_only=True)
class Confused:
    """One class taken for another, of all samples of the true one.

    Attributes:
        clean, stressed: samples; clean_share, stressed_share: of the true class, 0 to 1.
        low, high: 95% interval of `stressed_share` (Wilson).
    """

    actual: str
    taken_for: str
    clean: int
    clean_share: float
    stressed: int
    stressed_share: float
    low: float
    high: float


@dataclass(frozen=True)
class Matrix:
    """Rows true class, columns predicted.

    Attributes:
        rows: name, and for each column samples and share of the row, 0 to 1.
        columns: names; the last is `others` where not all classes are shown.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]


def confused(classes: Sequence[str], clean: CellDetail, stressed: CellDetail, most: int) -> tuple[Confused, ...]:
    """The confusions that are most frequent under stress, by samples; at most so many."""
    before = {(actual, taken): n for actual, taken, n in clean.taken}
    wrong = sorted((x for x in stressed.taken if x[0] != x[1]), key=lambda x: (-x[2], x[0], x[1]))[:most]
    found = []
    for actual, taken, n in wrong:
        share, untouched = n / stressed.class_n[actual], before.get((actual, taken), 0)
        low, high = share_range(share, stressed.class_n[actual])
        found.append(
            Confused(
                actual=classes[actual],
                taken_for=classes[taken],
                clean=untouched,
                clean_share=untouched / clean.class_n[actual],
                stressed=n,
                stressed_share=share,
                low=low,
                high=high,
            )
        )
    return tuple(found)


def matrices(classes: Sequence[str], *cells: CellDetail) -> tuple[Matrix, ...]:
    """One a cell, all of the same classes: every class, or of many those with the most mistakes in the last cell."""
    shown = list(range(len(classes)))
    if len(classes) > _WHOLE_UP_TO:
        mistakes: Counter[int] = Counter()
        for actual, taken, n in cells[-1].taken:
            if actual != taken:
                mistakes[actual] += n
                mistakes[taken] += n
        shown = sorted(sorted(shown, key=lambda k: (-mistakes[k], k))[:_SHOWN])
    return tuple(_matrix(classes, shown, cell) for cell in cells)


def _matrix(classes: Sequence[str], shown: list[int], cell: CellDetail) -> Matrix:
    counts = {(actual, taken): n for actual, taken, n in cell.taken}
    whole = len(shown) == len(classes)
    rows = []
    for actual in shown:
        row = [counts.get((actual, taken), 0) for taken in shown]
        row += [] if whole else [cell.class_n[actual] - sum(row)]
        rows.append((classes[actual], tuple((n, n / max(cell.class_n[actual], 1)) for n in row)))
    return Matrix((*(classes[k] for k in shown), *(() if whole else ("others",))), tuple(rows))
