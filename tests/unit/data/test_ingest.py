"""From small folders to snapshots: content, digests, defects, refusals."""

from __future__ import annotations

import errno
import io
import tarfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data import spool
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import document_name
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError

MakePng = Callable[..., bytes]


def stored(store: Store) -> dict[str, int]:
    root = Path(store.uri)
    return {str(p.relative_to(root)): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def test_a_snapshot_holds_what_the_folder_holds(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store)
    assert (manifest.dataset, manifest.classes, manifest.image_shape) == ("pets", ("cat", "dog"), (6, 5, 1))
    assert (manifest.samples, manifest.defective) == (100, 0)
    assert manifest.split_rule == "given by the source; validation from train, stratified hash"
    assert manifest.counts == {
        "train": {"cat": 36, "dog": 36},
        "validation": {"cat": 4, "dog": 4},
        "test": {"cat": 10, "dog": 10},
    }
    snapshot = Snapshot.open(store, manifest.digest)
    assert snapshot.manifest == manifest
    assert tuple(snapshot.index.columns) == (
        "sample_id", "label", "class_name", "split", "subject", "time", "source",
        "pixel_sha256", "height", "width", "channels", "defect", "row",
    )  # fmt: skip
    for row in snapshot.index.itertuples():
        expected = np.asarray(Image.open(images / row.sample_id))
        np.testing.assert_array_equal(snapshot.payload.take(np.array([row.row]))[0, :, :, 0], expected)
        assert row.pixel_sha256 == sha256_hex(expected.tobytes())
        assert row.class_name == row.sample_id.split("/")[1] == manifest.classes[row.label]
        assert row.defect is None and row.subject is None and np.isnan(row.time)


@pytest.mark.parametrize("forged", ["other pixels", "samples left out"])
def test_a_snapshot_that_is_there_is_believed_for_the_pixels_that_it_holds(
    tmp_path: Path, store: Store, forged: str
) -> None:
    """Its manifest is a document, which whoever writes to the store can have name other objects of it."""
    pixels, labels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez(tmp_path / "pets.npz", images=pixels, labels=labels)
    ours = ingest(str(tmp_path / "pets.npz"), store)
    if forged == "other pixels":
        np.savez(tmp_path / "inverse.npz", images=255 - pixels, labels=labels)
        other = replace(ours, shards=ingest(str(tmp_path / "inverse.npz"), store).shards)
    else:
        table = pq.read_table(io.BytesIO(store.get(ours.index)))
        rows = pa.array([-1, *range(1, 40)], pa.int64())
        buffer = io.BytesIO()
        pq.write_table(table.set_column(table.column_names.index("row"), "row", rows), buffer)
        other = replace(ours, index=store.put(buffer.getvalue()))
    name = document_name(ours.digest)
    store.put_document(name, canonical_json(other))
    assert Snapshot.open(store, ours.digest).index is not None  # nothing is amiss with it, by its digest
    assert ingest(str(tmp_path / "pets.npz"), store) == ours
    assert store.get_document(name) == canonical_json(ours)


def test_a_split_is_ordered_by_id_with_its_own_pixels(images: Path, store: Store) -> None:
    snapshot = Snapshot.open(store, ingest(str(images), store).digest)
    for name, count in (("train", 72), ("validation", 8), ("test", 20)):
        split = snapshot.split(name)
        index = snapshot.index
        assert list(split.ids) == sorted(split.ids) == list(index.loc[index["split"] == name, "sample_id"])
        pixels = split.take(range(count))
        assert len(split) == count and pixels.shape == (count, 6, 5, 1) and pixels.dtype == np.uint8
        assert split.labels.dtype == np.int64 and split.labels.shape == (count,)
        for sample_id, label, image in zip(split.ids, split.labels, pixels, strict=True):
            np.testing.assert_array_equal(image[:, :, 0], np.asarray(Image.open(images / sample_id)))
            assert snapshot.manifest.classes[label] in sample_id
        pixels[:] = 0  # a copy: the snapshot stays as it is
        assert split.take([count - 1, 0]).any(axis=(1, 2, 3)).all()
        with pytest.raises(IndexError):
            split.take([count])
    with pytest.raises(DataError, match=r"train \| validation \| test"):
        snapshot.split("val")


def test_container_order_and_place_do_not_change_the_digest(
    images: Path, store: Store, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    folder = ingest(str(images), store)
    before = stored(store)
    archive = ingest(str(pack(images, tmp_path / "pets.tar.gz")), store)
    assert archive == folder
    assert stored(store) == before, "the same content was written again"
    deeper = tmp_path / "deep" / "er"
    deeper.mkdir(parents=True)
    images.rename(deeper / "pets")
    assert ingest(str(tmp_path / "deep"), store, name="pets").digest == folder.digest
    assert ingest(f"file://{deeper}/pets/", Store(str(tmp_path / "other"))).digest == folder.digest


@pytest.mark.parametrize("change", ["pixel", "label", "split", "id", "name", "size"])
def test_every_change_of_content_changes_the_digest(images: Path, store: Store, make_png: MakePng, change: str) -> None:
    before = ingest(str(images), store).digest
    victim = images / "train" / "cat" / "00.png"
    name, image_size = "pets", ""
    if change == "pixel":
        victim.write_bytes(make_png(12345))
    elif change == "label":
        victim.rename(images / "train" / "dog" / "moved.png")
    elif change == "split":
        victim.rename(images / "test" / "cat" / "moved.png")
    elif change == "id":
        victim.rename(victim.with_name("renamed.png"))
    elif change == "name":
        name = "cats"
    else:
        image_size = "3x3"
    assert ingest(str(images), store, name=name, image_size=image_size).digest != before


def test_damaged_files_are_rows_not_exceptions(images: Path, store: Store, make_png: MakePng) -> None:
    whole = (images / "train/cat/03.png").read_bytes()
    (images / "train/cat/00.png").write_bytes(b"")
    (images / "train/cat/01.png").write_bytes(b"<html>404</html>")
    (images / "train/cat/02.png").write_bytes(make_png(7, size=(9, 5)))
    (images / "train/cat/03.png").write_bytes(whole[: len(whole) // 2])
    (images / "train/cat/04.png").write_bytes(make_png(8, mode="RGB"))
    manifest = ingest(str(images), store, channels="as-is")
    assert (manifest.samples, manifest.defective, manifest.image_shape) == (100, 5, (6, 5, 1))
    snapshot = Snapshot.open(store, manifest.digest)
    index = snapshot.index.set_index("sample_id")
    defects = {name: index.loc[f"train/cat/0{name}.png", "defect"] for name in range(6)}
    assert defects[0] == "unreadable: an empty file"
    assert defects[1].startswith("unreadable: not a")
    assert defects[2] == "shape 9x5x1 instead of 6x5x1"
    assert defects[3].startswith("truncated:")
    assert defects[4] == "shape 6x5x3 instead of 6x5x1"
    assert defects[5] is None
    broken = index[index["defect"].notna()]
    assert (broken["row"] == -1).all() and len(snapshot.payload) == 95
    assert broken.loc["train/cat/02.png", ["height", "width", "channels"]].tolist() == [9, 5, 1]
    ids = {name for split in ("train", "validation", "test") for name in snapshot.split(split).ids}
    assert ids == set(index.index) - set(broken.index)
    assert sum(sum(counts.values()) for counts in manifest.counts.values()) == 95


def test_resizing_makes_different_sizes_one_shape(images: Path, store: Store, make_png: MakePng) -> None:
    (images / "train/cat/00.png").write_bytes(make_png(7, size=(30, 20)))
    manifest = ingest(str(images), store, image_size="4x3")
    assert (manifest.image_shape, manifest.defective) == ((4, 3, 1), 0)


def test_a_draw_of_samples_does_not_depend_on_the_container(
    images: Path, store: Store, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    few = ingest(str(images), store, max_samples=60)
    assert few.samples == 60
    assert ingest(str(pack(images, tmp_path / "pets.tar.gz")), store, max_samples=60).digest == few.digest
    assert all(min(counts.values()) > 0 for counts in few.counts.values())
    drawn = set(Snapshot.open(store, few.digest).index["sample_id"])
    fewer = ingest(str(images), store, max_samples=40)
    assert set(Snapshot.open(store, fewer.digest).index["sample_id"]) < drawn


def test_classes_of_integers_are_sorted_as_numbers(store: Store, tmp_path: Path, make_png: MakePng) -> None:
    for number in range(12):
        folder = tmp_path / "numbers" / str(number)
        folder.mkdir(parents=True)
        for copy in range(4):
            (folder / f"{copy}.png").write_bytes(make_png(number * 10 + copy))
    assert ingest(str(tmp_path / "numbers"), store).classes == tuple(map(str, range(12)))


def test_progress_counts_what_was_read(images: Path, store: Store) -> None:
    told: list[int] = []
    ingest(str(images), store, max_samples=60, progress=told.append)
    assert told[-1] == 100


def test_a_missing_object_is_written_again(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store)
    store.local(manifest.shards[0].object).unlink()
    assert ingest(str(images), store) == manifest
    assert len(Snapshot.open(store, manifest.digest).payload) == 100


def test_two_at_once_leave_one_whole_snapshot(images: Path, tmp_path: Path) -> None:
    barrier = threading.Barrier(2, timeout=30)

    class Meeting(Store):
        def put_chunks(self, chunks: Iterable[bytes], size: int | None = None) -> str:
            barrier.wait()  # both have found nothing there, and both write now
            return super().put_chunks(chunks, size)

    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(ingest(str(images), Meeting(str(tmp_path / "store")))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    store = Store(str(tmp_path / "store"))
    assert len(found) == 2 and found[0] == found[1]
    assert len(stored(store)) == 3, "one manifest, one index, one shard"
    assert len(Snapshot.open(store, found[0].digest).split("train").ids) == 72


@pytest.mark.parametrize("where", ["spool", "object", "document"])
def test_a_full_disk_leaves_no_snapshot_and_the_next_try_works(
    images: Path, store: Store, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "spool":
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        # Refuses what was buffered when it is flushed, and again when it is closed, as a full disk does.
        monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115
    else:
        target = {"object": "augment_ops.data.store", "document": "augment_ops.data.blobs"}[where]
        monkeypatch.setattr(f"{target}.write_durably", full)
    with pytest.raises(StoreError, match="no space left"):
        ingest(str(images), store)
    monkeypatch.undo()
    assert store.documents("") == []
    assert list(store.scratch.iterdir()) == []
    ingest(str(images), store)
    assert len(store.documents("snapshots/")) == 1


def test_refusals_name_what_was_found_and_change_nothing(tmp_path: Path, store: Store, make_png: MakePng) -> None:
    names = ("empty", "single", "loose", "broken", "mixed", "twice", "flat")
    empty, single, loose, broken, mixed, twice, flat = (tmp_path / name for name in names)
    empty.mkdir()
    (single / "cat").mkdir(parents=True)
    (single / "cat" / "1.png").write_bytes(make_png(1))
    loose.mkdir()
    (loose / "1.png").write_bytes(make_png(1))
    for name in ("cat", "dog"):
        (broken / name).mkdir(parents=True)
        (broken / name / "1.png").write_bytes(b"nothing")
        (mixed / "train" / name).mkdir(parents=True)
        (mixed / "train" / name / "1.png").write_bytes(make_png(2))
    (mixed / "cat").mkdir()
    (mixed / "cat" / "2.png").write_bytes(make_png(3))
    for number, site in enumerate(("north", "south")):
        (twice / site / "train" / "cat").mkdir(parents=True)
        (twice / site / "train" / "cat" / "1.png").write_bytes(make_png(number))
    (flat / "train").mkdir(parents=True)
    (flat / "train" / "1.png").write_bytes(make_png(1))
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "notes.txt").write_text("x")
    cases = {
        tmp_path / "singel": "Did you mean single",
        empty: "an empty data set",
        single: "one class, 'cat'",
        loose: "an image outside any class folder: 1.png",
        broken: "no readable sample among 2",
        mixed: "others without, such as cat/2.png",
        twice: "two layouts in one data set: north/train/cat/1.png and south/train/cat/1.png",
        flat: "an image directly in train/, without a class folder",
        tmp_path / "cut.tar.gz": "a damaged archive after 0 members",
        tmp_path / "notes.txt": "unknown format",
    }
    for path, message in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            ingest(str(path), store)
        assert str(path) in str(caught.value) and "Fix:" in str(caught.value)
    with pytest.raises(DataError, match="nosuch"):
        ingest("nosuch://bucket/x", store)
    assert store.documents("") == [] and list(Path(store.uri).rglob("*.part")) == []


def test_a_folder_around_an_archive_points_at_the_archive(
    images: Path, store: Store, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    (tmp_path / "around").mkdir()
    pack(images, tmp_path / "around" / "pets.tar.gz")
    with pytest.raises(DataError, match=r"give .*around/pets.tar.gz itself"):
        ingest(str(tmp_path / "around"), store)


def test_a_cut_archive_is_refused(
    images: Path, store: Store, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    archive = pack(images, tmp_path / "pets.tar.gz")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a damaged archive after \d+ members"):
        ingest(str(cut), store)
    assert store.documents("") == []


def test_a_link_in_an_archive_is_a_defect(images: Path, store: Store, tmp_path: Path) -> None:
    linked = tmp_path / "linked.tar"
    with tarfile.open(linked, "w") as tar:
        tar.add(images, "pets")
        link = tarfile.TarInfo("pets/test/dog/link.png")
        link.type, link.linkname = tarfile.LNKTYPE, "pets/test/dog/00.png"
        tar.addfile(link)
    index = Snapshot.open(store, ingest(str(linked), store).digest).index.set_index("sample_id")
    assert index.loc["test/dog/link.png", "defect"] == "unreadable: a link or something special in an archive"


def test_a_file_name_is_not_a_pattern(images: Path, store: Store) -> None:
    (images / "train/cat/a[1].png").write_bytes((images / "train/dog/00.png").read_bytes())
    (images / "train/cat/a1.png").write_bytes((images / "train/dog/01.png").read_bytes())
    index = Snapshot.open(store, ingest(str(images), store).digest).index.set_index("sample_id")
    assert index.loc["train/cat/a[1].png", "pixel_sha256"] == index.loc["train/dog/00.png", "pixel_sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"name": "My Data"}, "kebab-case"), ({"image_size": "0x8"}, "1 pixel"), ({"max_samples": 0}, "at least 1")],
)
def test_bad_arguments_are_refused(images: Path, store: Store, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ingest(str(images), store, **options)  # type: ignore[arg-type]
