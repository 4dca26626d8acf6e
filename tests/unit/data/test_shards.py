"""Shards: bounded, verified once a process, decoded where they are asked for, and never read where they are damaged."""

from __future__ import annotations

import dataclasses
import gc
import io
import json
import multiprocessing
import os
import pickle
import resource
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from augment_ops.content import canonical_json
from augment_ops.data import ingest as ingest_module
from augment_ops.data import shards as shards_module
from augment_ops.data import store as store_module
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.shards import Shard, write_encoded
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.spool import Spool
from augment_ops.data.store import Store
from augment_ops.delivery.online import OnlineBatches
from augment_ops.errors import StoreError
from augment_ops.modalities.base import Payload
from augment_ops.modalities.source import Leftovers, RawSample

Keep = Literal["pixels", "encoded"]
KEPT = pytest.mark.parametrize("keep", ["pixels", "encoded"])
SHARD_BYTES = 1000  # some 33 samples of 30 bytes, or some 10 files of 80 to 100


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", SHARD_BYTES)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from here on; those that were just written count as settled."""
    monkeypatch.setattr(store_module, "_SETTLED_AFTER_NS", 0)
    names: list[str] = []
    real = store_module._file_digest

    def counted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(store_module, "_file_digest", counted)
    return names


def pixels_of(images: Path, ids: list[str]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(images / name))[:, :, None] for name in ids])


@KEPT
@pytest.mark.parametrize("mapped", [True, False])
def test_any_rows_of_any_shards(
    images: Path, store: Store, keep: Keep, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_MAPPED_BYTES", 1 << 20 if mapped else 0)
    monkeypatch.setattr(shards_module, "_MOST_OPEN", 2)
    manifest = ingest(str(images), store, keep=keep)
    assert len(manifest.shards) > 3 and sum(shard.samples for shard in manifest.shards) == 100
    for shard in manifest.shards:
        assert store.local(shard.object).stat().st_size == shard.bytes <= SHARD_BYTES + shard.samples * 40 + 8
    payload, index = Snapshot.open(store, manifest.digest).payload, Snapshot.open(store, manifest.digest).index
    ids = index.sort_values("row")["sample_id"].tolist()
    rows = np.array([99, 0, 34, 34, 98, 1, 65])
    found = payload.take(rows)
    np.testing.assert_array_equal(found, pixels_of(images, [ids[row] for row in rows]))
    assert found.flags.owndata and found.flags.c_contiguous and found.flags.writeable
    found[:] = 0
    np.testing.assert_array_equal(payload.take(np.arange(100)), pixels_of(images, ids))
    assert len(payload._open) == 2  # type: ignore[attr-defined]
    assert payload.take(np.array([], np.int64)).shape == (0, 6, 5, 1)
    for beyond in (100, -1):
        with pytest.raises(IndexError):
            payload.take(np.array([0, beyond]))


def test_encoded_files_are_kept_as_they_are(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store, image_size="3x4", channels="3", keep="encoded")
    kept = b"".join(store.get(shard.object) for shard in manifest.shards)
    assert all(path.read_bytes() in kept for path in images.rglob("*.png"))
    assert manifest.decoding == {"size": [3, 4], "channels": 3, "converted": 3}
    other = Store(f"{store.uri}-other")
    assert ingest(str(images), other, image_size="3x4", channels="3").digest == manifest.digest
    rows = np.arange(100)
    np.testing.assert_array_equal(
        Snapshot.open(store, manifest.digest).payload.take(rows),
        Snapshot.open(other, manifest.digest).payload.take(rows),
    )


@KEPT
def test_a_snapshot_is_a_source_whatever_it_keeps(images: Path, store: Store, keep: Keep) -> None:
    first = ingest(str(images), store, keep=keep)
    again = ingest(f"snapshot:{first.digest}", store, name="again", keep=keep)
    assert again.digest != first.digest and again.counts == first.counts
    columns = ["sample_id", "split", "pixel_sha256", "row"]
    one, other = (Snapshot.open(store, manifest.digest) for manifest in (first, again))
    assert one.index[columns].equals(other.index[columns])
    np.testing.assert_array_equal(one.payload.take(np.arange(100)), other.payload.take(np.arange(100)))


@KEPT
def test_a_missing_shard_names_the_sample_and_is_made_again(images: Path, store: Store, keep: Keep) -> None:
    manifest = ingest(str(images), store, keep=keep)
    store.local(manifest.shards[1].object).unlink()
    payload, split = Snapshot.open(store, manifest.digest).payload, Snapshot.open(store, manifest.digest).split("test")
    second = manifest.shards[0].samples
    assert payload.take(np.array([second - 1])).any(), "the other shards are whole"
    with pytest.raises(
        StoreError, match=rf"shard 2 of {len(manifest.shards)}, for sample '.*' in row {second} .*no such"
    ):
        payload.take(np.array([0, second]))
    assert ingest(str(images), store, keep=keep) == manifest
    assert payload.take(np.array([0, second])).any() and split.take([0]).any()


@KEPT
@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"samples": 1}, r"shards of 6\d samples for 100 rows|shards of 9\d samples for 100 rows"),
        ({"bytes": 90}, "for sample .*expected a shard of 90 bytes"),
        ({"samples": 0}, r"found shards\.0: Value error, a shard of 0 samples"),
        ({"samples": 10**15}, r"a shard of 10{15} samples"),
        ({"samples": 10**15, "bytes": 10**18}, "samples for 100 rows"),
    ],
)
def test_a_manifest_whose_shards_are_others_is_found_out(
    images: Path, store: Store, keep: Keep, wrong: dict[str, int], found: str
) -> None:
    manifest = ingest(str(images), store, keep=keep)
    document = json.loads(canonical_json(manifest))
    document["shards"][0] |= wrong
    store.put_document(document_name(manifest.digest), json.dumps(document).encode())
    with pytest.raises(StoreError, match=found):
        Snapshot.open(store, manifest.digest).payload.take(np.array([0]))


