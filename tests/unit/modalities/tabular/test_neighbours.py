from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.modalities.tabular.neighbours import neighbour_tree
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import training_table
from support.tables import training

TWO = TableSchema(
    (
        TableColumn(name="x", kind="number"),
        TableColumn(name="y", kind="number"),
        TableColumn(name="k", kind="category", categories=("a", "b")),
    )
)


def by_hand(rows: np.ndarray, unit: np.ndarray, is_number: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every distance measured, in plain NumPy: those of the nearest, and which they are."""
    scaled = rows / unit
    a, b = scaled[:, None], scaled[None]
    known = ~(np.isnan(a) | np.isnan(b))
    apart = np.where(known, np.where(is_number, np.square(a - b), a != b), 0).cumsum(axis=2)[..., -1]
    counted = known.sum(axis=2)
    apart = np.where(counted > 0, apart * rows.shape[1] / np.maximum(counted, 1), np.finfo(np.float64).max)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(apart, nearest, axis=1)), nearest


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 700), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.7]), st.integers(1, 9))
def test_neighbours_are_those_of_all_distances(n, seed, missing, k):
    draw = np.random.default_rng(seed)
    rows = np.stack(
        [draw.lognormal(3, 2, n), draw.integers(0, 3, n), draw.integers(0, 4, n), draw.normal(size=n)], axis=1
    )
    rows = rows[draw.integers(0, max(2, n // 2), n)]  # ties
    rows[draw.random(rows.shape) < missing] = np.nan
    unit, is_number = np.array([3.0, 0.5, 1.0, 1.0]), np.array([True, True, False, True])
    tree = neighbour_tree(rows, np.arange(n), unit, is_number)
    apart, found = tree.nearest(rows, np.arange(n), min(k, n - 1))
    wanted, places = by_hand(rows, unit, is_number, min(k, n - 1))
    assert np.array_equal(found, places) and apart == pytest.approx(wanted, rel=1e-12)


def test_whatever_the_number_of_rows_a_search_looks_at_few_of_them():
    """All distances of as many rows take a minute, and those of the rows that are the same 20 seconds."""
    rows = np.random.default_rng(0).normal(size=(90_000, 3))
    rows[:60_000] = rows[0]  # the same row again and again: one part that cannot be halved
    tree = neighbour_tree(rows, np.arange(90_000), np.ones(3), np.ones(3, bool))
    tree.nearest(rows[:1], np.array([0]), 1)
    started = time.process_time()
    _, found = tree.nearest(rows, np.arange(90_000), 2)
    assert time.process_time() - started < 5
    assert found[:3].tolist() == [[1, 2], [0, 2], [0, 1]] and found[59_999].tolist() == [0, 1]


def test_rows_are_told_apart_whose_squares_are_beyond_all_numbers():
    rows = np.where(np.arange(300) % 2 == 1, 1e200, 0.0)[:, None]
    tree = neighbour_tree(rows, np.arange(300), np.ones(1), np.ones(1, bool))
    _, found = tree.nearest(rows, np.arange(300), 2)
    assert found[:4].tolist() == [[2, 4], [3, 5], [0, 4], [1, 5]]


def test_neighbours_are_the_nearest_of_the_class_and_never_the_sample_itself():
    rows = np.array([[0.0, 0, 0], [1.0, 0, 0], [5.0, 0, 0], [0.1, 0, 0], [0.0, 0, 0]])
    table = training_table(TWO, rows, np.array([1, 1, 1, 0, 1]), list("abcde"))
    members, near = table.neighbours(1, 2)
    assert members.tolist() == [0, 1, 2, 4]
    assert near.tolist() == [[4, 1], [0, 4], [1, 0], [0, 1]]


def test_a_category_that_differs_counts_as_much_as_a_standard_deviation():
    spread = np.array([0.0, 1.0, 2.0, 3.0, 4.0]).std()
    rows = np.array([[0.0, 0, 0], [0.9 * spread, 0, 0], [0.0, 0, 1], [1.1 * spread, 0, 0], [4.0, 0, 0]])
    table = training_table(TWO, rows, np.ones(5, np.int64), list("abcde"))
    unit = rows[:, 0].std()
    assert abs(unit - spread) < 0.2 * spread
    order = table.neighbours(1, 3)[1][0].tolist()
    nearer = sorted([(0.9 * spread / unit, 1), (1.0, 2), (1.1 * spread / unit, 3)])
    assert order == [row for _, row in nearer]


@pytest.mark.parametrize(
    ("rows", "near"),
    [
        ([[0.0, 0, 0], [np.nan, 0, 0], [3.0, 0, 0], [0, 9.0, 0]], [1]),  # a missing cell is left out
        ([[0.0, np.nan, np.nan], [np.nan, 1.0, np.nan], [90.0, np.nan, np.nan], [1.0, np.nan, np.nan]], [3, 2, 1]),
    ],
)
def test_what_is_missing_is_left_out_and_nothing_in_common_is_the_farthest(rows, near):
    table = training_table(TWO, np.array(rows), np.ones(4, np.int64), list("abcd"))
    assert table.neighbours(1, len(near))[1][0].tolist() == near


def test_a_class_of_few_has_few_neighbours():
    table = training(60, rare=0.1)
    members, near = table.neighbours(1, 50)
    assert near.shape == (len(members), len(members) - 1)
