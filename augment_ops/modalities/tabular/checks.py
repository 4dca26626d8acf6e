"""The checks of tables before augmentation: missing values, columns that say nothing, range, time, leakage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.source import UNUSED
from augment_ops.modalities.tabular.augmented_checks import AUGMENTED
from augment_ops.modalities.tabular.check_rules import AugmentedTableRules, TableDataRules
from augment_ops.modalities.tabular.columns import ColumnSummary, summary
from augment_ops.modalities.tabular.constraint_checks import constraint_violations
from augment_ops.modalities.tabular.schema import Rows, TableSchema, schema_of
from augment_ops.quality import duplicates, neutral
from augment_ops.quality.checks import Checks
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import CheckedSamples, ids, listed

_ROWS_AT_ONCE = 100_000  # of 20 columns, 16 MB


def missing_values(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the training rows without a value in the column that lacks most."""
    schema, train = _schema(samples), samples.once(_of_train)
    measured, found = _worst(schema, train.missing_share, "has no value in {share:.1%} of the training rows")
    remedy = "find out since when the source lacks it; leave the column out (--columns ignore=…) if it cannot be had"
    return judged("missing-values", rule, measured, "share", found, remedy)


def constant_columns(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Columns that have one value in all training rows, or none."""
    schema, train = _schema(samples), samples.once(_of_train)
    names = [schema.names[place] for place in np.flatnonzero(train.constant)]
    found = f"{len(names)} of {len(schema)} columns hold one value in train{': ' if names else ''}{listed(names)}"
    remedy = "leave them out (--columns ignore=…): a model cannot learn from them, and any other value breaks it"
    measured = len(names) if train.rows else np.nan
    return judged("constant-columns", rule, measured, "columns", found, remedy)


def out_of_training_range(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the test rows with a value that train has nothing like, in the column where it is largest."""
    schema, train = _schema(samples), samples.once(_of_train)
    outside, rows = np.zeros(len(schema), np.int64), 0
    for part in _parts(samples, "test"):
        outside, rows = outside + train.outside(part).sum(axis=0), rows + len(part)
    shares = outside / rows if rows else np.full(len(schema), np.nan)
    what = "is beyond the range, or of a category, that train has in {share:.1%} of the test rows"
    measured, found = _worst(schema, shares, what)
    remedy = "look whether the column's meaning changed (unit, code book), or train on a longer time"
    return judged("out-of-training-range", rule, measured, "share", found, remedy)


def time_order(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the rows of train and validation that are not earlier than every row of a split after theirs."""
    import pandas as pd

    usable = samples.usable[samples.usable["time"].notna()]
    split, time = usable["split"], usable["time"]
    bad = pd.concat(
        [
            usable[(split == earlier) & (time >= time[split.isin(later)].min())]
            for earlier, later in (("train", ("validation", "test")), ("validation", ("test",)))
        ]
    )
    seen = int((split != "test").sum())
    found = f"{len(bad)} of {seen} rows of train and validation are as late as a row of a later split, or later"
    if usable.empty:
        found = "the table names no time, so none was found out of order"
    remedy = "split by time: a model that is trained on later rows knows what it could not have known"
    measured = len(bad) / seen if seen else 0.0
    return judged("time-order", rule, measured, "share", found, remedy, ids(bad))


def subjects_seen_before(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the subjects of test that train has rows of: where time decides the split, a measure and no fault."""
    usable = samples.usable
    named = usable[usable["subject"].notna() & (usable["subject"] != "")]
    seen = set(named.loc[named["split"] == "train", "subject"])
    tested = named[named["split"] == "test"]
    subjects = set(tested["subject"])
    both = subjects & seen
    found = f"{len(both)} of {len(subjects)} subjects of test have rows in train too"
    if not subjects:
        found = "the table names no subjects, so none was found in train and test"
    unused = int((samples.index["split"] == UNUSED).sum())
    if unused:
        found += f"; {unused} of {len(samples.index)} rows are in no split"
    remedy = "read what is measured as for known subjects; split by subject to measure it for new ones"
    measured = len(both) / len(subjects) if subjects else 0.0
    return judged("subjects-seen-before", rule, measured, "share", found, remedy)


def target_leakage(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Columns of which each alone tells every class of train from the others, by its range or its categories."""
    usable = samples.usable
    train = usable[usable["split"] == "train"]
    classes = [
        summary(_schema(samples), _taken(samples, rows.to_numpy(np.int64))) for _, rows in train.groupby("label")["row"]
    ]
    pairs = [one.apart(other) for one, other in combinations(classes, 2)]
    names = [_schema(samples).names[place] for place in np.flatnonzero(np.all(pairs, axis=0))] if pairs else []
    found = f"{len(names)} columns tell the classes of train by themselves{': ' if names else ''}{listed(names)}"
    if not pairs:
        found = "train has fewer than two classes"
    remedy = "find out when the column is known: what is written with the label, or after it, is to be left out"
    return judged("target-leakage", rule, len(names) if pairs else np.nan, "columns", found, remedy)


def _of_train(samples: CheckedSamples) -> ColumnSummary:
    return summary(_schema(samples), _parts(samples, "train"))


def _parts(samples: CheckedSamples, split: str) -> Iterator[Rows]:
    usable = samples.usable
    return _taken(samples, usable.loc[usable["split"] == split, "row"].to_numpy(np.int64))


def _taken(samples: CheckedSamples, rows: NDArray[np.int64]) -> Iterator[Rows]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield samples.payload.take(rows[start : start + _ROWS_AT_ONCE])


def _schema(samples: CheckedSamples) -> TableSchema:
    return schema_of(samples.schema, samples.payload.shape[0])


def _worst(schema: TableSchema, shares: NDArray[np.float64], what: str) -> tuple[float, str]:
    if np.isnan(shares).any():
        return np.nan, "there are no rows to look at"
    column = int(shares.argmax())
    return float(shares[column]), f"column {schema.names[column]!r} {what.format(share=shares[column])}"


CHECKS = Checks(
    data_rules=TableDataRules,
    data={
        "unreadable": neutral.unreadable,
        "label_range": neutral.label_range,
        "label_conflict": duplicates.label_conflict,
        "missing_values": missing_values,
        "constant_columns": constant_columns,
        "out_of_training_range": out_of_training_range,
        "exact_duplicates_within_split": duplicates.exact_within,
        "exact_duplicates_between_splits": duplicates.exact_between,
        "out_of_scope_conflict": duplicates.out_of_scope,
        "time_order": time_order,
        "subjects_seen_before": subjects_seen_before,
        "missing_class": neutral.missing_class,
        "class_balance": neutral.balance,
        "train_samples_per_class": neutral.train_size,
        "test_samples_per_class": neutral.test_size,
        "target_leakage": target_leakage,
        "constraint_violations": constraint_violations,
    },
    augmented_rules=AugmentedTableRules,
    augmented=AUGMENTED,
    contents="values",
    records="rows",
    compared=20_000,  # a row is small: shares to a quarter of a percent, in some 3 MB
    of_each_class=1_000,
)
