"""A snapshot that was altered is never read as if it were whole."""

from __future__ import annotations

import dataclasses
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data import sample_index, snapshot
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.snapshot import SPLITS, Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError
from augment_ops.modalities.image.codec import CODEC as IMAGES


@pytest.fixture
def manifest(images: Path, store: Store) -> SnapshotManifest:
    return ingest(str(images), store)


def test_an_unknown_digest_says_what_to_do(store: Store) -> None:
    with pytest.raises(DataError, match="ingest the data set"):
        Snapshot.open(store, sha256_hex(b"never"))


def test_a_manifest_that_is_not_one_is_refused(store: Store, manifest: SnapshotManifest) -> None:
    store.put_document(document_name(manifest.digest), b"{}")
    with pytest.raises(StoreError, match="SnapshotManifest"):
        Snapshot.open(store, manifest.digest)


def test_a_manifest_under_another_name_is_refused(store: Store, manifest: SnapshotManifest) -> None:
    other = sha256_hex(b"other")
    store.put_document(document_name(other), canonical_json(manifest))
    with pytest.raises(StoreError, match="the manifest of snapshot"):
        Snapshot.open(store, other)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: dataclasses.replace(m, classes=("dog", "cat")),
        lambda m: dataclasses.replace(m, image_shape=(5, 6, 1)),
        lambda m: dataclasses.replace(m, dataset="other"),
    ],
)
def test_a_manifest_changed_by_hand_is_found_out(
    store: Store, manifest: SnapshotManifest, change: Callable[[SnapshotManifest], SnapshotManifest]
) -> None:
    store.put_document(document_name(manifest.digest), canonical_json(change(manifest)))
    for read in (lambda s: s.index, lambda s: s.split("test"), lambda s: s.read_index(["label"])):
        with pytest.raises(StoreError, match="another digest"):
            read(Snapshot.open(store, manifest.digest))


def test_rows_of_the_index_are_read_alike_wherever_its_file_divides_them(
    images: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_index, "ROWS_PER_HASH", 16)
    monkeypatch.setattr(snapshot, "ROWS_PER_HASH", 16)
    manifest = ingest(str(images), store)
    known = Snapshot.open(store, manifest.digest)
    table = pq.read_table(io.BytesIO(store.get(manifest.index)))
    pq.write_table(table, file := io.BytesIO(), row_group_size=7)
    store.put_document(
        document_name(manifest.digest),
        canonical_json(dataclasses.replace(manifest, index=store.put(file.getvalue()))),
    )
    divided = Snapshot.open(store, manifest.digest)
    for name in SPLITS:
        ours, theirs = known.split(name), divided.split(name)
        assert ours.ids == theirs.ids and ours.labels.tolist() == theirs.labels.tolist()
        np.testing.assert_array_equal(ours.take(range(len(ours))), theirs.take(range(len(ours))))
    pd.testing.assert_frame_equal(divided.index, known.index)


def test_a_split_leaves_samples_out_that_have_no_pixels_or_no_label(
    tmp_path: Path, store: Store, make_png: Callable[..., bytes]
) -> None:
    lines = ["path,label,split"]
    for i in range(30):
        (tmp_path / f"{i:02d}.png").write_bytes(make_png(i) if i != 4 else b"nothing")
        lines.append(f"{i:02d}.png,{'' if i == 7 else 'ab'[i % 2]},{'test' if i % 3 == 0 else 'train'}")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    opened = Snapshot.open(store, ingest(str(tmp_path / "index.csv"), store).digest)
    index = opened.index
    for name in SPLITS:
        usable = index[(index["split"] == name) & (index["row"] >= 0) & (index["label"] >= 0)]
        split = opened.split(name)
        assert list(split.ids) == usable["sample_id"].tolist() and split.labels.tolist() == usable["label"].tolist()
        np.testing.assert_array_equal(split.take(range(len(split))), opened.payload.take(usable["row"].to_numpy()))
    left_out = {f"{i:02d}.png" for i in range(30)} - {one for name in SPLITS for one in opened.split(name).ids}
    assert left_out == {"04.png", "07.png"}


def test_opening_a_split_takes_little_of_every_sample(tmp_path: Path) -> None:
    """The index in full is several times that: only ids, labels and rows stay, and a part is read at a time."""
    store, count = Store(str(tmp_path)), 40_000
    numbers, none = list(range(count)), [None] * count
    names = [f"class-{i % 2}/{i:07d}.jpg" for i in numbers]
    table = sample_index.index_table(
        {
            "sample_id": names, "label": [i % 2 for i in numbers], "class_name": ["ab"[i % 2] for i in numbers],
            "split": ["train"] * count, "subject": none, "time": none, "source": names,
            "pixel_sha256": [sha256_hex(name.encode()) for name in names], "height": [1] * count,
            "width": [1] * count, "channels": [1] * count, "defect": none, "row": numbers,
        }.items(),
        IMAGES,
    )  # fmt: skip
    pq.write_table(table, file := io.BytesIO())
    stands_for = sample_index.Digested(dataset="d", classes=("a", "b"), shape=(1, 1, 1), schema=None, codec=IMAGES)
    digest = stands_for.digest(table.column_names, table.to_batches())
    manifest = SnapshotManifest(
        digest=digest,
        dataset="d",
        uri="d",
        classes=("a", "b"),
        image_shape=(1, 1, 1),
        split_rule="none",
        counts={},
        samples=count,
        defective=0,
        index=store.put(file.getvalue()),
        images=store.put(bytes(count)),
    )
    del table, names, numbers, none, file
    opened = Snapshot(store, manifest)
    tracemalloc.start()
    split = opened.split("train")
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(split) == count
    assert kept < 200 * count and most < 400 * count


def test_altered_pixels_are_found_out(store: Store, manifest: SnapshotManifest) -> None:
    path = store.local(manifest.shards[0].object)
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    split = Snapshot.open(store, manifest.digest).split("train")
    with pytest.raises(StoreError, match=f"shard 1 of 1, for sample '{split.ids[3]}'.*altered"):
        split.take([3])


def test_columns_that_form_groups_follow_the_samples_and_leave_out_names_and_measures(
    tmp_path: Path, store: Store, make_png: Callable[..., bytes]
) -> None:
    lines = ["path,label,site,ward,weight,serial,constant"]
    for i in range(60):
        (tmp_path / f"{i:02d}.png").write_bytes(make_png(i))
        site = "" if i == 4 else ("north", "south")[i % 2]
        lines.append(f"{i:02d}.png,{'ab'[i % 2]},{site},{i % 3},{i / 7},x{i},same")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    opened = Snapshot.open(store, ingest(str(tmp_path / "index.csv"), store).digest)
    groups = opened.group_columns(["05.png", "04.png", "02.png"])
    assert groups == {"site": ["south", None, "north"], "ward": ["2", "1", "2"]}
