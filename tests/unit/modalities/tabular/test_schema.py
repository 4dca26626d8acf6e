"""Numbers with a counted number of decimals keep it, whatever is made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.modalities.tabular.reading import ColumnSurvey
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema, rounded, to_decimals
from augment_ops.modalities.tabular.training_table import training_table
from augment_ops.modalities.tabular.transforms import jitter

VALUES = np.round(np.random.default_rng(0).lognormal(5, 2, 10_000), 2)


def column_of(*parts: pd.Series) -> TableColumn:
    survey = ColumnSurvey()
    for part in parts:
        survey.look(part)
    return survey.column("amount", "a.csv", category=False)


@pytest.mark.parametrize(
    ("cells", "decimals"),
    [
        (pd.Series(VALUES), 2),
        (pd.Series([f"{value:.2f}" for value in VALUES], dtype=object), 2),
        (pd.Series(np.round(VALUES / 3, 4)), 4),
        (pd.Series(VALUES * 5 + 0.1), 2),  # products and sums of money are money, their last bits aside
        (pd.Series(VALUES / 3), None),  # what is divided has no last digit
        (pd.Series(np.rint(VALUES)), None),  # whole, which says it already
        (pd.Series([np.nan, 1e99, 0.5]), 1),
    ],
)
def test_decimals_are_counted_up_to_those_of_money(cells: pd.Series, decimals: int | None) -> None:
    assert column_of(cells).decimals == decimals
    assert column_of(cells[:3], cells[3:]).decimals == decimals


def test_jittered_money_stays_money() -> None:
    schema = TableSchema((TableColumn(name="amount", kind="number", decimals=2), TableColumn(name="b", kind="number")))
    rows, columns = np.stack([VALUES, VALUES], axis=1), np.array([0, 1])
    keys = SampleIds.of(range(len(rows))).words
    labels = np.arange(len(rows)) % 2
    table = training_table(schema, rows, labels, tuple(map(str, range(len(rows)))))
    out = jitter(table, rows, keys, 0, columns=columns, std_range=(0.05, 0.1))
    assert np.array_equal(np.round(out[:, 0], 2), out[:, 0]) and (out[:, 0] != VALUES).mean() > 0.95
    assert (np.round(out[:, 1], 2) != out[:, 1]).mean() > 0.9


def test_numbers_that_are_missing_or_beyond_all_decimals_stay() -> None:
    values = np.array([np.nan, 1e308, -1e17, 1.005])
    assert np.array_equal(to_decimals(values, 2), [np.nan, 1e308, -1e17, 1.0], equal_nan=True)
    schema = TableSchema((TableColumn(name="amount", kind="number", decimals=2),))
    assert np.isnan(rounded(schema, np.array([[np.nan]]), np.array([0])))


def test_a_schema_of_before_is_read_and_one_without_money_is_written_as_before() -> None:
    before = {"columns": [{"name": "a", "kind": "number", "whole": False, "categories": []}]}
    assert TableSchema.of(before).content() == before
    money = TableSchema((TableColumn(name="a", kind="number", decimals=2),))
    assert TableSchema.of(money.content()) == money and money.content() != before
