from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.delivery import offline
from augment_ops.delivery.offline import ShardBatches, ShardManifest, materialise
from augment_ops.delivery.online import OnlineBatches
from augment_ops.errors import InputError, StoreError, TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Policy

SNAPSHOT = "5" * 64


@pytest.fixture
def make(store, images, ids, augmenter):
    def write(epochs=3, **other):
        given = {"into": store, "augmenter": augmenter, "snapshot_digest": SNAPSHOT, "split": "train", **other}
        return materialise(
            given["into"],
            images,
            ids,
            given["augmenter"],
            snapshot_digest=given["snapshot_digest"],
            split=given["split"],
            epochs=epochs,
        )

    return write


def files(store) -> list[Path]:
    return [path for path in Path(store.uri).rglob("*") if path.is_file()]


def test_what_normalises_has_no_shards(make, store, normalising):
    with pytest.raises(InputError, match="policy tested: found it ends with Normalize"):
        make(augmenter=normalising)
    assert files(store) == []


@pytest.mark.parametrize("batch_size", [1, 7, 64, 256])
def test_offline_gives_the_batches_that_online_gives(make, store, images, labels, ids, augmenter, batch_size):
    shards = ShardBatches(store, make(), labels, seed=7, batch_size=batch_size)
    online = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=batch_size, workers=0)
    for epoch in range(3):
        pairs = list(zip(shards.epoch(epoch), online.epoch(epoch), strict=True))
        for one, other in pairs:
            assert (one.samples == other.samples).all()
            assert (one.labels == other.labels).all()
            assert (one.rows == other.rows).all()
            assert one.samples.dtype == np.uint8
            assert type(one.samples) is np.ndarray
            one.samples[:] = 0  # belongs to the consumer: the shard on disk keeps its bytes
    shards.close()


def test_a_shard_does_not_depend_on_the_size_of_blocks(make, monkeypatch, tmp_path):
    whole = make(epochs=1)
    monkeypatch.setattr(offline, "_BLOCK_BYTES", 5 * 64)  # five images at a time
    assert make(epochs=1, into=Store(str(tmp_path / "other"))).shards == whole.shards


def test_the_manifest_says_what_decides_the_bytes(make, noise, images):
    manifest = make()
    assert manifest.shape == images.shape
    assert manifest.policy_digest != noise.policy.digest
    assert (manifest.seed, manifest.split, manifest.snapshot_digest) == (7, "train", SNAPSHOT)
    assert len(set(manifest.shards)) == 3
    assert from_json(ShardManifest, canonical_json(manifest)) == manifest
    others = [
        make(epochs=2),
        make(augmenter=noise),
        make(augmenter=Augmenter(noise.policy, 8)),
        make(snapshot_digest="6" * 64),
        make(split="test"),
    ]
    assert len({manifest.digest, *(other.digest for other in others)}) == 6


def test_another_engine_makes_its_own_shards(make, monkeypatch):
    before = make(epochs=1)
    monkeypatch.setattr(Augmenter, "engine", "another/1")
    after = make(epochs=1)
    assert after.digest != before.digest
    assert after.augment_s[0] > 0  # made, not found


def test_what_is_there_is_not_made_again(make, store, monkeypatch):
    first = make(epochs=2)
    before = {path: path.stat().st_mtime_ns for path in files(store)}
    called = []
    monkeypatch.setattr(Augmenter, "__call__", lambda *args: called.append(args))
    again = make(epochs=2)
    assert not called
    assert (again.shards, again.digest, again.augment_s) == (first.shards, first.digest, (0.0, 0.0))
    assert {path: path.stat().st_mtime_ns for path in files(store)} == before


def test_more_epochs_keep_the_first_ones(make):
    assert make(epochs=3).shards[:2] == make(epochs=2).shards


def test_a_shard_that_is_gone_is_made_again(make, store, labels):
    manifest = make()
    store.local(manifest.shards[1]).unlink()
    with pytest.raises(StoreError, match="run the stage that makes it again"):
        list(ShardBatches(store, manifest, labels, seed=7, batch_size=8).epoch(1))
    assert make().shards == manifest.shards
    assert len(list(ShardBatches(store, manifest, labels, seed=7, batch_size=8).epoch(1))) == 8


