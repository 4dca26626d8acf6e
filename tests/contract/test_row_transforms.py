"""What every transform of rows promises, held against each that is declared."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.data.store import Store
from augment_ops.modalities import modality
from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.catalogue import TRANSFORMS
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table
from augment_ops.policy.spec import Policy
from support.tables import transactions

HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: Rows for tests.
budget: {p95_ms: 1.0, at: [5]}
transforms: """
# Of each transform a step that changes as much as it can.
STEPS = {
    "BorderlineSmote": "BorderlineSmote: {m_neighbors: 20, p: 1.0}",
    "ConditionalBootstrap": "ConditionalBootstrap: {columns: [amount, flag, kind], given: hour, bins: 3, p: 1.0}",
    "GaussianCopula": "GaussianCopula: {min_rows: 20, p: 1.0}",
    "Jitter": "Jitter: {std_range: [0.5, 1.0], columns: [amount, hour], p: 1.0}",
    "RowMix": "RowMix: {share_range: [0.2, 1.0], p: 1.0}",
    "Smote": "Smote: {k_neighbors: 20, p: 1.0}",
}
ALL = ", ".join(STEPS.values()).replace("p: 1.0", "p: 0.6")  # one after another
AT_OTHERS = [name for name, declared in TRANSFORMS.items() if declared.looks_at_others]
SCHEMA = TableSchema(
    (
        TableColumn(name="amount", kind="number"),
        TableColumn(name="hour", kind="number", whole=True),
        TableColumn(name="flag", kind="number", whole=True),
        TableColumn(name="kind", kind="category", categories=("card", "cash", "transfer", "never")),
        TableColumn(name="empty", kind="number"),  # without a value in this split
    )
)
RARE, RARER = 1, 2
N = 500


@cache
def table(seed: int = 0) -> TrainingTable:
    """Three classes, of which two are rare; no card in the rarest, cells missing, and rows that are the same."""
    draw = np.random.default_rng(seed)
    labels = np.where(draw.random(N) < 0.25, RARE, np.where(draw.random(N) < 0.1, RARER, 0))
    amount = draw.lognormal(3, 1, N) * (1 + labels)
    rows = np.stack(
        [amount, draw.integers(0, 24, N), draw.integers(0, 2, N), draw.integers(0, 3, N), np.full(N, np.nan)], axis=1
    )
    rows[(labels == RARER) & (rows[:, 3] == 0), 3] = 1
    rows[:, :4][draw.random((N, 4)) < 0.1] = np.nan
    rows[5:10] = rows[4]
    return training_table(SCHEMA, rows, labels, [f"t{i}" for i in range(N)])


@cache
def augmenter(name: str) -> TableAugmenter:
    return TableAugmenter(Policy.from_text(f"{HEAD}[{STEPS.get(name, ALL)}]"), 7, table())


@cache
def augmented(name: str) -> np.ndarray:
    """Of three epochs: float64 (3, N, F)."""
    return np.stack([augmenter(name)(table().rows, table().ids, epoch) for epoch in range(3)])


def changed(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    return ~((after == before) | (np.isnan(after) & np.isnan(before)))


def test_every_transform_is_held_to_this():
    assert set(STEPS) == set(TRANSFORMS)


@pytest.mark.parametrize("name", STEPS)
def test_it_changes_rows_and_others_in_each_epoch(name):
    out = augmented(name)
    rare = table().labels > 0
    assert changed(out[0], table().rows)[rare].any(axis=1).mean() > 0.3
    assert changed(out[0], out[1])[rare].any(axis=1).mean() > 0.3


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([*STEPS, "all"]), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_sample_is_the_same_in_whatever_batch_and_order(name, seed, pieces):
    order = np.random.default_rng(seed).permutation(N)
    out = np.empty_like(table().rows)
    for part in np.array_split(order, pieces):
        out[part] = augmenter(name)(table().rows[part], [table().ids[row] for row in part], 1)
    assert out.tobytes() == augmented(name)[1].tobytes()


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_a_sample_is_the_same_alone_in_threads_and_of_a_copy_that_has_looked_nothing_up(name):
    fresh = pickle.loads(pickle.dumps(augmenter(name)))
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda row: fresh(table().rows[row : row + 1], [table().ids[row]], 2)[0], range(60)))
    assert np.array(alone).tobytes() == augmented(name)[2, :60].tobytes()


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_what_is_missing_stays_missing_and_nothing_else_becomes_so(name):
    assert (np.isnan(augmented(name)) == np.isnan(table().rows)).all()


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_whole_numbers_flags_and_categories_stay_such(name):
    out = augmented(name)
    for column, values in ((1, range(24)), (2, (0, 1)), (3, (0, 1, 2))):
        cells = out[..., column]
        assert np.isin(cells[~np.isnan(cells)], list(values)).all()


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_no_value_is_beyond_what_the_split_has_and_none_of_others_beyond_what_the_class_has(name):
    out, held = augmented(name), table()
    for label in np.unique(held.labels):
        own = held.labels == label
        rows = held.rows[own] if name in AT_OTHERS else held.rows
        for column in range(4):
            cells, known = out[:, own, column], rows[:, column][~np.isnan(rows[:, column])]
            cells = cells[~np.isnan(cells)]
            assert known.min() <= cells.min() and cells.max() <= known.max()
            if not SCHEMA.is_number[column]:
                assert np.isin(cells, known).all()  # a code between two is another category


