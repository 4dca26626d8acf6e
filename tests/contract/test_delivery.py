"""What no delivery mode accepts: each says so in the same words, before a batch is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.data.store import Store
from augment_ops.delivery.batches import BatchSource
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, materialise, shard_identity
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing
from support.policies import policy_of

AUGMENT = Augmenter(policy_of("HorizontalFlip: {p: 0.5}"), 7)
N, CLASSES = 13, 3
IMAGES = np.arange(N * 64, dtype=np.uint64).reshape(N, 8, 8, 1).astype(np.uint8)
LABELS = np.arange(N) % CLASSES
IDS = tuple(f"{i:02d}" for i in range(N))
SNAPSHOT = "5" * 64
Source = Callable[..., BatchSource]


def online(store: Store, *, images: Any, labels: Any, ids: Any, seed: int = 7, **more: Any) -> BatchSource:
    return OnlineBatches(images, labels, ids, AUGMENT, seed=seed, workers=0, **more)


def nearline(store: Store, *, images: Any, labels: Any, ids: Any, seed: int = 7, **more: Any) -> BatchSource:
    source = OnlineBatches(images, labels, ids, AUGMENT, seed=seed, workers=0, **more)
    identity = shard_identity(SNAPSHOT, "train", AUGMENT, np.asarray(images).dtype)
    return NearlineBatches(store, source, identity, images, labels, seed=seed, limit_bytes=1 << 20, **more)


def offline(store: Store, *, images: Any, labels: Any, ids: Any, seed: int = 7, **more: Any) -> BatchSource:
    shards = materialise(store, images, ids, AUGMENT, snapshot_digest=SNAPSHOT, split="train", epochs=2)
    return ShardBatches(store, shards, labels, seed=seed, **more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture(params=[online, nearline, offline], ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest, store: Store) -> Source:
    def source(**given: Any) -> BatchSource:
        whole = {"images": IMAGES, "labels": LABELS, "ids": IDS, "batch_size": 4, "classes": CLASSES, **given}
        return request.param(store, **whole)

    return source


def changed(values: Any, at: int, value: Any) -> Any:
    copy = values.copy()
    copy[at] = value
    return copy


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "images missing": ({"images": IMAGES[1:]}, "found 1[23] .*expected as many of each"),
    "labels missing": ({"labels": LABELS[1:]}, "found 1[23] .*expected as many of each"),
    "ids missing": ({"ids": IDS[1:]}, "12 ids; expected as many of each"),
    "no ids": ({"ids": None}, "0 ids; expected as many of each"),
    "too many ids": ({"ids": (*IDS, "more")}, "14 ids; expected as many of each"),
    "an id that is none": ({"ids": (None, *IDS[1:])}, r"ids: found None \(NoneType\)"),
    "an id twice, far apart": ({"ids": (*IDS[:-1], IDS[0])}, "'00' more than once"),
    "nothing": ({"images": IMAGES[:0], "labels": LABELS[:0], "ids": ()}, "0 ids; expected .*one at least"),
    "batch size 0": ({"batch_size": 0}, "batch_size: found 0; expected 1 or more"),
    "batch size -4": ({"batch_size": -4}, "batch_size: found -4"),
    "a label below": ({"labels": changed(LABELS, 5, -1)}, "labels: found the label -1; expected whole numbers from 0"),
    "a label beyond": ({"labels": changed(LABELS, 5, 3)}, "labels: found the label 3; expected .* from 0 to 2"),
    "half a label": ({"labels": LABELS / 2}, r"labels: found float64 \(13,\)"),
    "two labels a sample": ({"labels": np.stack([LABELS, LABELS], 1)}, r"labels: found int64 \(13, 2\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_at_once(make: Source, case: str) -> None:
    given, says = REFUSED[case]
    with pytest.raises(InputError, match=says):
        make(**given)


@pytest.mark.parametrize("make", [nearline, offline], ids=lambda make: make.__name__)
@pytest.mark.parametrize("order", [(np.uint8, np.float32), (np.float32, np.uint8)])
def test_shards_hold_samples_of_any_dtype_and_never_those_of_another(store: Store, make: Any, order: Any) -> None:
    """Floats from 0 to 1 as bytes would be zeros and ones; bytes read as floats a quarter as many."""
    for dtype in order:
        images = (IMAGES / 255).astype(dtype) if dtype is np.float32 else IMAGES
        given = {"images": images, "labels": LABELS, "ids": IDS, "batch_size": 4}
        kept = make(store, **given)
        expected = [batch.samples for batch in online(store, **given).epoch(0)]
        for _ in range(2):  # as it is made, and as it is kept
            found = [batch.samples for batch in kept.epoch(0)]
            assert {one.dtype for one in found} == {np.dtype(dtype)}
            assert all((one == other).all() for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("place", [{"start": -1}, {"step": 0}, {"step": -1}])
def test_a_place_that_counts_from_the_end_is_refused(make: Source, place: dict[str, int]) -> None:
    source = make()
    with pytest.raises(InputError, match="epoch: found start"):
        list(source.epoch(0, **place))
    list(source.epoch(0))  # from what is kept by now
    with pytest.raises(InputError, match="epoch: found start"):
        list(source.epoch(0, **place))


def test_a_mixer_of_another_split_is_refused(make: Source) -> None:
    mixer = Mixer(Mixing(kind="mixup"), AUGMENT, SampleIds.of(IDS[1:]), LABELS[1:], CLASSES)
    with pytest.raises(InputError, match="12 samples to mix; expected as many of each"):
        make(mixer=mixer)


def test_labels_of_any_integers_come_as_int64(make: Source) -> None:
    """torch's losses take no other."""
    for dtype in (np.uint8, np.int32, np.uint64):
        batch = next(iter(make(labels=LABELS.astype(dtype)).epoch(0)))
        assert batch.labels.dtype == np.int64
        assert batch.labels.tolist() == LABELS[batch.rows].tolist()


def test_an_epoch_from_the_cache_comes_as_it_was_recorded(store: Store) -> None:
    mixer = Mixer(Mixing(kind="mixup"), AUGMENT, SampleIds.of(IDS), LABELS, CLASSES)
    source = OnlineBatches(IMAGES, LABELS, IDS, AUGMENT, seed=7, batch_size=4, workers=0, mixer=mixer)
    given: dict[str, Any] = {"labels": LABELS, "seed": 7, "batch_size": 4, "mixer": mixer}
    NearlineBatches(store, source, SNAPSHOT, IMAGES, limit_bytes=1, **given)
    for name, other in {"labels": (LABELS + 1) % CLASSES, "seed": 8, "batch_size": 5, "mixer": None}.items():
        with pytest.raises(InputError, match=f"another {name} than online"):
            NearlineBatches(store, source, SNAPSHOT, IMAGES, limit_bytes=1, **{**given, name: other})


def test_no_epoch_before_the_first(store: Store) -> None:
    """It is not the last one."""
    source = offline(store, images=IMAGES, labels=LABELS, ids=IDS, batch_size=4)
    with pytest.raises(Exception, match="epoch -1: found 2 epochs"):
        list(source.epoch(-1))
