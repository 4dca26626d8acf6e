from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, spearmanr

from augment_ops.engine.key import SampleIds
from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.copula import CopulaModel, copula_model
from augment_ops.modalities.tabular.kernels.scores import factorise
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import training_table
from augment_ops.modalities.tabular.transforms import normal
from augment_ops.policy.spec import Policy

SCHEMA = TableSchema(
    (
        TableColumn(name="amount", kind="number"),
        TableColumn(name="past", kind="number"),
        TableColumn(name="count", kind="number", whole=True),
        TableColumn(name="kind", kind="category", categories=("card", "cash", "transfer")),
        TableColumn(name="alone", kind="number"),
    )
)
N = 3_000


def rows_of(n: int = N, seed: int = 0) -> np.ndarray:
    """A large amount goes with a large past one, and mostly with transfers; what is alone goes with nothing."""
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(n, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    kind = (z[:, 0] + 0.5 * draw.normal(size=n) > 0).astype(np.float64) * 2
    kind = np.where(draw.random(n) < 0.1, 1, kind)
    return np.stack([np.exp(z[:, 0] + 3), np.exp(2 * z[:, 1]), draw.poisson(2, n), kind, draw.normal(size=n)], axis=1)


def modelled(rows: np.ndarray) -> CopulaModel:
    return copula_model(
        training_table(SCHEMA, rows, np.zeros(len(rows), np.int64), [f"r{i}" for i in range(len(rows))]), 0
    )


def draws(model: CopulaModel, n: int = N) -> np.ndarray:
    return model.rows(normal(SampleIds.of(range(n)).words, 0, len(SCHEMA)))


def test_draws_have_the_columns_and_the_correlations_of_the_class():
    rows = rows_of()
    out = draws(modelled(rows))
    for column in range(len(SCHEMA)):
        # Kolmogorov and Smirnov's limit for two samples of N, α = 10⁻⁶; discrete columns are nearer still.
        assert ks_2samp(rows[:, column], out[:, column]).statistic < 2.69 * np.sqrt(2 / N)
    real, made = (spearmanr(values).statistic for values in (rows, out))
    assert np.abs(real - made)[np.ix_([0, 1, 2, 4], [0, 1, 2, 4])].max() < 0.06
    # A category's normal scores are a step: what is drawn by them goes with the others a little less.
    assert 0.4 < made[0, 3] < real[0, 3] < 0.8
    assert made[0, 1] > 0.7 and abs(made[0, 4]) < 0.06


def test_counts_and_categories_are_those_that_occur_and_amounts_lie_between():
    rows = rows_of(400)
    rows[:, 2] *= 7  # no count is between two of them
    out = draws(modelled(rows))
    assert np.isin(out[:, 2], rows[:, 2]).all() and np.isin(out[:, 3], rows[:, 3]).all()
    assert not np.isin(out[:, 0], rows[:, 0]).all()
    assert rows[:, 0].min() <= out[:, 0].min() and out[:, 0].max() <= rows[:, 0].max()


def test_of_few_rows_the_correlations_are_shrunk_towards_none():
    def strongest(n: int) -> float:
        factor = modelled(rows_of(n)).factor
        return float(np.abs(np.tril(factor @ factor.T, -1)).max())

    assert strongest(8) < 0.75 * strongest(N) and strongest(N) > 0.75


@pytest.mark.parametrize("kind", ["the same twice", "one value", "no value", "a gap in nine of ten"])
def test_columns_that_say_nothing_or_the_same_are_drawn(kind):
    rows = rows_of(500)
    if kind == "the same twice":
        rows[:, 1] = rows[:, 0]
    elif kind == "one value":
        rows[:, 1] = 5
    else:
        rows[np.arange(500) % 10 > (0 if kind.startswith("a gap") else -1), 1] = np.nan
    out = draws(modelled(rows))
    assert np.isfinite(np.delete(out, 1, axis=1)).all()
    assert np.isnan(out[:, 1]).all() if kind == "no value" else np.isfinite(out[:, 1]).all()
    if kind == "the same twice":
        assert spearmanr(out[:, 0], out[:, 1]).statistic > 0.97  # as the shrinking leaves it


def test_a_factor_is_that_of_numpy():
    draw = np.random.default_rng(0)
    matrix = np.cov(draw.normal(size=(6, 50)))
    found = np.tril(matrix)
    factorise(found)
    assert np.allclose(found, np.linalg.cholesky(matrix))


def test_a_class_of_fewer_rows_than_asked_for_stays_as_it_is():
    rows = rows_of(300)
    labels = np.repeat([1, 2, 0], [99, 100, 101])
    table = training_table(SCHEMA, rows, labels, [f"r{i}" for i in range(300)])
    text = "{name: rows, version: 1.0.0, modality: tabular, domain: tabular, owner: tests, description: Rows, "
    text += "budget: {p95_ms: 1.0, at: [5]}, transforms: [GaussianCopula: {p: 1.0}]}"
    out = TableAugmenter(Policy.from_text(text), 7, table)(rows, table.ids)
    assert (out[:99] == rows[:99]).all() and (out[99:199] != rows[99:199]).any(axis=1).all()
