"""Same key, same bytes: every batch size with every kind and number of workers, in every mode, from the middle too."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import numpy as np
import pytest

from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, materialise, shard_identity
from augment_ops.delivery.online import OnlineBatches

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

SIZES = [1, 7, 64, 256]
WORKERS = [
    (0, "threads", "fork"),
    *(
        (n, kind, start)
        for kind, start in (("threads", "fork"), ("processes", "fork"), ("processes", "spawn"))
        for n in (1, 2, 4)
    ),
]
EPOCHS = 2
SNAPSHOT = "5" * 64


def sizes(method: str) -> list[int]:
    """Batch sizes; where a process takes 5 s to start, without 256, which asks of 61 samples what 64 does."""
    return [size for size in SIZES if method == "fork" or size <= 64]


@pytest.fixture
def start() -> Iterator[object]:
    """Sets how processes are started."""
    before = multiprocessing.get_start_method()
    yield lambda method: multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize(("workers", "kind", "method"), WORKERS)
def test_the_same_bytes_everywhere(store, images, labels, ids, augmenter, start, workers, kind, method):
    start(method)
    expected = [augmenter(images, ids, epoch) for epoch in range(EPOCHS)]
    shards = materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="train", epochs=EPOCHS)

    def check(source, epoch, first=0):
        order = batch_rows(7, epoch, len(ids), source_size)[first:]
        found = list(source.epoch(epoch, first))
        assert [b.rows.tolist() for b in found] == [r.tolist() for r in order]
        for batch in found:
            np.testing.assert_array_equal(batch.samples, expected[epoch][batch.rows])

    for source_size in sizes(method):
        more = {"seed": 7, "batch_size": source_size}
        middle = len(batch_rows(7, 0, len(ids), source_size)) // 2

        def online(more=more):
            return OnlineBatches(images, labels, ids, augmenter, workers=workers, kind=kind, **more)

        lasting = online()  # one source, whose workers stay from epoch to epoch
        asked = [(0, 0), (1, 0), (1, middle)]
        if method == "spawn":  # one start of its workers: they begin with what a new process goes on with
            asked.reverse()
        else:
            resumed = online()
            check(resumed, 1, middle)
            resumed.close()
        for epoch, first in asked:
            check(lasting, epoch, first)
        identity = shard_identity(f"{source_size:064d}", "train", augmenter, images.dtype)
        nearline = NearlineBatches(store, lasting, identity, images, labels, limit_bytes=1 << 30, **more)
        for epoch in (0, 0, 1):  # recorded, read, recorded
            check(nearline, epoch)
        check(nearline, 1, middle)
        nearline.close()
        offline = ShardBatches(store, shards, labels, **more)
        check(offline, 0)
        check(offline, 1, middle)
    assert multiprocessing.active_children() == []
