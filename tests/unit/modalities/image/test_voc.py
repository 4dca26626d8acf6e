from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities.image.sources import open_source
from augment_ops.modalities.source import Defect

BCCD = Path(__file__).resolve().parents[5] / "shared" / "datasets" / "bccd" / "bccd.tar.gz"
SCENE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def annotation(*objects: tuple[str, int, int, int, int]) -> str:
    parts = [
        f"<object><name>{name}</name><truncated>1</truncated><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
        f"<ymax>{y1}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in objects
    ]
    return f"<annotation><filename>other.jpg</filename>{''.join(parts)}</annotation>"


def write(root: Path, annotations: dict[str, str], lists: dict[str, str] | None = None) -> Path:
    place = root / "cells"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for name, text in annotations.items():
        (place / "Annotations" / f"{name}.xml").write_text(text)
        Image.fromarray(SCENE).save(place / "JPEGImages" / f"{name}.png")
    for name, text in (lists or {}).items():
        (place / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return place


TWO = {"a": annotation(("red", 11, 6, 20, 15), ("white", 1, 1, 30, 10)), "b": annotation(("red", 51, 31, 60, 40))}


def packed(place: Path) -> str:
    path = place.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for folder in ("ImageSets", "JPEGImages", "Annotations"):  # images come before what is said of them
            archive.add(place / folder, f"cells/{folder}")
    return str(path)


def test_a_box_is_a_sample_and_its_image_the_subject(tmp_path):
    samples = {s.id: s for s in open_source(str(write(tmp_path, TWO))).samples()}
    assert sorted(samples) == ["a/000", "a/001", "b/000"]
    assert [samples[i].label for i in sorted(samples)] == ["red", "white", "red"]
    assert [samples[i].subject for i in sorted(samples)] == ["a", "a", "b"]
    assert samples["a/001"].extra == {"box_width": 30, "box_height": 10, "truncated": True, "difficult": False}
    assert (samples["a/000"].data == SCENE[5:15, 10:20]).all()
    assert (samples["a/001"].data == SCENE[0:30, 0:30]).all(), "a square, moved into the image"
    assert (samples["b/000"].data == SCENE[30:40, 50:60]).all()


def test_folder_and_tar_give_the_same_snapshot_and_the_lists_give_splits(tmp_path):
    three = TWO | {"c": annotation(("white", 1, 31, 10, 40))}
    place = write(tmp_path, three, {"train": "a\n", "val": "b 1\n", "test": "c\n", "trainval": "a\nb\n"})
    store = Store(str(tmp_path / "store"))
    manifest = ingest(str(place), store, image_size="8x8")
    assert ingest(packed(place), store, image_size="8x8").digest == manifest.digest
    index = Snapshot.open(store, manifest.digest).index.set_index("sample_id")
    assert index["split"].to_dict() == {"a/000": "train", "a/001": "train", "b/000": "validation", "c/000": "test"}
    assert index["box_width"].tolist() == [10, 30, 10, 10]


def test_one_bad_box_or_image_is_a_defect_of_its_samples(tmp_path):
    place = write(tmp_path, TWO | {"c": annotation(("red", 5, 5, 5, 5), ("red", 100, 1, 120, 9))})
    (place / "JPEGImages" / "a.png").write_bytes(b"no image")
    (place / "JPEGImages" / "b.png").unlink()
    texts = {s.id: s.data.text for s in open_source(str(place)).samples() if isinstance(s.data, Defect)}
    assert texts["c/000"] == texts["c/001"] == "shape: a box without area"
    assert texts["b/000"] == "unreadable: no such image"
    assert texts["a/000"].startswith("unreadable")


def test_annotations_that_cannot_be_understood_are_named_all_at_once(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation/>'
    place = write(tmp_path, {"a": "<annotation", "b": bomb, "c": annotation(("", 1, 1, 9, 9)), "d": TWO["a"]})
    for uri in (str(place), packed(place)):
        with pytest.raises(DataError) as caught:
            list(open_source(uri).samples())
        assert [Path(fault.where).name for fault in caught.value.faults] == ["a.xml", "b.xml", "c.xml"]


def test_an_image_in_no_list_is_refused(tmp_path):
    place = write(tmp_path, TWO, {"train": "a\n"})
    with pytest.raises(DataError, match=r"b in none of train\.txt"):
        list(open_source(str(place)).samples())


def test_a_damaged_tar_is_refused(tmp_path):
    path = Path(packed(write(tmp_path, TWO)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="damaged archive"):
        list(open_source(str(path)).samples())


def test_a_folder_of_classes_is_still_one(tmp_path):
    for name in ("red", "white"):
        (tmp_path / "shapes" / name).mkdir(parents=True)
        buffer = io.BytesIO()
        Image.fromarray(SCENE).save(buffer, "PNG")
        (tmp_path / "shapes" / name / "1.png").write_bytes(buffer.getvalue())
    assert {s.label for s in open_source(str(tmp_path / "shapes")).samples()} == {"red", "white"}


@pytest.mark.skipif(not BCCD.exists(), reason=f"{BCCD} is not there")
def test_blood_cells(tmp_path):
    manifest = ingest(str(BCCD), Store(str(tmp_path / "store")), image_size="32x32")
    assert manifest.classes == ("Platelets", "RBC", "WBC")
    assert manifest.samples == 4155 + 372 + 361
    assert manifest.defective == 2, "two boxes of the data set have no area"
    assert manifest.image_shape == (32, 32, 3)