@KEPT
def test_shards_that_were_exchanged_are_found_out(images: Path, store: Store, keep: Keep) -> None:
    manifest = ingest(str(images), store, keep=keep)
    first, second, *others = manifest.shards
    change_manifest(store, manifest, (second, first, *others))
    payload = Snapshot.open(store, manifest.digest).payload
    with pytest.raises(StoreError, match=r"shard 1 of \d+, for sample 'test/cat/00.png' .*found other samples than"):
        payload.take(np.array([0]))
    assert payload.take(np.array([99])).any(), "the other shards are whole"


def test_counts_that_lie_move_no_sample_to_another(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store, keep="pixels")
    first, second, *others = manifest.shards
    longer = Shard(store.put(store.get(first.object) + store.get(second.object)[:30]), 34, first.bytes + 30)
    shorter = Shard(store.put(store.get(second.object)[:-30]), 32, second.bytes - 30)
    change_manifest(store, manifest, (longer, shorter, *others))
    payload = Snapshot.open(store, manifest.digest).payload
    assert payload.take(np.array([0])).any()
    with pytest.raises(StoreError, match=r"shard 2 of .*found other samples than those of the index"):
        payload.take(np.array([40]))


_FAR = 2**63 - 1


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ({1: -5}, "places of files that are none"),
        ({1: _FAR}, "places of files that are none"),
        ({1: _FAR, 2: -_FAR - 1, 3: -1}, "places of files that are none"),  # no difference is negative in 64 bits
        ({0: 0}, "places of files that are none"),
        ({-1: 10**6}, "places of files that are none"),
    ],
)
def test_a_forged_head_is_refused(images: Path, store: Store, places: dict[int, int], found: str) -> None:
    manifest = ingest(str(images), store, keep="encoded")
    shard, *others = manifest.shards
    data = bytearray(store.get(shard.object))
    head = np.frombuffer(data, "<i8", shard.samples + 1)
    for number, place in places.items():
        head[number] = place
    change_manifest(store, manifest, (dataclasses.replace(shard, object=store.put(bytes(data))), *others))
    with pytest.raises(StoreError, match=f"shard 1 of .*for sample 'test/cat/01.png' .*{found}"):
        Snapshot.open(store, manifest.digest).payload.take(np.array([1]))


def test_a_forged_count_allocates_nothing(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store, keep="encoded")
    whole = sum(shard.samples for shard in manifest.shards)
    junk = store.put(bytes(200))
    change_manifest(store, manifest, (Shard(junk, whole, 200),))
    with pytest.raises(StoreError, match=r"for sample .*200 bytes, too few for the places of 100 files"):
        Snapshot.open(store, manifest.digest).payload.take(np.array([1]))


