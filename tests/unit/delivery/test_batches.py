from __future__ import annotations

import numpy as np
import pytest

from augment_ops.delivery.batches import batch_rows, epoch_order


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide():
    orders = [epoch_order(seed, epoch, 50) for seed in (7, 8) for epoch in (0, 1)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
        assert order.dtype == np.int64
    assert len({order.tobytes() for order in orders}) == 4
    assert (epoch_order(7, 1, 50) == orders[1]).all()


@pytest.mark.parametrize(
    ("n", "size"), [(1, 2), (2, 2), (10, 4), (12, 4), (64, 64), (65, 64), (66, 64), (129, 64), (5, 100)]
)
def test_batches_hold_every_row_once_in_order(n, size):
    rows = batch_rows(7, 2, n, size)
    assert np.concatenate(rows).tolist() == epoch_order(7, 2, n).tolist()
    assert all(len(batch) == size for batch in rows[:-1])
    assert len(rows[-1]) <= size + 1


def test_no_batch_is_a_single_row_where_there_are_more():
    """Batch normalisation refuses to train on one sample."""
    assert [len(batch) for batch in batch_rows(7, 0, 65, 64)] == [65]
    assert [len(batch) for batch in batch_rows(7, 0, 129, 64)] == [64, 65]
    assert [len(batch) for batch in batch_rows(7, 0, 66, 64)] == [64, 2]
    assert [len(batch) for batch in batch_rows(7, 0, 1, 64)] == [1]
    assert [len(batch) for batch in batch_rows(7, 0, 3, 1)] == [1, 2]