@pytest.mark.parametrize("name", [*AT_OTHERS, "Jitter of the rarer"])
def test_what_is_for_the_rarer_leaves_the_largest_class_and_whatever_is_not_of_the_split(name):
    steps = STEPS.get(name, STEPS["Jitter"].replace("p: 1.0", "p: 1.0, sampling_strategy: not majority"))
    augment = TableAugmenter(Policy.from_text(f"{HEAD}[{steps}]"), 7, table())
    found = changed(augment(table().rows, table().ids, 0), table().rows)
    assert not found[table().labels == 0].any() and found[table().labels > 0].any(axis=1).mean() > 0.3
    rows = table().rows[table().labels > 0]
    outside = [f"elsewhere{i}" for i in range(len(rows))]
    assert augment(rows, outside, 0).tobytes() == rows.tobytes()


@pytest.mark.parametrize("name", ["ConditionalBootstrap", "GaussianCopula", "RowMix"])
def test_all_classes_are_changed_where_that_is_asked_for(name):
    steps = f"[{STEPS[name].replace('p: 1.0', 'p: 1.0, sampling_strategy: all')}]"
    out = TableAugmenter(Policy.from_text(HEAD + steps), 7, table())(table().rows, table().ids, 0)
    largest = table().labels == 0
    assert changed(out, table().rows)[largest].any(axis=1).mean() > 0.3


@pytest.fixture(scope="module")
def trains(tmp_path_factory: pytest.TempPathFactory) -> list[Split]:
    """The training split of two data sets that differ in their test month: in the first, frauds of it lie right beside
    those of training, and far beyond all others.
    """
    folder = tmp_path_factory.mktemp("months")
    learnt = transactions(400, seed=3)
    frauds = learnt[learnt["fraud"] == "fraud"]
    beside = frauds.assign(transaction="beside-" + frauds["transaction"], amount=frauds["amount"] + 0.01)
    beyond = frauds.assign(transaction="beyond-" + frauds["transaction"], amount=1e6, hour=23)
    ordinary = transactions(20, seed=5)
    ordinary = ordinary.assign(transaction="other-" + ordinary["transaction"])
    found = []
    for number, tested in enumerate((pd.concat([beside, beyond]), ordinary)):
        path, store = folder / f"payments-{number}.parquet", Store(str(folder / "store"))
        parts = [learnt.assign(part="train"), tested.assign(part="test")]
        pd.concat(parts, ignore_index=True).to_parquet(path, index=False)
        columns = "label=fraud,id=transaction,split=part,ignore=moment;customer"
        digest = ingest(str(path), store, modality="tabular", columns=columns).digest
        found.append(Snapshot.open(store, digest).split("train"))
    return found


@pytest.mark.parametrize("name", STEPS)
def test_the_test_month_leaks_into_no_row(trains: list[Split], name: str):
    steps = f"[{STEPS[name].replace('amount, flag, kind', 'amount, kind')}]"
    out = []
    for train in trains:
        rows = train.payload.take(np.arange(len(train.ids)))
        out.append(modality("tabular").augmenter(Policy.from_text(HEAD + steps), 7, train)(rows, train.ids, 0))
        assert changed(out[-1], rows).any() and np.nanmax(out[-1][:, 0]) <= np.nanmax(rows[:, 0]) < 1e6
    assert trains[0].ids == trains[1].ids and out[0].tobytes() == out[1].tobytes()
