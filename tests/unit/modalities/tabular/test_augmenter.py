from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.offline import shard_identity
from augment_ops.engine.key import SampleIds
from augment_ops.errors import Fault, TransformError
from augment_ops.modalities import modality
from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.training_table import training_table
from augment_ops.policy.spec import Policy
from support.epochs import check_epochs_of_each
from support.tables import SCHEMA, rows_of, training

HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: Rows for tests.
budget: {p95_ms: 1.0, at: [3]}
transforms: """
BOTH = "[Smote: {k_neighbors: 3, p: 0.7}, OneOf: {p: 0.8, transforms: [Jitter: {p: 0.5}, Smote: {p: 0.5}]}]"
TABLE = training(400, rare=0.3)


def policy(steps: str) -> Policy:
    return Policy.from_text(HEAD + steps)


def augmenter(steps: str = BOTH, seed: int = 7, table=TABLE) -> TableAugmenter:
    return TableAugmenter(policy(steps), seed, table)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def test_the_same_key_gives_the_same_bytes_in_whatever_batch_order_thread_or_process():
    augment = augmenter()
    whole = augment(TABLE.rows, TABLE.ids, 3)
    order = np.random.default_rng(0).permutation(len(TABLE.ids))
    shuffled = augment(TABLE.rows[order], [TABLE.ids[i] for i in order], 3)
    assert same(shuffled, whole[order])
    single = [augment(TABLE.rows[i : i + 1], TABLE.ids[i : i + 1], 3)[0] for i in range(40)]
    assert same(np.array(single), whole[:40])
    other = pickle.loads(pickle.dumps(augment))
    assert same(other(TABLE.rows, TABLE.ids, 3), whole)
    fresh = augmenter()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fresh(TABLE.rows, TABLE.ids, 3), range(8)))
    assert all(same(one, whole) for one in found)


def test_another_epoch_seed_or_policy_draws_anew():
    found = [
        augmenter()(TABLE.rows, TABLE.ids, 0),
        augmenter()(TABLE.rows, TABLE.ids, 1),
        augmenter(seed=8)(TABLE.rows, TABLE.ids, 0),
        augmenter(BOTH.replace("0.7", "0.71"))(TABLE.rows, TABLE.ids, 0),
    ]
    assert len({one.tobytes() for one in found}) == 4


def test_the_training_split_decides_the_neighbours():
    other = training_table(SCHEMA, TABLE.rows[::-1].copy(), TABLE.labels, TABLE.ids)
    steps = "[Smote: {p: 1.0}]"
    assert not same(augmenter(steps)(TABLE.rows, TABLE.ids), augmenter(steps, table=other)(TABLE.rows, TABLE.ids))


def test_smote_moves_the_rarer_class_alone():
    out = augmenter("[Smote: {p: 1.0}]")(TABLE.rows, TABLE.ids)
    moved = ~((out == TABLE.rows) | (np.isnan(out) & np.isnan(TABLE.rows))).all(axis=1)
    assert not moved[TABLE.labels == 0].any() and moved[TABLE.labels == 1].mean() > 0.9


def test_what_is_not_in_the_training_split_is_left_by_smote():
    rows = rows_of(20, seed=9)
    assert same(augmenter("[Smote: {p: 1.0}]")(rows, [f"new{i}" for i in range(20)]), rows)


def test_jitter_works_on_measured_numbers_or_on_those_that_are_named():
    out = augmenter("[Jitter: {std_range: [0.2, 0.2], p: 1.0}]")(TABLE.rows, TABLE.ids)
    assert np.array_equal(out[:, 1:], TABLE.rows[:, 1:], equal_nan=True)
    named = augmenter("[Jitter: {std_range: [0.2, 0.2], columns: [hour], p: 1.0}]")(TABLE.rows, TABLE.ids)
    assert np.array_equal(named[:, [0, 2]], TABLE.rows[:, [0, 2]], equal_nan=True)
    assert not np.array_equal(named[:, 1], TABLE.rows[:, 1], equal_nan=True)


@pytest.mark.parametrize(("column", "found"), [("amonut", "Did you mean amount"), ("kind", "'kind', a category")])
def test_a_policy_that_names_another_column_is_refused(column, found):
    with pytest.raises(TransformError, match=found):
        augmenter(f"[Jitter: {{columns: [{column}]}}]")


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("RowMix: {columns: [kind, amonut]}", r"(?s)RowMix.columns: .*Did you mean amount"),
        ("ConditionalBootstrap: {columns: [hours], given: kind}", r"(?s)Bootstrap.columns: .*Did you mean hour"),
        ("ConditionalBootstrap: {columns: [hour], given: kid}", r"(?s)Bootstrap.given: .*Did you mean kind"),
    ],
)
def test_columns_to_take_from_others_may_be_categories_but_have_to_be_there(step, found):
    with pytest.raises(TransformError, match=found):
        augmenter(f"[{step}]")
    augmenter("[RowMix: {columns: [kind]}, ConditionalBootstrap: {columns: [hour, kind], given: amount}]")


def test_p_is_the_share_of_the_samples():
    out = augmenter("[Jitter: {std_range: [0.1, 0.1], p: 0.25}]")(TABLE.rows, TABLE.ids)
    known = ~np.isnan(TABLE.rows[:, 0])
    assert abs((out[known, 0] != TABLE.rows[known, 0]).mean() - 0.25) < 0.07


def test_rows_are_not_modified_and_the_identity_copies():
    before = TABLE.rows.copy()
    out = augmenter("[]")(TABLE.rows, TABLE.ids)
    assert same(out, TABLE.rows) and not np.shares_memory(out, TABLE.rows)
    augmenter()(TABLE.rows, TABLE.ids)
    assert same(TABLE.rows, before)


@pytest.mark.parametrize(
    ("rows", "ids", "found"),
    [
        (TABLE.rows[:2].astype(np.float32), ["a", "b"], "float32"),
        (TABLE.rows[:2, :2], ["a", "b"], r"\(2, 2\)"),
        (TABLE.rows[:2], ["a"], "1 ids for 2 rows"),
        (TABLE.rows[:2], ["a", "a"], "more than once"),
        (np.array([[1.0, np.inf, 0.0]]), ["a"], "sample a, column 2"),
        ("rows", ["a"], "str"),
    ],
)
def test_what_are_no_rows_of_the_table_is_refused(rows, ids, found):
    with pytest.raises(TransformError, match=found):
        augmenter()(rows, ids)


def test_an_epoch_that_is_no_integer_is_another_key():
    with pytest.raises(TypeError):
        augmenter()(TABLE.rows, TABLE.ids, 3.0)


def test_without_a_training_split_a_policy_can_be_timed():
    kind = modality("tabular")
    rows = kind.invented(32, (3,), (1, 2))
    augment = kind.augmenter(policy("[Jitter: {columns: [anything], p: 1.0}, Smote: {p: 1.0}]"), 7)
    out = augment(rows, SampleIds.of(range(32)))
    assert out.shape == rows.shape and (out != rows).any(axis=1).all()
    assert augment.output_shape((3,)) == (3,) and augment.describe() == ["rows: Jitter, Smote"]


def test_what_is_kept_of_one_population_is_not_taken_for_that_of_another():
    other = training_table(SCHEMA, TABLE.rows[::-1].copy(), TABLE.labels, TABLE.ids)
    kept = {
        shard_identity("a" * 64, "train", augmenter(steps, table=table), TABLE.rows.dtype)
        for steps in ("[Smote: {}]", "[Jitter: {}]")
        for table in (TABLE, other)
    }
    assert len(kept) == 4  # Jitter looks at the range of the columns


@pytest.mark.parametrize(
    "step", ["Smote: {}", "RowMix: {}", "GaussianCopula: {}", "Jitter: {sampling_strategy: not majority}"]
)
def test_one_class_alone_has_none_that_is_rarer(step):
    one = training_table(SCHEMA, TABLE.rows, np.zeros(len(TABLE.ids), np.int64), TABLE.ids)
    with pytest.raises(TransformError, match=r"400 rows of one class.*expected two classes"):
        augmenter(f"[{step}]", table=one)
    augmenter("[RowMix: {sampling_strategy: all}, Jitter: {}]", table=one)(one.rows, one.ids)


def test_classes_that_are_equally_large_have_none_that_is_rarer():
    table = training_table(SCHEMA, TABLE.rows, np.arange(400) % 2, TABLE.ids)
    assert same(augmenter("[Smote: {p: 1.0}, RowMix: {p: 1.0}]", table=table)(table.rows, table.ids), table.rows)


def of_classes(*counts: int):
    """400 rows: so many of the classes b, c, …, and the others of a."""
    labels = np.repeat(np.arange(len(counts) + 1), [400 - sum(counts), *counts])
    return training_table(SCHEMA, TABLE.rows, labels, TABLE.ids, tuple("abcd"[: len(counts) + 1]))


FEW = "leave class out of the training part, or bring more rows of it"


@pytest.mark.parametrize(
    ("step", "counts", "faults"),
    [
        (
            "Smote: {}",
            (40, 5),
            [
                (
                    "Smote.k_neighbors",
                    "5, and 5 rows of class 'c'",
                    "more than 5 rows",
                    f"k_neighbors: 4 or fewer, or {FEW}".replace("class", "class 'c'"),
                )
            ],
        ),
        (
            "OneOf: {transforms: [Jitter: {}, BorderlineSmote: {k_neighbors: 3, m_neighbors: 4}]}",
            (3, 1, 4),  # in a container, of three classes, of which one has enough
            [
                (
                    "BorderlineSmote.k_neighbors",
                    "3, and 1 row of class 'c', 3 rows of class 'b'",
                    "more than 3 rows",
                    f"k_neighbors: 2 or fewer, and {FEW}".replace("class", "class 'c'"),
                )
            ],
        ),
        (
            "Smote: {k_neighbors: 9}",
            (7, 3, 9),  # the bound of the smallest is one for all
            [
                (
                    "Smote.k_neighbors",
                    "9, and 3 rows of class 'c', 7 rows of class 'b', 9 rows of class 'd'",
                    "more than 9 rows",
                    "k_neighbors: 2 or fewer, or leave classes 'c', 'b', 'd' out of the training part, or bring more "
                    "rows of them",
                )
            ],
        ),
        (
            "RowMix: {}",
            (1, 2),
            [("RowMix", "1 row of class 'b'", "more than 1 row", FEW.replace("class", "class 'b'"))],
        ),
        (
            "ConditionalBootstrap: {columns: [amount], given: hour, sampling_strategy: all}",
            (1,),
            [("ConditionalBootstrap", "1 row of class 'b'", "more than 1 row", FEW.replace("class", "class 'b'"))],
        ),
    ],
)
def test_a_class_of_fewer_rows_than_a_step_draws_on_is_refused(step, counts, faults):
    with pytest.raises(TransformError) as caught:
        augmenter(f"[{step}]", table=of_classes(*counts))
    wanted = [
        Fault(where, f"{found} in the training part", f"{wanted} of each class", fix)
        for where, found, wanted, fix in faults
    ]
    assert list(caught.value.faults) == wanted
    assert str(caught.value).startswith(f"policy rows: {len(faults)} fault")


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        ("Smote: {k_neighbors: 5, p: 1.0}", (6, 150)),
        ("BorderlineSmote: {k_neighbors: 2, p: 1.0}", (3,)),
        ("RowMix: {p: 1.0}", (2,)),
        ("ConditionalBootstrap: {columns: [amount], given: hour, bins: 1, p: 1.0}", (2,)),
    ],
)
def test_one_row_more_than_a_step_draws_on_is_enough(step, counts):
    table = of_classes(*counts)
    out = augmenter(f"[{step}]", table=table)(table.rows, table.ids)
    few = table.labels == 1
    held = table.rows[few, 0]
    assert ((out[few, 0] >= np.nanmin(held)) & (out[few, 0] <= np.nanmax(held)) | np.isnan(held)).all()


def test_all_that_a_training_part_lacks_for_a_policy_is_said_at_once():
    """Of a table of nine rows, in the order of the steps."""
    table = training_table(SCHEMA, TABLE.rows[:9], np.arange(9) % 3 // 2, TABLE.ids[:9])
    steps = (
        "BorderlineSmote: {k_neighbors: 5, m_neighbors: 20}, Jitter: {columns: [amuont, hour, country]}, "
        "ConditionalBootstrap: {columns: [amount, x], given: y}, Smote: {k_neighbors: 3}"
    )
    with pytest.raises(TransformError) as caught:
        augmenter(f"[{steps}]", table=table)
    assert [(fault.where, fault.found.split(",")[0]) for fault in caught.value.faults] == [
        ("BorderlineSmote.m_neighbors", "20"),
        ("BorderlineSmote.k_neighbors", "5"),
        ("Jitter.columns", "'amuont'"),
        ("Jitter.columns", "'country'"),
        ("ConditionalBootstrap.columns", "'x'"),
        ("ConditionalBootstrap.given", "'y'"),
        ("Smote.k_neighbors", "3"),
    ]


class Counted(ArrayPayload):
    """Says how often rows of it were read."""

    reads = 0

    def take(self, rows: np.ndarray) -> np.ndarray:
        self.reads += 1
        return super().take(rows)


@dataclass(frozen=True)
class Split:
    """See `augment_ops.modalities.base.Population`."""

    payload: Counted
    labels: np.ndarray
    schema: dict
    ids: tuple[str, ...] = TABLE.ids
    classes: tuple[str, ...] = ("a", "b")


def test_a_policy_is_checked_against_a_training_part_whose_rows_nobody_reads_until_one_is_augmented():
    payload, schema, kind = Counted(TABLE.rows), SCHEMA.content(), modality("tabular")
    with pytest.raises(TransformError, match="5, and 4 rows of class 'b'"):
        kind.augmenter(policy("[Smote: {}]"), 7, Split(payload, (np.arange(400) < 4).astype(np.int64), schema))
    augment = kind.augmenter(policy(BOTH), 7, Split(payload, TABLE.labels, schema))
    assert payload.reads == 0
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda epoch: augment(TABLE.rows, TABLE.ids, epoch), [3] * 4))
    assert all(same(one, augmenter()(TABLE.rows, TABLE.ids, 3)) for one in found) and payload.reads == 1


def test_a_split_of_fewer_rows_than_neighbours_at_the_border_is_refused():
    table = training_table(SCHEMA, TABLE.rows[:9], np.arange(9) % 3 // 2, TABLE.ids[:9])
    with pytest.raises(TransformError, match=r"(?s)m_neighbors: found 9, of 9 rows .* 8 or fewer"):
        augmenter("[BorderlineSmote: {k_neighbors: 2, m_neighbors: 9}]", table=table)
    augmenter("[BorderlineSmote: {k_neighbors: 2, m_neighbors: 8}]", table=table)(table.rows, table.ids)


@pytest.mark.parametrize("step", ["GaussianCopula: {min_rows: 2, p: 1.0}", "Jitter: {sampling_strategy: not majority}"])
def test_a_class_of_one_row_is_no_fault_of_a_step_that_says_what_becomes_of_it_or_looks_at_no_other(step):
    table = of_classes(1, 150)
    assert same(augmenter(f"[{step}]", table=table)(table.rows, table.ids)[249], table.rows[249])


def test_epochs_of_each_sample_in_one_batch_are_those_of_batches_of_their_own():
    check_epochs_of_each(augmenter(), TABLE.rows[:50], TABLE.ids[:50])
