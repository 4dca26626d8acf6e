"""The tally of the rows of one file of comparisons, and of the labels that have come for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.tally import DIFFERENCES, EDGES, PROBABILITIES, SIDES, Counts, Tally

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows that the rules can have made, as arrays of N.

    Attributes:
        pair: whether the champion answered and the challenger was asked as well.
        by: side that answered: 0 or 1.
    """

    table: pa.Table
    step: NDArray[np.int64]
    pair: Flags
    by: NDArray[np.int64]
    first: Flags

    def answered(self, side: int) -> Flags:
        return _flags(pc.is_valid(self.table.column(f"{SIDES[side]}_prediction")))

    def numbers(self, side: int, what: str) -> NDArray[np.float64]:
        """NaN where there is none."""
        return np.asarray(self.table.column(f"{SIDES[side]}_{what}").to_numpy(), np.float64)

    def evidence(self, side: int) -> Flags:
        """Rows that say something of a side: what answers in place of a challenger that failed does not."""
        return np.asarray(self.pair | (self.by == side))


def tally(rules: RolloutRules, table: pa.Table) -> Tally:
    """Count the rows of a file.

    Args:
        table: as `ComparisonLog.read` gives it.
    """
    rows, odd = _rows(rules, table)
    steps = len(rules.steps)
    return replace(
        Tally.nothing(steps),
        asked=np.bincount(rows.step[rows.evidence(1)], minlength=steps),
        failed_pairs=_failed_pairs(rows, steps),
        failed_sides=_failed_sides(rows, steps),
        latency=_latency(rows, steps),
        agreement=_agreement(rows),
        confidence_pairs=_confidence_pairs(rows),
        confidence_sides=_confidence_sides(rows, steps),
        odd=odd,
    )


def tally_labels(rules: RolloutRules, table: pa.Table, labels: Mapping[str, str]) -> Tally:
    """Count what was right, of the samples whose labels have come: added to what `tally` counts of the same rows.

    Args:
        labels: sample id → class.
    """
    rows, _ = _rows(rules, table)
    label = pa.array([labels.get(one) for one in rows.table.column("sample_id").to_pylist()], pa.string())
    known = _flags(pc.is_valid(label))
    right = [_flags(pc.equal(rows.table.column(f"{side}_prediction"), label).fill_null(False)) for side in SIDES]
    both = known & rows.pair & rows.answered(0) & rows.answered(1)
    steps = len(rules.steps)
    sides = [known & ~rows.pair & (rows.by == side) & rows.answered(side) for side in (0, 1)]
    places = [(rows.step * 2 + side) * 2 + right[side] for side in (0, 1)]
    return replace(
        Tally.nothing(steps),
        right_pairs=_by_class(label, both, right[1] + 2 * right[0], (4,)),
        right_sides=_by_class(label, sides[0] | sides[1], np.where(sides[0], *places), (steps, 2, 2)),
    )


def _rows(rules: RolloutRules, table: pa.Table) -> tuple[_Rows, int]:
    """The rows that count, and how many do not."""
    step = table.column("step").to_numpy().astype(np.int64)
    shadow = np.array([one.shadow for one in rules.steps])
    arm = {name: _flags(pc.equal(table.column("arm"), name)) for name in (*SIDES, "shadow")}
    known = step < len(shadow)
    in_shadow = shadow[np.minimum(step, len(shadow) - 1)]
    # Where the challenger shadows some requests, those that it does not are no part of the comparison.
    possible = known & np.where(in_shadow, arm["shadow"] | arm["champion"], arm["champion"] | arm["challenger"])
    counted = possible & ~(in_shadow & arm["champion"])
    rows = _Rows(
        table=table.filter(pa.array(counted)),
        step=step[counted],
        pair=arm["shadow"][counted],
        by=arm["challenger"][counted].astype(np.int64),
        first=_flags(table.column("first"))[counted],
    )
    return rows, int(np.count_nonzero(~possible))


def _failed_pairs(rows: _Rows, steps: int) -> Counts:
    requests = rows.first & rows.pair
    more = rows.answered(0).astype(np.int64) - rows.answered(1)
    return _counted((rows.step * 3 + more + 1)[requests], (steps, 3))


def _failed_sides(rows: _Rows, steps: int) -> Counts:
    requests = rows.first & ~rows.pair
    failed = ~np.where(rows.by == 0, rows.answered(0), rows.answered(1))
    return _counted(((rows.step * 2 + rows.by) * 2 + failed)[requests], (steps, 2, 2))


def _latency(rows: _Rows, steps: int) -> Counts:
    shape = (steps, 2, len(EDGES) + 1)
    found = np.zeros(shape, np.int64)
    for side in (0, 1):
        requests = rows.first & rows.evidence(side) & rows.answered(side)
        place = np.searchsorted(EDGES, rows.numbers(side, "seconds")[requests])
        found += _counted((rows.step[requests] * 2 + side) * shape[2] + place, shape)
    return found


def _agreement(rows: _Rows) -> dict[str, Counts]:
    named = rows.table.column("champion_prediction")
    same = _flags(pc.equal(named, rows.table.column("challenger_prediction")).fill_null(False))
    return _by_class(named, rows.pair & rows.answered(0) & rows.answered(1), same.astype(np.int64), (2,))


def _confidence_pairs(rows: _Rows) -> Counts:
    both = rows.pair & rows.answered(0) & rows.answered(1)
    difference = (rows.numbers(1, "confidence") - rows.numbers(0, "confidence"))[both]
    return _counted(_nearest(difference, DIFFERENCES), (len(DIFFERENCES),))


def _confidence_sides(rows: _Rows, steps: int) -> Counts:
    shape = (steps, 2, len(PROBABILITIES))
    found = np.zeros(shape, np.int64)
    for side in (0, 1):
        alone = ~rows.pair & (rows.by == side) & rows.answered(side)
        place = _nearest(rows.numbers(side, "confidence")[alone], PROBABILITIES)
        found += _counted((rows.step[alone] * 2 + side) * shape[2] + place, shape)
    return found


def _by_class(names: Any, where: Flags, place: NDArray[np.int64], shape: tuple[int, ...]) -> dict[str, Counts]:
    """Counts of places by class, of the rows where they are to be counted."""
    array = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    encoded = array.filter(pa.array(where)).dictionary_encode()
    classes = encoded.dictionary.to_pylist()
    size = int(np.prod(shape))
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    counts = _counted(codes * size + place[where], (len(classes), *shape))
    return {name: counts[code] for code, name in sorted(enumerate(classes), key=lambda one: one[1])}


def _nearest(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(np.rint((values - grid[0]) / (grid[1] - grid[0])), np.int64)


def _counted(places: NDArray[np.int64], shape: tuple[int, ...]) -> Counts:
    found: Counts = np.bincount(places, minlength=int(np.prod(shape))).reshape(shape)
    return found


def _flags(column: pa.ChunkedArray | pa.Array) -> Flags:
    values = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    return np.asarray(values, bool)
