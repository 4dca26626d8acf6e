"""What a source's fingerprint follows, and what it does not."""

from __future__ import annotations

import os
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest

from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.ingest import ingest
from augment_ops.data.store import Store
from augment_ops.errors import DataError

Take = Callable[[Path], str | None]


@pytest.fixture
def take(store: Store) -> Take:
    return lambda place: fingerprint(str(place), store)


def change_a_byte(root: Path) -> None:
    """The last byte, of a file that keeps its size and its times."""
    file = root / "train" / "cat" / "00.png"
    before, data = file.stat(), file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap_two_files(root: Path) -> None:
    one, other = root / "train" / "cat" / "00.png", root / "train" / "dog" / "00.png"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def put_a_pipe_in_its_place(root: Path) -> None:
    file = root / "train" / "cat" / "00.png"
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "change",
    [
        change_a_byte,
        swap_two_files,
        lambda root: (root / "train" / "cat" / "00.png").rename(root / "train" / "cat" / "0.png"),
        lambda root: shutil.copy(root / "train" / "cat" / "00.png", root / "train" / "cat" / "x.png"),
        lambda root: (root / "train" / "cat" / "00.png").unlink(),
        lambda root: (root / "train" / "emu").mkdir(),
        lambda root: (root / "train" / "cat" / "notes.svg").touch(),
        put_a_pipe_in_its_place,
        lambda root: (root / "train" / "emu").symlink_to(root.parent),
    ],
)
def test_whatever_a_snapshot_of_a_folder_follows_changes_it(images: Path, take: Take, change) -> None:
    before = take(images)
    change(images)
    assert take(images) != before


def test_the_folder_names_the_data_set(images: Path, take: Take) -> None:
    before = take(images)
    assert take(images.rename(images.with_name("animals"))) != before


def test_what_no_snapshot_tells_of_leaves_it(images: Path, take: Take) -> None:
    before = take(images)
    (images / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (images / ".git" / "objects").mkdir(parents=True)
    (images / "train" / "cat" / "Thumbs.db").write_bytes(b"x")
    os.utime(images / "train" / "cat" / "00.png", (1, 1))
    assert take(images) == before


def test_the_order_of_a_folder_is_nobodys_business(images: Path, take: Take, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / images.name
    for file in sorted((p for p in images.rglob("*.png")), reverse=True):
        (other / file.relative_to(images)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, other / file.relative_to(images))
    assert take(other) == take(images)


def test_names_that_are_no_text_are_told_apart(images: Path, take: Take) -> None:
    (images / "train" / "cat" / "\udce9.png").write_bytes(b"x")
    before = take(images)
    (images / "train" / "cat" / "\udce9.png").rename(images / "train" / "cat" / "\udce8.png")
    assert take(images) != before


def test_a_file_outside_counts_where_it_is_read_and_only_there(images: Path, store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes((images / "train" / "cat" / "00.png").read_bytes())
    inside = fingerprint(str(images), store)
    (images / "train" / "cat" / "x.png").symlink_to(outside)
    refused, allowed = (fingerprint(str(images), store, allow_outside=allow) for allow in (False, True))
    assert len({inside, refused, allowed}) == 3
    outside.write_bytes(b"another")
    assert fingerprint(str(images), store) == refused
    assert fingerprint(str(images), store, allow_outside=True) != allowed


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "npz"])
def test_a_file_is_its_bytes_and_its_name(images: Path, take: Take, tmp_path: Path, kind: str) -> None:
    place = tmp_path / f"pack.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            for file in images.rglob("*.png"):
                archive.write(file, str(file.relative_to(images)))
    elif kind == "npz":
        np.savez(place, images=np.zeros((4, 5, 6), np.uint8), labels=np.arange(4) % 2)
    else:
        with tarfile.open(place, "w:gz") as tar:
            tar.add(images, "pets")
    before = take(place)
    copied = tmp_path / "far" / place.name
    copied.parent.mkdir()
    shutil.copy(place, copied)
    assert take(copied) == before
    renamed = place.rename(tmp_path / f"other.{kind}")
    assert take(renamed) != before, "the data set goes by the file's name"
    data = copied.read_bytes()
    copied.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert take(copied) != before


def test_an_index_and_every_file_that_it_lists(images: Path, take: Take) -> None:
    rows = ["path,label", "train/cat/00.png,cat", "train/dog/00.png,dog", "train/dog/gone.png,dog"]
    index = images / "pets.csv"
    index.write_text("\n".join(rows))
    before = take(index)
    index.write_text("\n".join([*rows[:-1], "train/dog/gone.png,cat"]))
    assert take(index) != before
    index.write_text("\n".join(rows))
    (images / "train" / "cat" / "01.png").write_bytes(b"listed by nobody")
    assert take(index) == before
    shutil.copy(images / "train" / "dog" / "00.png", images / "train" / "dog" / "gone.png")
    there = take(index)
    assert there != before
    change_a_byte(images)
    assert take(index) not in (before, there)


def test_idx_files_and_no_others(take: Take, tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "README"):
        (folder / name).write_bytes(b"x")
    before = take(folder)
    (folder / "README").write_bytes(b"y")
    assert take(folder) == before
    (folder / "train-labels-idx1-ubyte").write_bytes(b"y")
    labels = take(folder)
    (folder / "train-images-idx3-ubyte").write_bytes(b"y")
    assert len({before, labels, take(folder)}) == 3


def test_annotations_lists_and_pictures_and_no_others(take: Take, tmp_path: Path) -> None:
    root, seen = tmp_path / "cells", set()
    parts = ("Annotations/a.xml", "JPEGImages/a.jpg", "ImageSets/Main/train.txt", "LICENSE")
    for name in parts:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for name in parts:
        seen.add(take(root))
        (root / name).write_bytes(b"y")
    seen.add(take(root))
    assert len(seen) == len(parts), "every change but that of the licence"


def test_snapshots_digits_and_other_machines(images: Path, store: Store) -> None:
    uris = [f"snapshot:{ingest(place, store).digest}" for place in (str(images), "digits")]
    found = {fingerprint(uri, store) for uri in (*uris, f"{uris[0]}+{'5' * 64}", "digits")}
    assert len(found) == 4
    assert None not in found
    with fsspec.open("memory://far/pets.npz", "wb") as file:
        file.write(b"x")
    assert fingerprint("memory://far/pets.npz", store) is None


def test_what_is_not_there_is_missed_as_by_ingest(images: Path, take: Take, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing at"):
        take(tmp_path / "gone")
    index = images / "pets.csv"
    index.write_text("path,label\n../../secret.png,cat\n")
    with pytest.raises(DataError, match="leads outside"):
        take(index)


def test_a_large_file_is_hashed_in_pieces(take: Take, tmp_path: Path) -> None:
    size = 8 << 20
    for place in (tmp_path / "large.npz", tmp_path / "pets" / "cat" / "large.png"):
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.truncate(size)
    for place in (tmp_path / "large.npz", tmp_path / "pets"):
        take(place)  # imports
        tracemalloc.start()
        take(place)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < size / 8
