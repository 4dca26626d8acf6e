from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from augment_ops.errors import TransformError
from augment_ops.modalities.corruptions import SEVERITIES
from augment_ops.modalities.tabular.corruptions import CAUSES, CORRUPTIONS, apply, destroyed
from support.tables import SCHEMA, rows_of

IDS = [f"s{i}" for i in range(3_000)]
ROWS = rows_of(3_000, missing=0.0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_row_is_corrupted_alike_in_whatever_batch(name):
    whole = apply(name, 4, SCHEMA, ROWS, IDS)
    order = np.random.default_rng(1).permutation(len(ROWS))[:70]
    part = apply(name, 4, SCHEMA, ROWS[order], [IDS[i] for i in order])
    assert np.array_equal(part, whole[order], equal_nan=True)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_rise_and_draw_apart(name):
    found = [apply(name, severity, SCHEMA, ROWS, IDS) for severity in SEVERITIES]
    changes = []
    for out in found:
        gone = np.isnan(out[:, 0])
        changes.append(gone.mean() + np.abs(out[~gone, 0] / ROWS[~gone, 0] - 1).mean())
    assert all(a < b for a, b in pairwise(changes))
    assert CORRUPTIONS[name].fault({CORRUPTIONS[name].parameter: CORRUPTIONS[name].strengths}) == ""


def test_missing_values_are_a_share_of_the_cells_of_every_column():
    out = apply("missing_values", 3, SCHEMA, ROWS, IDS)
    assert np.allclose(np.isnan(out).mean(axis=0), 0.20, atol=0.03)
    assert np.array_equal(out[~np.isnan(out)], ROWS[~np.isnan(out)])


def test_noise_leaves_categories_alone_and_counts_whole():
    out = apply("noise", 5, SCHEMA, ROWS, IDS)
    assert (out[:, 2] == ROWS[:, 2]).all() and (out[:, 1] == np.rint(out[:, 1])).all()
    assert abs((out[:, 0] / ROWS[:, 0]).std() - 0.30) < 0.02


def test_amounts_are_rescaled_either_way_and_nothing_else_is():
    out = apply("rescaled_amounts", 5, SCHEMA, ROWS, IDS)
    factors = out[:, 0] / ROWS[:, 0]
    assert np.allclose(np.unique(np.round(factors, 9)), [0.5, 2.0]) and abs((factors > 1).mean() - 0.5) < 0.05
    assert (out[:, 1:] == ROWS[:, 1:]).all()


def test_explicit_strengths_are_used():
    out = apply("rescaled_amounts", 1, SCHEMA, ROWS, IDS, params={"factor": (3, 4, 5, 6, 7)})
    assert np.allclose(np.unique(np.round(out[:, 0] / ROWS[:, 0], 6)), np.round([1 / 3, 3], 6))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"std": (0.1, 0.2, 0.3, 0.4, 0.5)}, "five strengths for std_share"),
        ({"std_share": (0.1, 0.2)}, "five strengths"),
        ({"std_share": (0.1, 0.2, 0.3, 0.4, 9.0)}, "from 0.001 to 1"),
        ({"std_share": (0.1, 0.2, 0.2, 0.4, 0.5)}, "rising"),
    ],
)
def test_strengths_that_do_not_fit_are_refused(params, expected):
    with pytest.raises(TransformError, match=expected):
        apply("noise", 1, SCHEMA, ROWS[:2], IDS[:2], params=params)


@pytest.mark.parametrize(
    ("name", "severity", "rows", "ids"),
    [
        ("noize", 1, ROWS[:2], IDS[:2]),
        ("noise", 0, ROWS[:2], IDS[:2]),
        ("noise", 1, ROWS[:2, :2], IDS[:2]),
        ("noise", 1, ROWS[:2].astype(np.float32), IDS[:2]),
        ("noise", 1, ROWS[:2], IDS[:3]),
    ],
)
def test_what_cannot_be_corrupted_is_refused(name, severity, rows, ids):
    with pytest.raises(TransformError):
        apply(name, severity, SCHEMA, rows, ids)


def test_only_a_row_without_any_value_left_is_destroyed():
    nan = np.nan
    clean = np.array([[1.0, 2, 0], [1.0, nan, nan], [nan, nan, nan]])
    gone = np.array([[nan, nan, 0], [nan, nan, nan], [nan, nan, nan]])
    assert destroyed(clean, gone).tolist() == [0, CAUSES.index("empty") + 1, 0]