@KEPT
def test_a_disk_that_fails_names_the_sample(
    images: Path, store: Store, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_MAPPED_BYTES", 0)
    payload = Snapshot.open(store, ingest(str(images), store, keep=keep).digest).payload
    payload.take(np.array([0]))
    folder = os.open(tmp_path, os.O_RDONLY)
    os.dup2(folder, payload._open[0]._file)  # type: ignore[attr-defined]  # what cannot be read
    os.close(folder)
    with pytest.raises(StoreError, match=r"shard 1 of .*, for sample 'test/cat/01.png' .*found IsADirectoryError"):
        payload.take(np.array([1]))


@pytest.mark.parametrize("forged", [{"size": [10**6, 10**6]}, {"converted": 4}])
def test_a_decoding_to_another_shape_is_refused_before_it_takes_memory(
    images: Path, store: Store, forged: dict[str, object]
) -> None:
    manifest = ingest(str(images), store, keep="encoded")
    document = json.loads(canonical_json(manifest))
    document["decoding"] |= forged
    store.put_document(document_name(manifest.digest), json.dumps(document).encode())
    with pytest.raises(StoreError, match=r"images of \(6, 5, 1\) that are decoded to"):
        Snapshot.open(store, manifest.digest)


def change_manifest(store: Store, manifest: SnapshotManifest, shards: tuple[Shard, ...]) -> None:
    store.put_document(document_name(manifest.digest), canonical_json(dataclasses.replace(manifest, shards=shards)))


@KEPT
def test_what_is_open_is_closed_with_its_payload(
    images: Path, store: Store, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_MAPPED_BYTES", 0)
    snapshot = Snapshot.open(store, ingest(str(images), store, keep=keep).digest)
    payload = snapshot.payload
    gc.disable()  # a cycle would keep hundreds of descriptors, of which a process has 1,024, until it is run
    try:
        payload.take(np.arange(100))
        held = [reader._file for reader in payload._open.values()]  # type: ignore[attr-defined]
        assert len(held) > 3 and all(os.fstat(one).st_size for one in held)
        del payload, snapshot
        for one in held:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(one)
    finally:
        gc.enable()


@KEPT
def test_no_descriptor_left_is_told_as_that(images: Path, store: Store, keep: Keep) -> None:
    payload = Snapshot.open(store, ingest(str(images), store, keep=keep).digest).payload
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(StoreError, match=r"shard 1 of .* in row 0 .*Too many open files"):
            payload.take(np.array([0]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert payload.take(np.array([0])).any()


def test_a_shard_is_verified_once_a_process_and_again_when_it_changes(
    images: Path, store: Store, read: list[str]
) -> None:
    manifest = ingest(str(images), store)
    for _ in range(3):
        assert Snapshot.open(store, manifest.digest).payload.take(np.arange(100)).any()
    assert sorted(read) == sorted(manifest.objects)
    path = store.local(manifest.objects[2])
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.replace(path)
    sample = manifest.shards[0].samples + manifest.shards[1].samples
    with pytest.raises(StoreError, match=r"shard 3 of .*altered"):
        Snapshot.open(store, manifest.digest).payload.take(np.array([sample]))


def test_what_changed_a_moment_ago_is_verified_again(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_SETTLED_AFTER_NS", 3600 * 10**9)
    digest = store.put(b"new")
    assert store.verified(digest) == store.verified(digest)
    assert read == [digest, digest], "a second change within one tick of the clock would not be seen"


@KEPT
def test_threads_that_begin_at_once_verify_a_shard_once(
    images: Path, store: Store, read: list[str], keep: Keep
) -> None:
    manifest = ingest(str(images), store, keep=keep)
    payload = Snapshot.open(store, manifest.digest).payload
    barrier = threading.Barrier(4, timeout=30)

    def all_of_it(_: int) -> bytes:
        barrier.wait()
        return payload.take(np.arange(100)).tobytes()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(all_of_it, range(4)))
    assert len(found) == 1 and sorted(read) == sorted(manifest.objects)


@KEPT
def test_a_process_of_its_own_reads_what_a_pickle_names(images: Path, store: Store, keep: Keep) -> None:
    manifest = ingest(str(images), store, keep=keep)
    split = Snapshot.open(store, manifest.digest).split("train")
    split.take([0])  # what is open stays here
    assert len(pickle.dumps(split.payload)) < 4000, "pixels travel"
    rows = np.array([71, 0, 35])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(split.payload.take, (rows,)), split.take(rows))


def _exit_when_read(payload: Payload) -> None:
    assert payload.take(np.array([0])).any()


def test_a_worker_forked_while_a_thread_verifies_does_not_wait_for_it(images: Path, store: Store) -> None:
    payload = Snapshot.open(store, ingest(str(images), store).digest).payload
    with shards_module._OPENING.lock:
        worker = multiprocessing.get_context("fork").Process(target=_exit_when_read, args=(payload,))
        worker.start()
        worker.join(timeout=30)
    worker.kill()
    worker.join()
    assert worker.exitcode == 0


def with_shards(store: Store, manifest: SnapshotManifest, change: Callable[[int, bytes], bytes]) -> None:
    """Put other files into the shards of a snapshot, each of them whole by its sha256."""
    index = Snapshot.open(store, manifest.digest).index.sort_values("row")
    sha, made, first = index["pixel_sha256"].tolist(), list[Shard](), 0
    for shard in manifest.shards:
        data = store.get(shard.object)
        places = np.frombuffer(data, "<i8", shard.samples + 1)
        files = [change(first + i, data[places[i] : places[i + 1]]) for i in range(shard.samples)]
        sizes = np.array([len(file) for file in files])
        made += write_encoded(store, sizes, sha[first : first + shard.samples], iter(files))
        first += shard.samples
    store.put_document(
        document_name(manifest.digest), canonical_json(dataclasses.replace(manifest, shards=tuple(made)))
    )


def _of_other_pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        changed = np.asarray(image) ^ 1
    buffer = io.BytesIO()
    Image.fromarray(changed).save(buffer, "PNG")
    return buffer.getvalue()


def _of_another_shape(_: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (6, 6)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda data: data[:-30], "truncated"),
        (_of_other_pixels, "decoded to something else"),
        (_of_another_shape, r"\(6, 6, 1\) instead of \(6, 5, 1\)"),
    ],
)
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_file_that_cannot_be_decoded_in_a_worker_is_named(
    images: Path,
    store: Store,
    change: Callable[[bytes], bytes],
    found: str,
    kind: Literal["threads", "processes"],
) -> None:
    manifest = ingest(str(images), store, keep="encoded")
    index = Snapshot.open(store, manifest.digest).index
    victim = int(index.loc[index["split"] == "train", "row"].iloc[40])
    with_shards(store, manifest, lambda row, data: change(data) if row == victim else data)
    split = Snapshot.open(store, manifest.digest).split("train")
    source = OnlineBatches(split.payload, split.labels, split.ids, None, seed=3, batch_size=8, workers=1, kind=kind)
    try:
        with pytest.raises(StoreError, match=f"for sample '{split.ids[40]}' in row {victim} .*{found}"):
            list(source.epoch(0))
    finally:
        source.close()
    split.take([39, 41])  # the others are whole


class Many:
    """N samples of 64x64x3, made when they are asked for."""

    name, leftovers, schema = "many", Leftovers(), None

    def __init__(self, count: int) -> None:
        self._count = count

    def samples(self) -> Iterator[RawSample]:
        rng = np.random.default_rng(0)
        for number in range(self._count):
            pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
            yield RawSample(
                id=f"{number:06d}", label="ab"[number % 2], split=None, subject=None, time=None, source="", data=pixels
            )


@KEPT
def test_memory_does_not_grow_with_the_pixels(store: Store, monkeypatch: pytest.MonkeyPatch, keep: Keep) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 1 << 20)

    def peak(count: int) -> int:
        monkeypatch.setattr(ingest_module, "open_source", lambda *_, **__: Many(count))
        tracemalloc.start()
        manifest = ingest("many", store, keep=keep)
        split = Snapshot.open(store, manifest.digest).split("train")
        for start in range(0, len(split), 32):
            split.take(np.arange(start, min(start + 32, len(split))))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # imports and tables that are made once
    few, many = peak(100), peak(350)
    assert many - few < 250 * 64 * 64 * 3 / 4, "of a sample more is held than its row of the index"


