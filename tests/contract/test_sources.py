"""Every kind of source through one suite: what comes out of them can be ingested, and is the same each time."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.sources.locate import Place, locate
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities.image.decode import Pixels, decode
from augment_ops.modalities.image.sources import open_source
from augment_ops.modalities.source import SPLIT_NAMES, Defect, RawSample

TRAIN, TEST = 24, 9
IMAGES = np.random.default_rng(0).integers(0, 256, (TRAIN + TEST, 7, 5), dtype=np.uint8)
LABELS = np.arange(TRAIN + TEST) % 3


def folder(root: Path) -> str:
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        place = root / "shapes" / ("training" if number < TRAIN else "test") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:02d}.png")
    return str(root / "shapes")


def tar(root: Path) -> str:
    with tarfile.open(root / "shapes.tar.gz", "w:gz") as archive:
        archive.add(folder(root), "shapes")
    return str(root / "shapes.tar.gz")


def idx_file(path: Path, values: np.ndarray, code: int = 0x08) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    data = header + values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def idx(root: Path, suffix: str = ".gz") -> str:
    place = root / "shapes"
    place.mkdir()
    for part, rows in (("train", slice(0, TRAIN)), ("t10k", slice(TRAIN, None))):
        idx_file(place / f"{part}-images-idx3-ubyte{suffix}", IMAGES[rows])
        idx_file(place / f"{part}-labels-idx1-ubyte{suffix}", LABELS[rows].astype(np.uint8))
    return str(place)


def npz(root: Path, **arrays: np.ndarray) -> str:
    parts = {
        "x_train": IMAGES[:TRAIN],
        "y_train": LABELS[:TRAIN],
        "x_test": IMAGES[TRAIN:],
        "y_test": LABELS[TRAIN:],
    }
    np.savez_compressed(root / "shapes.npz", **(arrays or parts))
    return str(root / "shapes.npz")


def table(root: Path) -> pd.DataFrame:
    folder(root)
    paths = sorted(path.relative_to(root).as_posix() for path in (root / "shapes").rglob("*.png"))
    return pd.DataFrame(
        {
            "path": paths,
            "label": [int(path.split("/")[2]) for path in paths],
            "split": [path.split("/")[1] for path in paths],
            "camera": [f"c{number % 2}" for number in range(len(paths))],
            "height": 7,
        }
    )


def csv(root: Path) -> str:
    table(root).to_csv(root / "shapes.csv", index=False)
    return str(root / "shapes.csv")


def parquet(root: Path) -> str:
    table(root).to_parquet(root / "shapes.parquet")
    return str(root / "shapes.parquet")


def voc(root: Path) -> str:
    """Each picture twice as large, with a box around its quarter in the middle: the quarter is the sample."""
    place = root / "shapes"
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (place / part).mkdir(parents=True)
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        scene = np.pad(image[:5], 4)
        Image.fromarray(scene).save(place / "JPEGImages" / f"{number:02d}.png")
        box = "<xmin>5</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax>"
        text = f"<annotation><object><name>{label}</name><bndbox>{box}</bndbox></object></annotation>"
        (place / "Annotations" / f"{number:02d}.xml").write_text(text)
        lists["train" if number < 15 else "val" if number < TRAIN else "test"].append(f"{number:02d}")
    for name, names in lists.items():
        (place / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(names))
    return str(place)


def digits(_: Path) -> str:
    return "digits"


SHAPES: list[Callable[[Path], str]] = [folder, tar, idx, npz, csv, parquet]


@pytest.fixture(params=[*SHAPES, voc, digits], ids=lambda build: build.__name__)
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param(tmp_path))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def content(sample: RawSample) -> bytes:
    pixels = sample.data if isinstance(sample.data, Defect) else decode(sample.data)
    assert not isinstance(pixels, Defect)
    return pixels.tobytes()


def test_samples_are_what_the_protocol_says(uri: str) -> None:
    samples = list(open_source(uri).samples())
    assert len({sample.id for sample in samples}) == len(samples) >= TRAIN + TEST
    for sample in samples:
        assert isinstance(sample.label, str) and sample.label
        assert sample.split is None or sample.split in SPLIT_NAMES.values()
        assert sample.id and not sample.id.startswith("/")
        if isinstance(sample.data, np.ndarray):
            assert sample.data.dtype == np.uint8 and sample.data.ndim in (2, 3)
    assert len({tuple(sample.extra) for sample in samples}) == 1


def test_a_second_reading_gives_the_same_samples(uri: str) -> None:
    first, second = ({s.id: (s.label, s.split, content(s)) for s in open_source(uri).samples()} for _ in range(2))
    assert first == second


def test_it_can_be_ingested_and_ingesting_again_changes_nothing(uri: str, store: Store) -> None:
    manifest = ingest(uri, store)
    written = {path: path.stat().st_mtime_ns for path in Path(store.uri).rglob("*") if path.is_file()}
    assert ingest(uri, store) == manifest
    assert written == {path: path.stat().st_mtime_ns for path in Path(store.uri).rglob("*") if path.is_file()}
    assert manifest.defective == 0
    assert manifest.dataset == ("digits" if uri == "digits" else "shapes")
    assert all(min(counts.values()) > 0 for counts in manifest.counts.values())


@pytest.mark.parametrize("keep", ["pixels", "encoded"])
@pytest.mark.parametrize("build", SHAPES, ids=lambda build: build.__name__)
def test_every_form_holds_the_same_pixels_labels_and_splits(
    build: Callable[[Path], str], keep: Literal["pixels", "encoded"], tmp_path: Path, store: Store
) -> None:
    manifest = ingest(build(tmp_path), store, keep=keep)
    snapshot = Snapshot.open(store, manifest.digest)
    expected = sorted((image.tobytes(), str(label)) for image, label in zip(IMAGES, LABELS, strict=True))
    rows = snapshot.index
    found = snapshot.payload.take(rows["row"].to_numpy())
    assert expected == sorted((image.tobytes(), name) for image, name in zip(found, rows["class_name"], strict=True))
    test = snapshot.split("test")
    assert sorted(image.tobytes() for image in test.take(range(len(test)))) == sorted(
        image.tobytes() for image in IMAGES[TRAIN:]
    )


def test_csv_and_parquet_of_one_table_are_one_snapshot(tmp_path: Path, store: Store) -> None:
    (tmp_path / "p").mkdir()
    first = ingest(csv(tmp_path), store)
    assert ingest(parquet(tmp_path / "p"), store).digest == first.digest
    index = Snapshot.open(store, first.digest).index
    assert set(index["camera"]) == {"c0", "c1"} and set(index["meta_height"]) == {7}


def test_metadata_is_part_of_the_snapshot(tmp_path: Path, store: Store) -> None:
    rows = table(tmp_path)
    rows.to_csv(tmp_path / "shapes.csv", index=False)
    before = ingest(str(tmp_path / "shapes.csv"), store).digest
    rows.assign(camera="c9").to_csv(tmp_path / "shapes.csv", index=False)
    after = ingest(str(tmp_path / "shapes.csv"), store)
    assert after.digest != before
    assert set(Snapshot.open(store, after.digest).index["camera"]) == {"c9"}


def test_digits_use_the_whole_grey_range(store: Store) -> None:
    manifest = ingest("digits", store)
    assert (manifest.samples, manifest.image_shape) == (1797, (8, 8, 1))
    assert manifest.classes == tuple("0123456789")
    snapshot = Snapshot.open(store, manifest.digest)
    pixels = snapshot.payload.take(np.arange(len(snapshot.payload)))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert len(snapshot.split("test").ids) == pytest.approx(0.25 * 1797, abs=5)


def test_plain_idx_files_are_read_as_well(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a").mkdir()
    assert ingest(idx(tmp_path, ""), store).digest == ingest(idx(tmp_path / "a", ".gz"), store).digest


def test_a_file_without_a_name_of_its_own_is_named_after_its_folder(tmp_path: Path) -> None:
    for path, name in (
        ("Street Signs/index.csv", "street-signs"),
        ("digits8/data.npz", "digits8"),
        ("digits8/shapes.npz", "shapes"),
        ("photos/images.tar.gz", "photos"),
        ("photos/images", "images"),  # a folder's name is somebody's choice
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch() if "." in path else (tmp_path / path).mkdir()
        assert locate(str(tmp_path / path), "a file").name == name
    assert Place("index.csv", None, "/index.csv", is_folder=False).name == "index"


def test_data_sets_in_other_scripts_have_names_of_their_own() -> None:
    """Two of one name would be one data set to models, champions and the ledger."""
    names = ["街道标志", "手写数字", "Знаки", "знаки 2", "___", "data", "Straße", "Strasse", "Stra e"]
    found = {name: Place(name, None, f"/{name}", is_folder=True).name for name in names}
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in found.values())
    assert (found["data"], found["Strasse"]) == ("data", "strasse")  # as ever
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert (
        Place("", None, f"/{composed}", is_folder=True).name == Place("", None, f"/{decomposed}", is_folder=True).name
    )


def test_an_index_orders_dates_and_keeps_subjects(tmp_path: Path, store: Store) -> None:
    rows = table(tmp_path).drop(columns=["split"])
    rows["subject"] = [f"s{number % 11}" for number in range(len(rows))]
    rows["time"] = [f"2024-05-{1 + number % 11:02d}T12:00:00+02:00" for number in range(len(rows))]
    rows.to_csv(tmp_path / "shapes.csv", index=False)
    manifest = ingest(str(tmp_path / "shapes.csv"), store)
    assert manifest.split_rule == "by time and subject"
    snapshot = Snapshot.open(store, manifest.digest)
    index = snapshot.index
    assert set(index.loc[index["split"] == "test", "subject"]) == {"s10", "s9", "s8"}
    assert index["time"].min() == pd.Timestamp("2024-05-01T10:00:00Z").timestamp()
    rows["time"] = pd.to_datetime(rows["time"], utc=True)
    rows.to_parquet(tmp_path / "shapes.parquet")
    assert ingest(str(tmp_path / "shapes.parquet"), store).digest == manifest.digest


def test_a_listed_file_that_is_missing_and_a_missing_label_are_defects(tmp_path: Path, store: Store) -> None:
    rows = table(tmp_path).astype({"label": object})
    rows.loc[0, "label"] = None
    Path(tmp_path / rows.loc[1, "path"]).unlink()
    for write, name in ((rows.to_csv, "shapes.csv"), (rows.astype({"label": float}).to_parquet, "shapes.parquet")):
        write(tmp_path / name, index=False)
        snapshot = Snapshot.open(store, ingest(str(tmp_path / name), store).digest)
        assert snapshot.manifest.classes == ("0", "1", "2"), "a column with a gap made 0.0 of 0"
        index = snapshot.index.set_index("sample_id")
        assert index.loc[rows.loc[0, "path"], "defect"] == "label missing"
        assert index.loc[rows.loc[0, "path"], "label"] == -1 and index.loc[rows.loc[0, "path"], "row"] >= 0
        assert index.loc[rows.loc[1, "path"], "defect"] == "unreadable: no such file"
        used = {name for split in ("train", "validation", "test") for name in snapshot.split(split).ids}
        assert used == set(rows["path"][2:])


def test_a_class_may_be_called_na(tmp_path: Path, store: Store) -> None:
    rows = table(tmp_path)
    rows["label"] = rows["label"].map({0: "NA", 1: "null", 2: "None"})
    rows.to_csv(tmp_path / "shapes.csv", index=False)
    manifest = ingest(str(tmp_path / "shapes.csv"), store)
    assert (manifest.classes, manifest.defective) == (("NA", "None", "null"), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"label": "lable", "path": "file"}), "2 faults(.|\n)*Did you mean lable"),
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.assign(split=["tset"] + ["train"] * (len(t) - 1)), "'tset'. Did you mean test"),
        (lambda t: t.assign(split=[None] + ["train"] * (len(t) - 1)), r"split: found nothing in 1 rows \(line 2\)"),
        (lambda t: t.assign(subject=["s"] * (len(t) - 1) + [None]), r"subject: found nothing in 1 rows \(line 34\)"),
        (lambda t: t.assign(time="yesterday"), "ISO 8601"),
        (lambda t: t.assign(path=[None, *t["path"][1:]]), r"no path in 1 rows \(line 2\)"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "1 sample ids more than once"),
        (lambda t: t.assign(split="test"), "only test"),
    ],
)
def test_a_wrong_index_is_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, tmp_path: Path, store: Store
) -> None:
    change(table(tmp_path)).to_csv(tmp_path / "shapes.csv", index=False)
    with pytest.raises(DataError, match=message):
        ingest(str(tmp_path / "shapes.csv"), store)
    assert store.documents("") == []


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES, "labels": LABELS / 2}, "labels: found float64 labels"),
        ({"images": IMAGES, "labels": LABELS.astype(str)}, "labels: found <U"),
        ({"images": IMAGES, "labels": LABELS.astype(object)}, "labels: found Python objects"),
        ({"images": IMAGES, "labels": LABELS[:-1]}, "32 labels for 33 images"),
        ({"images": IMAGES / 255, "labels": LABELS}, "images: found float64 pixels"),
        ({"images": IMAGES.astype(np.int16) * 2, "labels": LABELS}, "images: found int16 pixels"),
        ({"images": IMAGES.reshape(33, 35), "labels": LABELS}, "shape \\(33, 35\\)"),
        ({"pictures": IMAGES}, "found pictures"),
    ],
)
def test_wrong_arrays_are_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path, store: Store) -> None:
    with pytest.raises(DataError, match=message):
        ingest(npz(tmp_path, **arrays), store)


def test_arrays_of_other_integers_and_with_alpha_are_taken(tmp_path: Path, store: Store) -> None:
    wide = np.stack([IMAGES] * 4, axis=-1).astype(np.int64)
    manifest = ingest(npz(tmp_path, images=wide, labels=LABELS[:, None]), store)
    assert manifest.image_shape == (7, 5, 3)
    assert manifest.split_rule == "stratified hash"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY broken"])
def test_a_file_that_is_no_npz_is_refused(data: bytes, tmp_path: Path, store: Store) -> None:
    (tmp_path / "shapes.npz").write_bytes(data)
    with pytest.raises(DataError, match="not an npz archive"):
        ingest(str(tmp_path / "shapes.npz"), store)


def test_damaged_idx_files_are_refused(tmp_path: Path, store: Store) -> None:
    place = Path(idx(tmp_path))
    labels, images = place / "train-labels-idx1-ubyte.gz", place / "train-images-idx3-ubyte.gz"
    whole_labels, whole_images = labels.read_bytes(), images.read_bytes()

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            ingest(str(place), store)
        labels.write_bytes(whole_labels)
        images.write_bytes(whole_images)

    idx_file(labels, LABELS[:TRAIN].astype(np.float32), code=0x0D)
    refused("labels of type 0x0d")
    idx_file(labels, LABELS[: TRAIN - 1].astype(np.uint8))
    refused("24 images, but 23 labels")
    images.write_bytes(whole_images[:-40])
    refused("damaged data|bytes too early")
    images.write_bytes(gzip.compress(gzip.decompress(whole_images)[:-40]))
    refused("the end 40 bytes too early")
    images.write_bytes(gzip.compress(b"<html>404</html>"))
    refused("no IDX header")
    labels.unlink()
    refused("no labels file beside it")
    (place / "emnist-train-images-idx3-ubyte.gz").write_bytes(whole_images)
    refused("several data sets in one folder")


def test_a_link_and_a_hidden_file_are_not_images_twice(tmp_path: Path) -> None:
    root = Path(folder(tmp_path))
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(buffer, "PNG")
    for name in (".hidden.png", "._00.png", "notes.txt", "Thumbs.db"):
        (root / "test" / "0" / name).write_bytes(buffer.getvalue())
    (root / "__MACOSX" / "test" / "0").mkdir(parents=True)
    (root / "__MACOSX" / "test" / "0" / "00.png").write_bytes(b"")
    assert len(list(open_source(str(root)).samples())) == TRAIN + TEST


def test_pixels_of_a_sample_are_not_shared_with_the_next(uri: str) -> None:
    seen: list[Pixels] = []
    for sample in open_source(uri).samples():
        if isinstance(sample.data, np.ndarray):
            seen.append(sample.data)
        if len(seen) == 3:
            break
    assert len({array.tobytes() for array in seen}) == len(seen)
