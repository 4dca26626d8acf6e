from __future__ import annotations

import multiprocessing
import random
import threading

import cv2
import numpy as np
import pytest

from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine import philox
from augment_ops.errors import InputError, TransformError
from augment_ops.modalities.image.augmenter import Augmenter


@pytest.fixture
def online(images, labels, ids):
    sources = []

    def make(augmenter, workers, batch_size=7, kind="auto", **other):
        given = {"images": images, "labels": labels, "ids": ids, **other}
        source = OnlineBatches(
            given["images"],
            given["labels"],
            given["ids"],
            augmenter,
            seed=7,
            batch_size=batch_size,
            workers=workers,
            kind=kind,
        )
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("workers", "kind"), [(0, "auto"), (1, "threads"), (2, "threads"), (1, "processes"), (2, "processes")]
)
def test_bytes_and_order_do_not_depend_on_workers_or_batches(online, augmenter, images, ids, by_row, workers, kind):
    for batch_size in (7, 64) if kind == "processes" else (1, 7, 64, 256):
        source = online(augmenter, workers, batch_size, kind)
        for epoch in (0, 1, 5):
            batches = list(source.epoch(epoch))
            rows = batch_rows(7, epoch, len(ids), batch_size)
            assert [b.rows.tolist() for b in batches] == [r.tolist() for r in rows]
            found = by_row(batches)
            expected = augmenter(images, ids, epoch)
            assert found == {row: image.tobytes() for row, image in enumerate(expected)}
        source.close()


def test_spawned_workers_give_the_same_bytes(online, augmenter, images, ids, by_row):
    method = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        found = by_row(online(augmenter, 1, kind="processes").epoch(3))
    finally:
        multiprocessing.set_start_method(method, force=True)
    assert found == {row: image.tobytes() for row, image in enumerate(augmenter(images, ids, 3))}


def constant_epochs(source, epochs=3):
    return [image.tobytes() for epoch in range(epochs) for batch in source.epoch(epoch) for image in batch.samples]


@pytest.mark.parametrize(("workers", "kind"), [(0, "auto"), (2, "threads"), (2, "processes")])
def test_nothing_repeats_across_epochs_and_workers(online, noise, labels, workers, kind):
    """The classic failure: every worker starts each epoch with the same random state."""
    seen = constant_epochs(online(noise, workers, kind=kind, images=np.full((len(labels), 8, 8, 1), 128, np.uint8)))
    assert len(set(seen)) == len(seen) == 3 * len(labels)


def test_the_test_above_fails_without_keys(online, noise, labels, monkeypatch):
    monkeypatch.setattr(philox, "derive", lambda key, ids: np.ones_like(ids))
    seen = constant_epochs(online(noise, 2, kind="processes", images=np.full((len(labels), 8, 8, 1), 128, np.uint8)))
    assert len(set(seen)) <= 0.6 * len(seen)  # both workers emit one stream


@pytest.mark.parametrize(("workers", "kind"), [(0, "auto"), (2, "threads"), (2, "processes")])
def test_no_two_of_ten_thousand_small_samples_are_alike(online, noise, workers, kind):
    """Where the samples are equal and noise alone tells them apart."""
    n = 10_000
    images = np.full((n, 8, 8, 1), 128, np.uint8)
    source = online(
        noise, workers, 64, kind, images=images, labels=np.zeros(n, np.int64), ids=tuple(map(str, range(n)))
    )
    assert len(set(constant_epochs(source))) == 3 * n


@pytest.mark.parametrize("workers", [0, 1])
def test_global_random_state_is_not_touched(online, augmenter, workers):
    import torch

    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
    source = online(augmenter, workers)
    for epoch in range(2):
        list(source.epoch(epoch))
    after = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
    assert after == before


def test_without_an_augmenter_the_originals_come(online, images, labels, by_row):
    source = online(None, 0)
    batches = list(source.epoch(0))
    assert by_row(batches) == {row: image.tobytes() for row, image in enumerate(images)}
    assert all((batch.labels == labels[batch.rows]).all() for batch in batches)
    assert {batch.augment_s for batch in batches} == {0.0}


def test_batches_are_the_consumers_own_memory(online, images):
    read_only = images.copy()
    read_only.flags.writeable = False
    for batch in online(None, 0, images=read_only).epoch(0):
        batch.samples[:] = 0  # would raise, or change what the next epoch sees
    assert read_only.any()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_error_arrives_as_itself(online, wrong, workers):
    with pytest.raises(TransformError, match=r"transforms\[0\]\.ISONoise") as caught:
        list(online(wrong, workers).epoch(0))
    assert caught.value.faults[0].where.startswith("transforms[0].ISONoise")


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_epoch_that_was_left_midway_does_not_leak_into_the_next(online, augmenter, by_row, images, ids, kind):
    source = online(augmenter, 2, kind=kind)
    abandoned = source.epoch(0)
    next(abandoned)
    assert by_row(source.epoch(1)) == {row: image.tobytes() for row, image in enumerate(augmenter(images, ids, 1))}


