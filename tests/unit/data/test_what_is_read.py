"""Nothing that lies in a data set vanishes without a word."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities.image.codec import ImageReading
from augment_ops.modalities.image.decode import decode
from augment_ops.modalities.image.sources import open_source
from augment_ops.modalities.source import Defect
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.rules import QualityRules

MakePng = Callable[..., bytes]
RULES = Path(__file__).resolve().parents[3] / "policies" / "quality" / "default.yaml"
COLOUR = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "pets" / name).write_bytes(data)
    return root / "pets"


@pytest.fixture
def pets(tmp_path: Path, make_png: MakePng) -> Path:
    return write(tmp_path, {f"{'cat' if n % 2 else 'dog'}/{n:02d}.png": make_png(n) for n in range(24)})


@pytest.mark.parametrize("kind", ["PPM", "TIFF", "WEBP", "GIF"])
def test_formats_keep_their_pixels(kind: str) -> None:
    grey = COLOUR[:, :, 0]
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    colour = decode(encoded(COLOUR, kind, **options))
    assert not isinstance(colour, Defect)
    if kind == "GIF":  # 256 colours at most
        assert colour.shape == COLOUR.shape
    else:
        np.testing.assert_array_equal(colour, COLOUR)
    if kind != "WEBP":  # which has no grey
        found = decode(encoded(grey, kind))
        assert not isinstance(found, Defect)
        np.testing.assert_array_equal(found[:, :, 0], grey)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_read(kind: str) -> None:
    first, second = (Image.fromarray(np.full((6, 5), value, np.uint8)) for value in (40, 200))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=[second])
    pixels = decode(buffer.getvalue())
    assert not isinstance(pixels, Defect)
    assert abs(int(pixels.max()) - 40) <= 2 and pixels.shape[:2] == (6, 5)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "GIF", "PPM"])
def test_no_cut_file_of_these_is_taken_for_another_picture(kind: str) -> None:
    data = encoded(COLOUR, kind)
    whole = decode(data)
    for length in range(len(data)):
        cut = decode(data[:length])
        assert isinstance(cut, Defect) or np.array_equal(cut, whole), f"{length} of {len(data)} bytes"


def test_floating_point_pixels_are_no_picture() -> None:
    result = decode(encoded(np.full((4, 4), 0.5, np.float32), "TIFF"))
    assert isinstance(result, Defect) and "floating point" in result.text


def test_a_class_folder_without_samples_fails_the_check(pets: Path, store: Store) -> None:
    write(
        pets.parent,
        {"fox/1.heic": b"x", "fox/2.heic": b"x", "cat/notes.txt": b"x", "LICENSE": b"x", "cat/Thumbs.db": b"x"},
    )
    (pets / "elk").mkdir()
    (pets / ".git").mkdir()
    manifest = ingest(str(pets), store)
    assert manifest.classes == ("cat", "dog")
    assert manifest.reading.notes(manifest.image_shape) == [
        "class folder elk has no sample",
        "class folder fox has no sample",
        "1 file in cat/ not read, such as notes.txt: .txt files are not read",
        "2 files in fox/ not read, such as 1.heic: .heic files are not read",
    ]
    checks = {
        check.name: check
        for check in check_snapshot(Snapshot.open(store, manifest.digest), QualityRules.load(RULES)).checks
    }
    empty, left = checks["classes-without-samples"], checks["files-left-out"]
    assert (empty.status, empty.measured, left.status, left.measured) == ("fail", 2, "warn", 3)
    assert "elk, fox" in empty.message and "1.heic" in empty.message


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_archives_say_the_same_as_folders(suffix: str, pets: Path, store: Store) -> None:
    write(pets.parent, {"fox/1.heic": b"x"})
    (pets / "elk").mkdir()
    folder, archive = ingest(str(pets), store), pets.with_suffix(suffix)
    if suffix == ".tar":
        with tarfile.open(archive, "w") as tar:
            tar.add(pets, "pets")
    else:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(pets.rglob("*")):
                packed.write(path, path.relative_to(pets.parent))
    packed_up = ingest(str(archive), store)
    assert packed_up.digest == folder.digest
    assert packed_up.reading.empty_classes == folder.reading.empty_classes == ("elk", "fox")


def test_what_is_left_out_is_no_part_of_the_digest_but_of_the_latest_reading(pets: Path, store: Store) -> None:
    before = ingest(str(pets), store)
    (pets / "elk").mkdir()
    after = ingest(str(pets), store)
    assert (after.digest, after.reading.empty_classes) == (before.digest, ("elk",))
    assert Snapshot.open(store, after.digest).manifest == after


def test_a_manifest_from_before_is_read(pets: Path, store: Store) -> None:
    manifest = ingest(str(pets), store)
    name = f"snapshots/{manifest.digest}.json"
    old = (store.get_document(name) or b"").partition(b'"reading":')
    rest = old[2].partition(b"},")[2]
    store.put_document(name, old[0] + rest)
    assert b"reading" not in (store.get_document(name) or b"")
    assert Snapshot.open(store, manifest.digest).manifest.reading == ImageReading()


def test_class_folders_below_splits(tmp_path: Path, make_png: MakePng) -> None:
    files = {
        f"{split}/{name}/{n}.png": make_png(n)
        for n, (split, name) in enumerate((split, name) for split in ("train", "test") for name in ("cat", "dog"))
    }
    source = open_source(str(write(tmp_path, files | {"train/fox/a.svg": b"x", "train/readme.md": b"x"})))
    list(source.samples())
    assert source.leftovers.empty == ("fox",)
    assert [one.folder for one in source.leftovers.found()] == ["train/fox"]


@pytest.mark.parametrize(
    ("grey", "channels", "shape", "converted"),
    [(4, "auto", 3, 4), (20, "auto", 1, 4), (12, "auto", 3, 12), (4, "1", 1, 0), (20, "3", 3, 0), (0, "auto", 3, 0)],
)
def test_grey_among_colour(
    grey: int, channels: str, shape: int, converted: int, tmp_path: Path, store: Store, make_png: MakePng
) -> None:
    files = {
        f"{'cat' if n % 2 else 'dog'}/{n:02d}.png": make_png(n, mode="L" if n < grey else "RGB") for n in range(24)
    }
    manifest = ingest(str(write(tmp_path, files)), store, channels=channels)
    assert (manifest.defective, manifest.image_shape[2], manifest.reading.converted) == (0, shape, converted)
    snapshot = Snapshot.open(store, manifest.digest)
    row = snapshot.index.set_index("sample_id").loc["dog/00.png"]
    expected = Image.open(io.BytesIO(files["dog/00.png"])).convert("L" if shape == 1 else "RGB")
    np.testing.assert_array_equal(snapshot.payload.take(np.array([row["row"]])).squeeze(), np.asarray(expected))
    said = manifest.reading.notes(manifest.image_shape)
    assert bool(said) == bool(converted) and all("--channels auto" in note for note in said)


def test_as_is_leaves_the_rarer_kind_out(tmp_path: Path, store: Store, make_png: MakePng) -> None:
    files = {f"{'cat' if n % 2 else 'dog'}/{n:02d}.png": make_png(n, mode="L" if n < 4 else "RGB") for n in range(24)}
    assert ingest(str(write(tmp_path, files)), store, channels="as-is").defective == 4


def test_names_that_are_not_utf8_are_written_out(pets: Path, store: Store, make_png: MakePng) -> None:
    (pets / "cat" / os.fsdecode(b"caf\xe9.png")).write_bytes(make_png(99))
    (pets / os.fsdecode(b"b\xe4r")).mkdir()
    for number in range(3):
        (pets / os.fsdecode(b"b\xe4r") / f"{number}.png").write_bytes(make_png(100 + number))
    with tarfile.open(pets.with_suffix(".tar"), "w") as tar:
        tar.add(pets, "pets")
    manifest = ingest(str(pets), store)
    assert manifest.classes == ("b\\xe4r", "cat", "dog")
    assert "cat/caf\\xe9.png" in set(Snapshot.open(store, manifest.digest).index["sample_id"])
    assert ingest(str(pets.with_suffix(".tar")), store).digest == manifest.digest


def test_a_data_set_of_unread_files_names_one(tmp_path: Path) -> None:
    place = write(tmp_path, {f"cat/{n}.heic": b"x" for n in range(3)})
    with pytest.raises(DataError, match=r"no image file in it, but cat/0\.heic"):
        list(open_source(str(place)).samples())


def scene(root: Path, annotation: str, *, exif: int | None = None, name: str = "a") -> Path:
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {}
    if exif is not None:
        tags = Image.Exif()
        tags[0x0112] = exif
        options = {"exif": tags.tobytes()}
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 30:] = 200  # at the right as it is stored
    (root / "JPEGImages" / f"{name}.jpg").write_bytes(encoded(pixels, "JPEG", quality=95, **options))
    (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{annotation}</annotation>")
    return root


def box(x0: object, y0: int, x1: int, y1: int) -> str:
    corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
    return f"<object><name>thing</name><bndbox>{corners}</bndbox></object>"


@pytest.mark.parametrize(
    ("size", "corners"),
    [("<size><width>40</width><height>20</height></size>", (31, 1, 40, 10)),  # drawn on the picture as it is stored
     ("<size><width>20</width><height>40</height></size>", (1, 31, 10, 40)),  # … as it is seen
     ("", (1, 31, 10, 40)), ("<size><width>0</width><height>0</height></size>", (1, 31, 10, 40))],
)  # fmt: skip
def test_the_size_of_an_annotation_decides_whether_exif_turns(
    size: str, corners: tuple[int, ...], tmp_path: Path
) -> None:
    place = scene(tmp_path / "voc", size + box(*corners), exif=6)  # turned, what is at the right goes down
    (sample,) = open_source(str(place)).samples()
    assert isinstance(sample.data, np.ndarray) and sample.data.mean() > 180


@pytest.mark.parametrize("number", ["1e400", "-inf", "nan", "ten", "9" * 5000, "0x10", "2000000"])
def test_numbers_beyond_bounds_are_named(number: str, tmp_path: Path) -> None:
    place = scene(tmp_path / "voc", box(number, 1, 10, 10))
    with pytest.raises(DataError, match=r"a\.xml: found xmin .* which is no number within"):
        list(open_source(str(place)).samples())


def test_names_with_spaces_and_suffixes_in_capitals(tmp_path: Path) -> None:
    place = tmp_path / "voc"
    for name in ("photo (1)", "photo (2)", "plain", "with flag"):
        scene(place, box(1, 1, 10, 10), name=name)
    (place / "Annotations" / "plain.xml").rename(place / "Annotations" / "plain.XML")
    lists = place / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("photo (1)\nplain\n")
    (lists / "test.txt").write_text("photo (2)\nwith flag -1\n")
    splits = {sample.subject: sample.split for sample in open_source(str(place)).samples()}
    assert splits == {"photo (1)": "train", "plain": "train", "photo (2)": "test", "with flag": "test"}