def test_an_altered_shard_is_refused(make, store, labels):
    manifest = make(epochs=1)
    path = store.local(manifest.shards[0])
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(StoreError, match="sha256"):
        list(ShardBatches(store, manifest, labels, seed=7, batch_size=8).epoch(0))


def test_an_epoch_beyond_the_shards_is_refused(make, store, labels):
    source = ShardBatches(store, make(epochs=2), labels, seed=7, batch_size=8)
    with pytest.raises(StoreError, match="2 epochs; expected at least 3"):
        list(source.epoch(2))


def test_progress_counts_whole_epochs(store, images, ids, augmenter):
    seen = []
    materialise(store, images, ids, augmenter, snapshot_digest=SNAPSHOT, split="t", epochs=3, progress=seen.append)
    assert seen == [0, 1, 2]


def test_a_disk_that_fills_up_leaves_whole_shards_only(make, store, files_up_to, monkeypatch):
    """61 images are 3,904 bytes a shard; the operating system itself refuses the write."""
    first = make(epochs=1)
    before = sorted(files(store))
    with files_up_to(2000), pytest.raises(StoreError):
        make(epochs=3)
    assert sorted(files(store)) == before
    whole = make(epochs=3)  # space again: goes on after the last whole shard
    assert whole.shards[0] == first.shards[0]
    assert whole.augment_s[0] == 0
    assert min(whole.augment_s[1:]) > 0


_MATERIALISE_AND_DIE = """
import os, signal, sys
import numpy as np
from augment_ops.data.store import Store
from augment_ops.delivery import offline
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Policy

folder, policy, images = sys.argv[1:]
offline._BLOCK_BYTES = 10 * 64
real, calls = Augmenter.__call__, []

def call(self, *given):
    calls.append(1)
    if len(calls) > 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *given)

Augmenter.__call__ = call
images = np.load(images)
ids = tuple(f"{n:03d}" for n in range(len(images)))
augmenter = Augmenter(Policy.load(policy), 7)
offline.materialise(Store(folder), images, ids, augmenter, snapshot_digest="5" * 64, split="train", epochs=1)
"""


def test_a_killed_process_is_continued_in_the_middle_of_a_shard(make, images, augmenter, tmp_path, monkeypatch):
    """kill -9 after four of seven blocks: three are kept, because the last one may not have reached the disk."""
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "tested.yaml").write_text(augmenter.policy.text)
    arguments = [str(tmp_path / name) for name in ("other", "tested.yaml", "images.npy")]
    killed = subprocess.run([sys.executable, "-c", _MATERIALISE_AND_DIE, *arguments], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    store = Store(str(tmp_path / "other"))
    assert store.documents("") == []
    assert [path.stat().st_size for path in files(store)] == [4 * 10 * 64]
    expected = make(epochs=1).shards
    monkeypatch.setattr(offline, "_BLOCK_BYTES", 10 * 64)
    sizes: list[int] = []
    real = Augmenter.__call__
    monkeypatch.setattr(Augmenter, "__call__", lambda self, x, *more: (sizes.append(len(x)), real(self, x, *more))[1])
    assert make(epochs=1, into=store).shards == expected
    assert sizes == [10, 10, 10, 1]
    assert list(store.scratch.iterdir()) == []


def test_a_policy_that_changes_the_size_has_shards_of_that_size(make, store, images, labels, ids, augmenter):
    text = augmenter.policy.text.partition("transforms:")[0]
    crop = Augmenter(Policy.from_text(f"{text}transforms:\n  - RandomCrop: {{height: 5, width: 6, p: 1.0}}\n"), 7)
    manifest = make(augmenter=crop, epochs=1)
    assert manifest.shape == (len(images), 5, 6, 1)
    for batch in ShardBatches(store, manifest, labels, seed=7, batch_size=16).epoch(0):
        assert (batch.samples == crop(images, ids, 0)[batch.rows]).all()


def test_no_space_left_is_said_with_the_size(make, store, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match=r"no space left on the device \(3,904 bytes were to be written\)"):
        make(epochs=1)
    assert files(store) == []


def test_nothing_is_left_where_a_transform_refuses(make, store, wrong):
    with pytest.raises(TransformError):
        make(augmenter=wrong)
    assert files(store) == []