class Tiny:
    """Samples of one class and shape, each word of them made anew; `held` is what memory had when the last was read."""

    name, leftovers, schema, held = "tiny", Leftovers(), None, 0

    def samples(self) -> Iterator[RawSample]:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2000):
            pixels = np.full((300, 1, 1), number % 256, np.uint8)
            pixels[:8, 0, 0] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
            path = f"class-{number % 2}/{number:06d}.png"
            yield RawSample(
                id=path,
                label=f"class-{number % 2}",
                split=None,
                subject=None,
                time=None,
                source=str(path.encode(), "ascii"),
                data=pixels,
            )
        self.held = tracemalloc.get_traced_memory()[0] - before


def test_a_sample_that_was_read_is_its_id_and_its_digest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 1 << 20)
    source = Tiny()
    monkeypatch.setattr(ingest_module, "open_source", lambda *_, **__: source)
    ingest("tiny", store)  # imports and tables that are made once
    tracemalloc.start()
    ingest("tiny", store)
    tracemalloc.stop()
    assert source.held / 2000 < 400, "bytes; a digest in hex, or a source or shape of its own, are 30 to 70 more"


def test_a_spool_frees_its_disk_as_it_is_emptied(tmp_path: Path) -> None:
    with Spool(tmp_path, segment_bytes=10) as spool:
        places = [spool.append(bytes([number]) * 5) for number in range(8)]  # two a segment
        spool.append(b"unused")
        files = list(spool._segments)
        drained = spool.drain([places[i] for i in (1, 0, 2, 7, 3, 4, 5)], [5] * 7)
        assert [next(drained)[0] for _ in range(4)] == [1, 0, 2, 7]
        assert [file.closed for file in files] == [True, False, False, False, True]
        assert [data[0] for data in drained] == [3, 4, 5]
    assert all(file.closed for file in files) and list(tmp_path.iterdir()) == []
