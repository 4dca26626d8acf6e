"""The checks of augmented rows beside their originals: what moved, what was lost, and what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.closeness import (
    ROWS_AT_ONCE,
    copies_of_others,
    distance_to_closest_record,
    near_held_out_leakage,
    other_class_neighbours,
    other_group_neighbours,
)
from augment_ops.modalities.tabular.columns import summary
from augment_ops.modalities.tabular.constraint_checks import augmented_violations
from augment_ops.modalities.tabular.detectability import detectability
from augment_ops.modalities.tabular.schema import Rows, TableSchema, schema_of
from augment_ops.modalities.tabular.training_table import spread
from augment_ops.quality.composition import class_share, contents, group_share, over_augmentation
from augment_ops.quality.pairs import Pairs, identical
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import listed
from augment_ops.statistics import DEFAULT_BINNING, Counts, count, cuts, psi

_LEAST = 100  # rows that both columns of a correlation are known of: its standard error is 0.1 at most


def feature_skew(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Shift of the average of a number, in standard deviations of the originals, in the column where it is largest."""
    schema = _schema(pairs)
    apart = _means(pairs.augmented) - _means(pairs.originals)
    shifts = np.where(schema.is_number, apart / spread(schema, pairs.originals), 0)
    worst = int(np.abs(shifts).argmax())
    found = (
        f"augmentation moves the average of {schema.names[worst]!r} by {shifts[worst]:+.2f} standard deviations of "
        "the originals"
    )
    remedy = "narrow the ranges of the transforms that act on it"
    return judged("feature-skew", rule, abs(float(shifts[worst])), "standard deviations", found, remedy)