def test_close_ends_the_workers_whoever_holds_the_batches(online, augmenter):
    source = online(augmenter, 2, kind="processes")
    held = source.epoch(0)
    next(held)
    assert len(multiprocessing.active_children()) == 2
    source.close()
    assert multiprocessing.active_children() == []
    source.close()  # again is nothing


def test_workers_start_although_opencv_has_threads_here(images, labels, ids, augmenter, by_row):
    """Large images make OpenCV start threads; a forked child that then changes their number waits for them forever."""
    cv2.setNumThreads(2)
    large = np.zeros((512, 512, 3), np.uint8)
    cv2.warpAffine(large, np.array([[0.9, 0.1, 3], [-0.1, 0.9, 4]], np.float32), (512, 512))
    cv2.GaussianBlur(large, (9, 9), 2)
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=32, workers=1, kind="processes")
    source._workers._loader.timeout = 20  # seconds until torch gives up on a worker
    assert cv2.getNumThreads() == 1  # the hang itself comes about every other time
    try:
        assert len(by_row(source.epoch(0))) == len(ids)
    finally:
        source.close()


def test_threads_take_small_batches_together(online, augmenter, images, ids, by_row, monkeypatch):
    sizes = []
    real = Augmenter.__call__
    monkeypatch.setattr(
        Augmenter, "__call__", lambda self, x, names, epoch=0: (sizes.append(len(x)), real(self, x, names, epoch))[1]
    )
    batches = list(online(augmenter, 2, 2).epoch(3))
    assert sorted(sizes) == [6] * 9 + [7]  # three of two, so that both threads have several such calls
    assert [b.rows.tolist() for b in batches] == [r.tolist() for r in batch_rows(7, 3, len(ids), 2)]
    assert all(0 < b.augment_s < 1 for b in batches)
    assert by_row(batches) == {row: image.tobytes() for row, image in enumerate(real(augmenter, images, ids, 3))}


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (1, "threads"), (1, "processes")])
def test_warming_up_reads_the_loops_in_a_thread_and_gives_no_batch(online, augmenter, monkeypatch, workers, kind):
    seen = []
    real = Augmenter.__call__

    def call(self, x, names, epoch=0):
        seen.append((len(x), threading.current_thread().name.split("_")[0]))
        return real(self, x, names, epoch)

    monkeypatch.setattr(Augmenter, "__call__", call)
    source = online(augmenter, workers, kind=kind)
    source.warm_up()
    assert not source.ready()
    source.close()
    assert seen == ([(1, "augment")] if kind == "threads" and workers else [])


def test_batches_before_a_faulty_one_are_delivered(online, augmenter, labels, ids, monkeypatch):
    real = Augmenter.__call__
    rows = batch_rows(7, 0, len(ids), 2)
    spoilt = ids[rows[4][1]]  # in the middle of what a thread takes together

    def call(self, x, names, epoch=0):
        if spoilt in names.names:
            raise TransformError("images", "a spoilt one", "others", "mend it")
        return real(self, x, names, epoch)

    monkeypatch.setattr(Augmenter, "__call__", call)
    coming = online(augmenter, 2, 2).epoch(0)
    assert [next(coming).rows.tolist() for _ in range(4)] == [r.tolist() for r in rows[:4]]
    with pytest.raises(TransformError, match="a spoilt one"):
        next(coming)


def test_every_worker_has_something_to_do(online, augmenter, monkeypatch):
    """More threads than batches ahead would leave some idle."""
    source = online(augmenter, 6, 1)
    next(source.epoch(0))
    assert len(source._workers._pending) >= 6


@pytest.mark.parametrize(("workers", "prefetch"), [(-1, 4), (1, 0)])
def test_numbers_of_workers_and_batches_ahead_are_checked(images, labels, ids, augmenter, workers, prefetch):
    with pytest.raises(InputError, match="OnlineBatches"):
        OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=4, workers=workers, prefetch=prefetch)


def test_workers_start_once(online, augmenter):
    source = online(augmenter, 1, kind="processes")
    list(source.epoch(0))
    (first,) = multiprocessing.active_children()
    list(source.epoch(1))
    (second,) = multiprocessing.active_children()
    assert first.pid == second.pid
