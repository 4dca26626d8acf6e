from __future__ import annotations

import numpy as np
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table
from augment_ops.modalities.tabular.transforms import jitter, normal, smote
from support.tables import SCHEMA, rows_of, training

AMOUNT, HOUR = 0, 1
NUMBERS = np.array([AMOUNT, HOUR])
TWO = TableSchema(
    (
        TableColumn(name="x", kind="number"),
        TableColumn(name="y", kind="number"),
        TableColumn(name="k", kind="category", categories=("a", "b")),
    )
)
WIDE = np.array([[-1e9] * 3, [1e9] * 3])


def keys_of(n: int) -> np.ndarray:
    return SampleIds.of(range(n)).words


def seen(rows: np.ndarray, schema: TableSchema = SCHEMA) -> TrainingTable:
    """A training split that holds these rows."""
    return training_table(schema, rows, np.zeros(len(rows), np.int64), [f"s{i}" for i in range(len(rows))])


def test_jitter_is_relative_with_the_spread_that_was_asked_for():
    rows = np.full((20_000, 3), 200.0)
    rows[:, 2] = 1
    out = jitter(seen(WIDE), rows, keys_of(len(rows)), 0, columns=np.array([AMOUNT]), std_range=(0.1, 0.1))
    assert abs(out[:, AMOUNT].std() / 200 - 0.1) < 0.002 and abs(out[:, AMOUNT].mean() / 200 - 1) < 0.003
    assert (out[:, 1:] == rows[:, 1:]).all()


def test_jitter_draws_its_spread_for_each_sample():
    columns = tuple(TableColumn(name=f"n{i}", kind="number") for i in range(400))
    rows = np.ones((200, 400))
    wide = seen(np.array([[-9.0] * 400, [9.0] * 400]), TableSchema(columns))
    out = jitter(wide, rows, keys_of(200), 0, columns=np.arange(400), std_range=(0.0, 0.2))
    spreads = np.sort(out.std(axis=1))
    assert spreads[10] < 0.03 and spreads[-10] > 0.17


def test_jitter_keeps_what_is_missing_zero_or_whole():
    rows = np.array([[np.nan, 13.0, 2.0], [0.0, 40.0, np.nan]])
    out = jitter(seen(WIDE), rows, keys_of(2), 0, columns=NUMBERS, std_range=(0.2, 0.2))
    assert np.isnan(out[0, AMOUNT]) and out[1, AMOUNT] == 0
    assert (out[:, HOUR] == np.rint(out[:, HOUR])).all() and (out[:, HOUR] != rows[:, HOUR]).any()
    assert np.isnan(out[1, 2]) and out[0, 2] == 2


def test_jitter_stays_within_what_the_column_has_held_and_goes_no_further_outside_it():
    rows = np.tile([[100.0, 13, 0], [500.0, 13, 0], [np.nan, 13, 0]], (2_000, 1))
    table = seen(np.array([[80.0, 0, 0], [110.0, 23, 0], [np.nan, 5, 0]]))
    out = jitter(table, rows, keys_of(len(rows)), 0, columns=NUMBERS, std_range=(0.2, 0.2))
    assert out[0::3, AMOUNT].min() == 80 and out[0::3, AMOUNT].max() == 110
    assert 80 < out[1::3, AMOUNT].min() < 500 and out[1::3, AMOUNT].max() == 500  # 500 is none that the split has
    assert out[:, HOUR].max() <= 23


def test_a_column_without_a_value_in_the_split_is_no_range():
    table = seen(np.array([[np.nan, 1, 0]]))
    out = jitter(table, np.array([[5.0, 1, 0]]), keys_of(1), 0, columns=np.array([AMOUNT]), std_range=(0.2, 0.2))
    assert out[0, AMOUNT] == 5


def test_no_number_changes_its_sign():
    rows = np.tile([1.0, 1.0, 0.0], (20_000, 1))
    out = jitter(seen(WIDE), rows, keys_of(len(rows)), 0, columns=np.array([AMOUNT]), std_range=(0.5, 0.5))
    assert out[:, AMOUNT].min() == 0 and (out[:, AMOUNT] == 0).any()


