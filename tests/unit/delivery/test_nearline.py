"""A cache of epochs with the bytes of online delivery, whatever happens to it."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.data.store import Store
from augment_ops.delivery.nearline import NearlineBatches, ShardCache
from augment_ops.delivery.offline import ShardBatches, materialise, shard_identity, shard_pointer
from augment_ops.delivery.online import OnlineBatches
from augment_ops.errors import InputError, StoreError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Policy

SNAPSHOT = "5" * 64


@pytest.fixture
def near(store, images, labels, ids, augmenter):
    sources = []

    def make(epochs_that_fit: float = 10, workers: int = 0):
        online = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=8, workers=workers)
        sources.append(
            NearlineBatches(
                store,
                online,
                shard_identity(SNAPSHOT, "train", augmenter, np.dtype(np.uint8)),
                images,
                labels,
                seed=7,
                batch_size=8,
                limit_bytes=int(epochs_that_fit * images.nbytes),
            )
        )
        return sources[-1]

    yield make
    for source in sources:
        source.close()


@pytest.fixture
def calls(augmenter, monkeypatch):
    """Epochs that were augmented, a call each."""
    seen: list[int] = []
    real = type(augmenter).__call__
    monkeypatch.setattr(
        type(augmenter), "__call__", lambda self, x, ids, epoch=0: (seen.append(epoch), real(self, x, ids, epoch))[1]
    )
    return seen


def shards(store: Store) -> list[str]:
    return store.documents("derived/")


def test_the_second_time_nothing_is_augmented(near, calls, by_row, augmenter, images, ids, store):
    source = near()
    assert source.ready() is None
    first = list(source.epoch(3))
    assert set(calls) == {3}
    augmented = len(calls)
    again = list(near().epoch(3))
    assert len(calls) == augmented
    assert [b.rows.tolist() for b in again] == [b.rows.tolist() for b in first]
    expected = {row: image.tobytes() for row, image in enumerate(augmenter(images, ids, 3))}
    assert by_row(first) == by_row(again) == expected
    assert len(shards(store)) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_recording_left_midway_leaves_nothing(near, store, workers):
    source = near(workers=workers)
    left = source.epoch(0)
    next(left)
    next(left)
    del left
    assert shards(store) == []
    assert list(store.scratch.glob("*")) == []
    list(source.epoch(0))
    assert len(shards(store)) == 1


def test_an_epoch_resumed_in_the_middle_is_not_recorded_but_may_be_read(near, store):
    source = near()
    rest = [b.samples.tobytes() for b in source.epoch(0, start=2)]
    assert shards(store) == []
    list(source.epoch(0))
    assert [b.samples.tobytes() for b in source.epoch(0, start=2)] == rest


def test_every_second_batch_is_not_recorded_but_may_be_read(near, store):
    source = near()
    second = [b.samples.tobytes() for b in source.epoch(0, 0, 2)]
    assert shards(store) == []
    assert [b.samples.tobytes() for b in source.epoch(0)][::2] == second
    assert [b.samples.tobytes() for b in source.epoch(0, 0, 2)] == second


def test_offline_and_nearline_find_each_others_shards(near, store, images, labels, ids, augmenter, calls):
    manifest = materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="train", epochs=1)
    made = len(calls)
    read = [b.samples.tobytes() for b in near().epoch(0)]
    assert len(calls) == made
    assert read == [b.samples.tobytes() for b in ShardBatches(store, manifest, labels, seed=7, batch_size=8).epoch(0)]
    list(near().epoch(1))
    recorded = len(calls)
    assert materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="train", epochs=2).shards[0]
    assert len(calls) == recorded


def test_a_policy_that_changes_the_size_is_refused(store, images, labels, ids, augmenter):
    text = augmenter.policy.text.partition("transforms:")[0]
    crop = Augmenter(Policy.from_text(f"{text}transforms:\n  - RandomCrop: {{height: 5, width: 6, p: 1.0}}\n"), 7)
    more = {"seed": 7, "batch_size": 8}
    online = OnlineBatches(images, labels, ids, crop, workers=0, **more)
    source = NearlineBatches(
        store,
        online,
        shard_identity(SNAPSHOT, "train", crop, images.dtype),
        images,
        labels,
        limit_bytes=1 << 20,
        **more,
    )
    with pytest.raises(InputError, match=r"nearline: found samples that come as uint8 \(5, 6, 1\)"):
        next(source.epoch(0))
    assert shards(store) == []


def test_the_oldest_goes_when_room_is_wanted(near, store, augmenter, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("augment_ops.delivery.nearline.time.time", lambda: float(next(clock)))
    source = near(epochs_that_fit=2)
    for epoch in (0, 1):
        list(source.epoch(epoch))
    list(source.epoch(0))  # used again: now 1 is the oldest
    list(source.epoch(2))
    identity = shard_identity(SNAPSHOT, "train", augmenter, np.dtype(np.uint8))
    kept = {e for e in range(3) if store.has(_shard(store, identity, e))}
    assert kept == {0, 2}


def test_what_a_manifest_counts_on_is_never_removed(near, store, images, ids, augmenter):
    source = near(epochs_that_fit=1)
    list(source.epoch(0))
    manifest = materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="train", epochs=1)
    list(source.epoch(1))
    list(source.epoch(2))
    assert store.has(manifest.shards[0])


def test_a_cache_too_small_for_an_epoch_is_no_cache(near, store, calls):
    source = near(epochs_that_fit=0.5)
    first = [b.samples.tobytes() for b in source.epoch(0)]
    assert [b.samples.tobytes() for b in source.epoch(0)] == first
    assert shards(store) == []


def test_a_shard_that_is_gone_or_altered_is_made_again(near, store, augmenter):
    source = near()
    expected = [b.samples.tobytes() for b in source.epoch(0)]
    shard = _shard(store, shard_identity(SNAPSHOT, "train", augmenter, np.dtype(np.uint8)), 0)
    path = store.local(shard)
    path.unlink()
    assert [b.samples.tobytes() for b in source.epoch(0)] == expected
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    assert [b.samples.tobytes() for b in source.epoch(0)] == expected
    assert store.local(shard) == path


def test_a_shard_that_cannot_be_read_now_stays_and_the_epoch_comes_online(near, store, augmenter, monkeypatch):
    source = near()
    expected = [b.samples.tobytes() for b in source.epoch(0)]
    shard = _shard(store, shard_identity(SNAPSHOT, "train", augmenter, np.dtype(np.uint8)), 0)
    before = store.local(shard).stat().st_mtime_ns
    with monkeypatch.context() as away:
        away.setattr(store, "local", full)
        assert [b.samples.tobytes() for b in source.epoch(0)] == expected
    assert store.local(shard).stat().st_mtime_ns == before


def full(shard):
    raise StoreError("the cache", "no space left", "some", "free some")


def test_a_manifests_shard_that_was_altered_is_left_to_who_made_it(near, store, images, ids, augmenter):
    manifest = materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="train", epochs=1)
    path = store.local(manifest.shards[0])
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    assert sum(len(b.rows) for b in near().epoch(0)) == len(images)
    assert path.is_file()
    assert not ShardCache(store, 0).owns(manifest.shards[0])


def test_the_cache_forgets_what_others_removed(store):
    cache = ShardCache(store, 100)
    for name in "abc":
        cache.use(store.put(np.full(40, ord(name), np.uint8).tobytes()), 40)
    assert cache.make_room(40)
    assert len(store.documents("cache/shards/")) == 1
    assert not cache.make_room(101)


def _shard(store: Store, identity: str, epoch: int) -> str:
    document = store.get_document(shard_pointer(identity, epoch))
    assert document is not None
    return document.decode().strip('"')
