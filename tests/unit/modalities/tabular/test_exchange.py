from __future__ import annotations

import numpy as np
import pytest

from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table
from augment_ops.policy.spec import Policy

HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: Rows for tests.
budget: {p95_ms: 1.0, at: [10]}
transforms: """
WIDTH = 10
SCHEMA = TableSchema(tuple(TableColumn(name=f"n{i}", kind="number") for i in range(WIDTH)))
GIVEN = TableSchema(
    (
        TableColumn(name="amount", kind="number"),
        TableColumn(name="count", kind="number", whole=True),
        TableColumn(name="kind", kind="category", categories=("card", "cash", "transfer")),
    )
)


def numbered(n: int, rare: int) -> TrainingTable:
    """Each cell says which row it is of."""
    rows = np.repeat(np.arange(n, dtype=np.float64)[:, None], WIDTH, axis=1)
    return training_table(SCHEMA, rows, (np.arange(n) < rare).astype(np.int64), [f"r{i}" for i in range(n)])


def augmented(steps: str, table: TrainingTable, rows: np.ndarray | None = None, epoch: int = 0) -> np.ndarray:
    augment = TableAugmenter(Policy.from_text(HEAD + steps), 7, table)
    return augment(table.rows if rows is None else rows, table.ids, epoch)


def test_a_mixed_row_has_a_share_of_its_columns_from_one_other_row_of_its_class():
    table = numbered(1_000, 400)
    out = augmented("[RowMix: {share_range: [0.2, 0.5], p: 1.0}]", table)
    counts = np.zeros(WIDTH + 1, np.int64)
    for row in range(400):
        others = np.unique(out[row][out[row] != row])
        assert len(others) == 1 and 0 <= others[0] < 400
        counts[(out[row] != row).sum()] += 1
    assert (
        set(np.flatnonzero(counts)) == {2, 3, 4, 5} and counts[3:5].min() > 90
    )  # 2 and 5 are rounded from half as much
    # Each column as often, and partners from all of the class.
    assert np.ptp((out[:400] != table.rows[:400]).mean(axis=0)) < 0.12
    assert len(np.unique(out[:400])) > 0.9 * 400


def test_a_share_of_nearly_nothing_is_one_column_and_of_columns_that_are_named_no_other_is_taken():
    table = numbered(100, 40)
    out = augmented("[RowMix: {share_range: [0.0, 0.01], columns: [n2, n7], p: 1.0}]", table)
    taken = out[:40] != table.rows[:40]
    assert (taken.sum(axis=1) == 1).all() and set(np.flatnonzero(taken.any(axis=0))) == {2, 7}


def conditional() -> TrainingTable:
    """Amounts by kind: a hundred cards below 100, two hundred in cash of 100 to 300, and one transfer."""
    kind = np.repeat([0.0, 1.0, 2.0], [100, 200, 1])
    amount = np.arange(301, dtype=np.float64)
    rows = np.stack([amount, amount, kind], axis=1)
    rows = np.concatenate([rows, [[7_000.0, 7_000.0, 0.0]] * 400])  # the other class
    labels = np.repeat([1, 0], [301, 400])
    return training_table(GIVEN, rows, labels, [f"r{i}" for i in range(701)])


def test_columns_are_resampled_together_from_the_class_and_category_of_the_row():
    table = conditional()
    steps = "[ConditionalBootstrap: {columns: [amount, count], given: kind, p: 1.0}]"
    out = np.concatenate([augmented(steps, table, epoch=epoch)[:301] for epoch in range(20)])
    assert (out[:, 0] == out[:, 1]).all() and (out[:, 2] == np.tile(table.rows[:301, 2], 20)).all()
    for kind, low, high in ((0, 0, 99), (1, 100, 299), (2, 300, 300)):
        drawn = out[out[:, 2] == kind, 0]
        assert (drawn.min(), drawn.max()) == (low, high)
        assert len(np.unique(drawn)) == high - low + 1
        assert abs(drawn.mean() - (low + high) / 2) <= (high - low) / 20


@pytest.mark.parametrize("bins", [1, 3])
def test_numbers_are_in_bins_of_as_many_rows_of_the_class(bins):
    table = conditional()
    steps = f"[ConditionalBootstrap: {{columns: [amount], given: count, bins: {bins}, p: 1.0}}]"
    moved = np.abs(augmented(steps, table)[:301, 0] - table.rows[:301, 0])
    assert 0.8 * 301 / bins < moved.max() <= 301 / bins + 1


def test_what_is_missing_is_a_bin_and_a_category_that_the_class_never_had_changes_nothing():
    table = conditional()
    rows = table.rows.copy()
    rows[:50, 2] = np.nan
    table = training_table(GIVEN, rows, table.labels, table.ids)
    asked = rows.copy()
    asked[60], asked[61] = [60.5, 60, -1], [61.5, 61, 5]  # unknown when the rows are read, and beyond the schema
    out = augmented("[ConditionalBootstrap: {columns: [amount], given: kind, p: 1.0}]", table, asked)
    assert out[:50, 0].max() < 50 and len(np.unique(out[:50, 0])) > 20
    assert out[60, 0] == 60.5 and out[61, 0] == 61.5
    assert out[50:60, 0].min() >= 50


def test_a_column_without_a_value_in_the_class_is_one_bin():
    table = conditional()
    rows = table.rows.copy()
    rows[:301, 1] = np.nan
    table = training_table(GIVEN, rows, table.labels, table.ids)
    out = augmented("[ConditionalBootstrap: {columns: [amount], given: count, p: 1.0}]", table)
    assert len(np.unique(out[:301, 0])) > 150 and out[:301, 0].max() <= 300