def test_a_transform_does_not_write_into_its_input():
    rows = rows_of(50)
    before = rows.copy()
    jitter(seen(WIDE), rows, keys_of(50), 0, columns=NUMBERS, std_range=(0.1, 0.2))
    assert np.array_equal(rows, before, equal_nan=True)


def test_normal_numbers_are_finite_and_normal():
    values = normal(keys_of(2_000), 3, 50)
    assert np.isfinite(values).all() and abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01


def test_smote_lies_between_a_sample_and_its_neighbour():
    rows = np.array([[0.0, 0.0, 0.0], [10.0, 20.0, 1.0]])
    table = training_table(TWO, rows, np.array([1, 1]), ["a", "b"])
    n = 2_000
    own = np.repeat(rows[:1], n, axis=0)
    out = smote(table, own, np.full((n, 1), 1), keys_of(n), 0)
    share = out[:, 0] / 10
    assert np.allclose(out[:, 1], 20 * share)  # on the line between the two
    assert abs(share.mean() - 0.5) < 0.02 and share.min() < 0.01 and share.max() > 0.99
    assert np.array_equal(out[:, 2], (share >= 0.5).astype(float))  # the category of the nearer of the two


def test_smote_leaves_a_number_that_either_lacks():
    rows = np.array([[1.0, np.nan, 0.0], [np.nan, 20.0, 1.0]])
    table = training_table(TWO, rows, np.array([1, 1]), ["a", "b"])
    out = smote(table, rows[:1], np.array([[1]]), keys_of(1), 0)
    assert out[0, 0] == 1 and np.isnan(out[0, 1])


@pytest.mark.parametrize("lacks", [0, 1])
def test_smote_leaves_a_category_that_either_lacks(lacks):
    rows = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 1.0]])
    rows[lacks, 2] = np.nan
    table = training_table(TWO, rows, np.array([1, 1]), ["a", "b"])
    out = smote(table, np.repeat(rows[:1], 100, axis=0), np.ones((100, 1), np.int64), keys_of(100), 0)
    assert np.array_equal(out[:, 2], np.full(100, rows[0, 2]), equal_nan=True)


def test_every_neighbour_is_chosen():
    rows = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]])
    table = training_table(TWO, rows, np.array([1] * 4), list("abcd"))
    out = smote(table, np.zeros((3_000, 3)), np.tile([1, 2, 3], (3_000, 1)), keys_of(3_000), 0)
    # Towards 3 a share above 2/3 of a third; none of the others leads beyond 2.
    assert 0.09 < (out[:, 0] > 2).mean() < 0.14


def test_the_digest_of_a_training_split_covers_rows_labels_ids_and_schema():
    table = training()
    rows, labels = table.rows.copy(), table.labels.copy()
    rows[0, 0], labels[1] = 5, 1 - labels[1]
    other = TableSchema((*SCHEMA.columns[:2], TableColumn(name="kind", kind="category", categories=("card", "cash"))))
    found = {
        table.digest,
        training_table(SCHEMA, rows, table.labels, table.ids).digest,
        training_table(SCHEMA, table.rows, labels, table.ids).digest,
        training_table(SCHEMA, table.rows, table.labels, [*table.ids[:-1], "x"]).digest,
        training_table(other, table.rows, table.labels, table.ids).digest,
    }
    assert len(found) == 5


def test_places_are_found_by_id_alone():
    table = training(100)
    assert table.places(SampleIds.of(["t7", "nobody", "t99", "t0"])).tolist() == [7, -1, 99, 0]


def test_two_rows_of_one_id_are_refused():
    table = training(3)
    with pytest.raises(TransformError, match="'a' more than once"):
        training_table(SCHEMA, table.rows, table.labels, ["b", "a", "a"]).places(SampleIds.of(["b"]))
