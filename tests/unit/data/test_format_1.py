"""A snapshot that the version before shards has written is read as it was, and the same data are the same snapshot."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from augment_ops.content import canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import StoreError

BEFORE = Path(__file__).parent / "snapshot_of_format_1"
DIGEST = "40a37fd488a4fd42565705ec0e5da9107ef003144d67608ad556ec4cf8b006c1"
Keep = Literal["pixels", "encoded"]


@pytest.fixture
def old(tmp_path: Path) -> Store:
    shutil.copytree(BEFORE, tmp_path / "old")
    return Store(str(tmp_path / "old"))


@pytest.fixture
def leaves(tmp_path: Path) -> str:
    """What that snapshot was made of: grey and colour, one of another shape, one empty, every kind of column."""
    root = tmp_path / "leaves"
    root.mkdir()
    lines = ["path,label,subject,time,site,ward,weight,checked"]
    for i in range(30):
        pixels = (np.arange(5 * 4 * (3 if i < 4 else 1)).reshape(5, 4, -1) * (i + 1) % 251).astype(np.uint8)
        if i == 7:
            pixels = np.zeros((6, 4, 1), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
        (root / f"{i:02d}.png").write_bytes(b"" if i == 9 else buffer.getvalue())
        site = "" if i == 5 else ("north", "süd")[i % 2]
        weight = "" if i == 6 else i / 7
        lines.append(f"{i:02d}.png,{'ab'[i % 2]},p{i % 10},{1000 + i},{site},{i % 3},{weight},{i % 2 == 0}")
    (root / "index.csv").write_text("\n".join(lines))
    return str(root / "index.csv")


def files(store: Store) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in Path(store.uri).rglob("*") if path.is_file()}


def test_it_is_read_as_it_was(old: Store) -> None:
    snapshot = Snapshot.open(old, DIGEST)
    assert (snapshot.manifest.format, snapshot.manifest.decoding) == (1, None)
    assert canonical_json(snapshot.manifest) == old.get_document(document_name(DIGEST)), "its document would change"
    assert (len(snapshot.payload), snapshot.payload.shape) == (28, (5, 4, 1))
    assert snapshot.group_columns(["05.png", "06.png"])["site"] == [None, "north"]
    index = snapshot.index.set_index("sample_id")
    assert index.loc["09.png", "defect"] == "unreadable: an empty file" and np.isnan(index.loc["06.png", "weight"])
    split = snapshot.split("test")
    assert (len(split), split.ids[0]) == (7, "08.png")
    np.testing.assert_array_equal(split.take([0])[0, :, :, 0], np.arange(20).reshape(5, 4) * 9 % 251)


@pytest.mark.parametrize("keep", ["pixels", "encoded"])
def test_the_same_data_are_the_same_snapshot(old: Store, store: Store, leaves: str, keep: Keep) -> None:
    manifest = ingest(leaves, store, name="leaves", keep=keep)
    assert (manifest.digest, manifest.format, manifest.images) == (DIGEST, 2, "")
    before, now = Snapshot.open(old, DIGEST), Snapshot.open(store, DIGEST)
    assert before.index.equals(now.index) and (before.index.dtypes == now.index.dtypes).all()
    rows = np.array([3, 27, 0, 3, 14])
    np.testing.assert_array_equal(before.payload.take(rows), now.payload.take(rows))
    assert before.split("train").ids == now.split("train").ids


def test_what_is_there_in_format_1_is_not_written_again(old: Store, leaves: str) -> None:
    before = files(old)
    assert ingest(leaves, old, name="leaves", keep="encoded") == Snapshot.open(old, DIGEST).manifest
    assert files(old) == before


@pytest.mark.parametrize("keep", ["pixels", "encoded"])
def test_a_version_that_knows_only_format_1_refuses_format_2(store: Store, images: Path, keep: Keep) -> None:
    @dataclass(frozen=True)
    class Before:  # the fields that it had no default for
        digest: str
        index: str
        images: str

    manifest = ingest(str(images), store, keep=keep)
    with pytest.raises(StoreError, match="document Before"):
        from_json(Before, store.get_document(document_name(manifest.digest)) or b"")


def test_a_later_format_names_the_newer_version_and_is_no_obstacle_to_ingesting(store: Store, images: Path) -> None:
    manifest = ingest(str(images), store)
    store.put_document(document_name(manifest.digest), b'{"format": 4, "digest": "of another form"}')
    with pytest.raises(StoreError, match=r"(?s)format 4, written by a newer version.*update"):
        Snapshot.open(store, manifest.digest)
    assert ingest(str(images), store) == manifest


def test_a_manifest_is_of_one_format(store: Store, images: Path) -> None:
    document = canonical_json(ingest(str(images), store))
    for found, changed in ((b'"format":2', b'"format":1'), (b'"shards":[{', b'"shards":[],"x":[{')):
        assert found in document
        with pytest.raises(StoreError, match="SnapshotManifest"):
            from_json(SnapshotManifest, document.replace(found, changed))
