from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.smote import in_danger
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table
from augment_ops.policy.spec import Policy

HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: Rows for tests.
budget: {p95_ms: 1.0, at: [2]}
transforms: """
SAFE, BORDER, NOISE = (0.0, 0.1, 0.2, 0.3), (0.9, 1.0), (5.0,)
OTHERS = (1.1, 1.15, 1.2, 1.25, 4.9, 4.95, 5.05, 5.1, 6.0)
SCHEMA = TableSchema(tuple(TableColumn(name=name, kind="number") for name in "xy"))


def line(positions: list[float], labels: list[int]) -> TrainingTable:
    rows = np.stack([positions, np.zeros(len(positions))], axis=1)
    return training_table(SCHEMA, rows, np.array(labels), [f"r{i}" for i in range(len(rows))])


def augmented(step: str, table: TrainingTable, epochs: int = 1) -> np.ndarray:
    augment = TableAugmenter(Policy.from_text(f"{HEAD}[{step}]"), 7, table)
    return np.stack([augment(table.rows, table.ids, epoch) for epoch in range(epochs)])


def test_in_danger_are_those_with_half_or_more_but_not_all_neighbours_of_another_class():
    table = line([*SAFE, *BORDER, *NOISE, *OTHERS], [1] * 7 + [0] * 9)
    assert np.flatnonzero(in_danger(table, 4)).tolist() == [4, 5]
    assert np.flatnonzero(in_danger(table, 2)).tolist() == [4, 5]  # exactly half of two neighbours is enough


def test_only_samples_in_danger_move_and_towards_their_own_class():
    table = line([*SAFE, *BORDER, *NOISE, *OTHERS], [1] * 7 + [0] * 9)
    out = augmented("BorderlineSmote: {k_neighbors: 2, m_neighbors: 4, p: 1.0}", table, 20)[..., 0]
    moved = (out != table.rows[:, 0]).any(axis=0)
    assert np.flatnonzero(moved).tolist() == [4, 5]
    assert out[:, 4:6].min() >= 0.3 and out[:, 4:6].max() <= 1.0


def test_where_nobody_is_in_danger_nobody_moves():
    table = line([0.0, 0.1, 0.2, 9.0, 9.1, 9.2, 9.3], [1] * 3 + [0] * 4)
    assert (augmented("BorderlineSmote: {k_neighbors: 2, m_neighbors: 2, p: 1.0}", table)[0] == table.rows).all()


def clouds(n: int, rare: int) -> TrainingTable:
    """Two classes that overlap, each of pairs (x, y) and (y, x): columns of one spread, since imbalanced-learn does not
    scale.
    """
    draw = np.random.default_rng(1)
    few = draw.normal(size=(rare // 2, 2)) + draw.integers(0, 2, (rare // 2, 1)) * 4
    many = draw.normal(size=(n // 2, 2)) * [1.0, 2.0] + 1
    rows = np.concatenate([few, few[:, ::-1], many, many[:, ::-1]])
    return training_table(SCHEMA, rows, np.repeat([1, 0], [rare, n]), [f"r{i}" for i in range(len(rows))])


@pytest.mark.parametrize(("name", "epochs"), [("Smote", 60), ("BorderlineSmote", 200)])
def test_new_rows_have_the_distribution_of_those_of_imbalanced_learn(name: str, epochs: int):
    """Marginals, their sum and difference, and how far new rows lie from the two nearest real ones.

    Two samples of n from one distribution are further apart than 2.69 √(2 / n) once in a million times (Kolmogorov and
    Smirnov's limit, α = 10⁻⁶). Rows and keys are fixed, so the test says one thing for good.
    """
    from imblearn.over_sampling import SMOTE, BorderlineSMOTE

    rare = 200
    table = clouds(400, rare)
    ours = augmented(f"{name}: {{p: 1.0}}", table, epochs)[:, :rare]
    moved = (ours != table.rows[:rare]).any(axis=2)
    ours = ours[moved]
    n = len(ours)
    makes = (SMOTE if name == "Smote" else BorderlineSMOTE)(sampling_strategy={0: 400, 1: rare + n}, random_state=0)
    theirs = makes.fit_resample(table.rows, table.labels)[0][600:]
    assert len(theirs) == n > 3_000
    for one, other in zip(_seen_from_aside(ours, table), _seen_from_aside(theirs, table), strict=True):
        assert ks_2samp(one, other).statistic < 2.69 * np.sqrt(2 / n)


def _seen_from_aside(made: np.ndarray, table: TrainingTable) -> list[np.ndarray]:
    real = table.rows[table.labels == 1]
    apart = np.sort(np.linalg.norm(made[:, None] - real[None], axis=2), axis=1)
    return [made[:, 0], made[:, 1], made.sum(axis=1), made[:, 0] - made[:, 1], apart[:, 0], apart[:, 1]]