def distribution_shift(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Population stability index of a column between originals and augmented rows, in the column where it is largest.

    What an average does not show: values that are pressed together, spread, or no longer there. Bins, what chance adds
    and its source are those of drift (`augment_ops.statistics.psi`); what is missing has a bin, and each category.
    """
    schema = _schema(pairs)
    shifts = []
    for column in range(len(schema)):
        before, after = _counted(schema, column, pairs.originals[:, column], pairs.augmented[:, column])
        shifts.append(psi(before, after)[1])
    worst = int(np.argmax(shifts))
    found = f"the distribution of {schema.names[worst]!r} moves by a population stability index of {shifts[worst]:.3f}"
    remedy = "narrow the ranges of the transforms that act on it"
    return judged("distribution-shift", rule, shifts[worst], "index", found, remedy)


def correlation_change(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Largest change of a rank correlation (Spearman's) between two columns of numbers.

    Of pairs of columns that are known together in 100 rows or more; a column of one value is correlated with none.
    """
    schema = _schema(pairs)
    numbers = np.flatnonzero(schema.is_number)
    (before, rows), (after, others) = (
        _rank_correlations(rows[:, numbers]) for rows in (pairs.originals, pairs.augmented)
    )
    moved = np.where(np.minimum(rows, others) >= _LEAST, after - before, 0.0)
    found, measured = f"no two columns of numbers are known together in {_LEAST} rows", 0.0
    if (np.minimum(rows, others)[~np.eye(len(numbers), dtype=bool)] >= _LEAST).any():
        one, two = np.unravel_index(int(np.abs(moved).argmax()), moved.shape)
        measured = abs(float(moved[one, two]))
        names = [schema.names[numbers[place]] for place in (one, two)]
        found = (
            f"the rank correlation of {names[0]!r} and {names[1]!r} goes from {before[one, two]:+.2f} to "
            f"{after[one, two]:+.2f}"
        )
    remedy = "let the transforms that act on one of them act on both, or on neither"
    return judged("correlation-change", rule, measured, "correlation", found, remedy)


def newly_missing(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows that lack a value that their original has."""
    bad = np.asarray((np.isnan(pairs.augmented) & ~np.isnan(pairs.originals)).any(axis=1))
    remedy = "report it as a bug of the transform: none is to lose values"
    return pairs.share("missing-values", rule, bad, "lack a value that their original has", remedy)


def newly_constant(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Columns that hold one value after augmentation and several before."""
    schema = _schema(pairs)
    before, after = summary(schema, [pairs.originals]), summary(schema, [pairs.augmented])
    names = [schema.names[place] for place in np.flatnonzero(after.constant & ~before.constant)]
    named = f": {listed(names)}" if names else ""
    found = f"{len(names)} of {len(schema)} columns hold one value after augmentation{named}"
    return judged("constant-columns", rule, len(names), "columns", found, "weaken the transforms that act on them")


def beyond_originals(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows with a value that no original has anything like."""
    bad = np.asarray(summary(_schema(pairs), [pairs.originals]).outside(pairs.augmented).any(axis=1))
    what = "have a value beyond the range of the originals, or a category that none has"
    return pairs.share("out-of-training-range", rule, bad, what, "narrow the ranges of the transforms")


def held_out_leakage(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows that equal a row that the model will be measured on."""
    wanted = contents(pairs.augmented)
    found: set[bytes] = set()
    for start in range(0, len(pairs.held_out), ROWS_AT_ONCE):
        part = pairs.held_out.take(np.arange(start, min(start + ROWS_AT_ONCE, len(pairs.held_out))))
        found |= set(wanted).intersection(contents(part))
    bad = np.array([content in found for content in wanted], np.bool_)
    remedy = "find out how held-out rows got into training before anything is measured on them"
    return pairs.share("held-out-leakage", rule, bad, "equal a held-out row in every value", remedy)


def _counted(schema: TableSchema, column: int, *sides: NDArray[np.float64]) -> tuple[Counts, ...]:
    """Of each side, values (n,) of a column, the counts in the same bins; those of numbers come from the first side."""
    if schema.is_number[column]:
        found = cuts(sides[0], DEFAULT_BINNING)
        return tuple(count(side, found) for side in sides)
    most = len(schema.columns[column].categories)
    codes = [np.where(np.isnan(side), most + 1, np.where((side < 0) | (side >= most), most, side)) for side in sides]
    return tuple(np.bincount(side.astype(np.int64), minlength=most + 2) for side in codes)


def _rank_correlations(values: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each two columns of (N, C): the correlation of their ranks, (C, C), and in how many rows both are known.

    Ranks are those among the known values of a column. 0 where one of the two does not vary.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    ranks = np.zeros_like(values)
    for column in range(values.shape[1]):
        here = known[:, column]
        ranks[here, column] = rankdata(values[here, column]) / max(1, int(here.sum()))
    mask = known.astype(np.float64)
    rows = mask.T @ mask
    n = np.maximum(rows, 1)
    sums, products = ranks.T @ mask, ranks.T @ ranks  # of the first of both, where the second is known
    squares = np.square(ranks).T @ mask
    spread = np.maximum(squares / n - np.square(sums / n), 0)
    together = products / n - (sums / n) * (sums.T / n)
    norm = np.sqrt(spread * spread.T)
    return np.where(norm > 1e-12, together / np.where(norm > 1e-12, norm, 1), 0.0), rows.astype(np.int64)


def _means(rows: Rows) -> NDArray[np.float64]:
    known = ~np.isnan(rows)
    found: NDArray[np.float64] = np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return found


def _schema(pairs: Pairs) -> TableSchema:
    return schema_of(pairs.schema, pairs.originals.shape[1])


AUGMENTED: Mapping[str, Callable[[Pairs, Any], CheckResult]] = {
    "feature_skew": feature_skew,
    "missing_values": newly_missing,
    "constant_columns": newly_constant,
    "out_of_training_range": beyond_originals,
    "identical": identical,
    "held_out_leakage": held_out_leakage,
    "near_held_out_leakage": near_held_out_leakage,
    "distribution_shift": distribution_shift,
    "correlation_change": correlation_change,
    "other_class_neighbours": other_class_neighbours,
    "detectability": detectability,
    "distance_to_closest_record": distance_to_closest_record,
    "copies_of_others": copies_of_others,
    "class_share": class_share,
    "group_share": group_share,
    "other_group_neighbours": other_group_neighbours,
    "over_augmentation": over_augmentation,
    "constraint_violations": augmented_violations,
}
