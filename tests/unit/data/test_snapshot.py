"""A snapshot that was altered is never read as if it were whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot, SnapshotManifest, document_name
from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError


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
    with pytest.raises(StoreError, match="another digest"):
        _ = Snapshot.open(store, manifest.digest).index


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
    snapshot = Snapshot.open(store, ingest(str(tmp_path / "index.csv"), store).digest)
    groups = snapshot.group_columns(["05.png", "04.png", "02.png"])
    assert groups == {"site": ["south", None, "north"], "ward": ["2", "1", "2"]}
