"""Several processes deliver together, batch for batch, what one delivers."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.data.store import Store
from augment_ops.delivery.batches import WHOLE, Share
from augment_ops.delivery.meters import WaitMeter
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, materialise, shard_identity
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.order import Order
from augment_ops.delivery.tensors import EpochDataset
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing, Policy
from support.policies import HEAD

N = 21  # batches of 6: the last has 3 samples, fewer than four processes
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 1), dtype=np.uint8)
LABELS = (np.arange(N) % 3).astype(np.int64)
IDS = tuple(f"{n:03d}" for n in range(N))


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=70),
    batch_size=st.integers(1, 20),
    world=st.integers(1, 9),
    epoch=st.integers(0, 5),
    balanced=st.booleans(),
)
def test_together_they_have_every_batch_of_one_process(labels, batch_size, world, epoch, balanced) -> None:
    order = Order(seed=7, labels=np.array(labels), batch_size=max(batch_size, world), balanced=balanced)
    whole = order.rows(epoch)
    assert len(whole) == len(order)
    parts = [order.rows(epoch, share=Share(rank, world)) for rank in range(world)]
    for number, rows in enumerate(whole):
        of_all = [part[number] for part in parts]
        assert np.concatenate(of_all).tolist() == rows.tolist()
        sizes = [len(part) for part in of_all]
        assert max(sizes) - min(sizes) <= 1
    rows = np.concatenate(whole)
    if not balanced:
        assert sorted(rows.tolist()) == list(range(len(labels)))


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 5]), min_size=1, max_size=60), epoch=st.integers(0, 5))
def test_balanced_classes_come_equally_often_and_their_samples_too(labels, epoch) -> None:
    order = Order(seed=7, labels=np.array(labels), batch_size=4, balanced=True)
    rows = np.concatenate(order.rows(epoch))
    assert len(rows) == len(labels)
    classes = Counter(labels[row] for row in rows.tolist())
    assert max(classes.values()) - min(classes.get(of, 0) for of in set(labels)) <= 1
    for of in set(labels):
        times = Counter(row for row in rows.tolist() if labels[row] == of)
        counts = [times[row] for row, label in enumerate(labels) if label == of]
        assert max(counts) - min(counts) <= 1
    assert np.concatenate(order.rows(epoch)).tolist() == rows.tolist()


def test_a_balanced_epoch_is_another_than_the_one_before() -> None:
    order = Order(seed=7, labels=LABELS, batch_size=6, balanced=True)
    assert np.concatenate(order.rows(0)).tolist() != np.concatenate(order.rows(1)).tolist()


def sources(folder, *, workers: int = 0, mixed: bool = False, balanced: bool = False):
    store = Store(str(folder / "store"))
    augmenter = Augmenter(Policy.from_text(f"{HEAD}  - Affine: {{rotate: [-20, 20]}}\n"), 7)
    mixer = Mixer(Mixing(kind="mixup"), augmenter, SampleIds.of(IDS), LABELS, 3) if mixed else None
    how = {"seed": 7, "batch_size": 6, "mixer": mixer, "balanced": balanced}
    online = OnlineBatches(IMAGES, LABELS, IDS, augmenter, workers=workers, **how)
    identity = shard_identity("5" * 64, "train", augmenter, IMAGES.dtype)
    shards = materialise(store, IMAGES, IDS, augmenter, snapshot_digest="5" * 64, split="train", epochs=2)
    return {
        "online": online,
        "nearline": NearlineBatches(store, online, identity, IMAGES, LABELS, limit_bytes=1 << 20, **how),
        "offline": ShardBatches(store, shards, LABELS, **how),
    }


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", [2, 4])
def test_the_bytes_are_those_of_one_process_in_every_mode(tmp_path, world: int, workers: int, mixed: bool) -> None:
    made = sources(tmp_path, workers=workers, mixed=mixed)
    expected = list(made["online"].epoch(1))
    made["online"].close()
    for one in made.values():
        source = pickle.loads(pickle.dumps(one.again(world)))()  # as another process has it
        parts = [list(source.epoch(1, share=Share(rank, world))) for rank in range(world)]
        for number, batch in enumerate(expected):
            found = [part[number] for part in parts]
            assert np.concatenate([one.samples for one in found]).tobytes() == batch.samples.tobytes()
            assert np.concatenate([one.labels for one in found]).tolist() == batch.labels.tolist()
            if mixed:
                soft = np.concatenate([one.mixed.labels for one in found])
                assert soft.tobytes() == batch.mixed.labels.tobytes()
        source.close()


@pytest.mark.parametrize("how", ["share", "balanced"])
def test_nearline_keeps_no_epoch_with_holes(tmp_path, how: str) -> None:
    source = sources(tmp_path / how, balanced=how == "balanced")["nearline"]
    store = source._store
    for name in list(store.documents("derived/")):  # what offline delivery has made
        store.remove_document(name)
    list(source.epoch(0, share=Share(0, 2) if how == "share" else WHOLE))
    assert not list(store.documents("derived/"))


def test_the_dataset_of_a_process_has_its_share_and_a_length(tmp_path) -> None:
    source = sources(tmp_path)["online"]
    parts = [EpochDataset(source, 1, start=1, rank=rank, world_size=2) for rank in (0, 1)]
    assert [len(part) for part in parts] == [3, 3]
    for (first, _), (second, _), batch in zip(*parts, source.epoch(1, 1), strict=True):
        assert np.concatenate([first.numpy(), second.numpy()]).tobytes() == batch.samples.tobytes()


def test_meters_take_a_share_of_none(tmp_path) -> None:
    source, meter = sources(tmp_path)["online"], WaitMeter()
    parts = list(meter.watch(source, source.epoch(0, share=Share(0, 6))))  # of a last batch of three
    assert len(parts[-1].labels) == 0
    assert len(meter.per_sample_ms) == 3


def test_threads_take_an_epoch_that_begins_with_a_share_of_none(tmp_path) -> None:
    source = sources(tmp_path, workers=1)["online"]
    (batch,) = source.epoch(0, 3, share=Share(0, 6))
    assert batch.samples.shape == (0, 8, 8, 1)
    source.close()


def test_bad_shares_are_refused(tmp_path) -> None:
    source = sources(tmp_path)["online"]
    for rank, world in [(2, 2), (-1, 2), (0, 0)]:
        with pytest.raises(InputError, match="a rank from 0 to world_size - 1"):
            EpochDataset(source, 0, rank=rank, world_size=world)
    with pytest.raises(InputError, match="batches of 6 for 7 processes"):
        next(iter(EpochDataset(source, 0, rank=0, world_size=7)))
