"""Inputs that hang, reach out or grow: each is refused before it costs anything, with what is wrong."""

from __future__ import annotations

import gzip
import io
import os
import socket
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.data import bounds
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.sources.parts import csv_parts
from augment_ops.data.sources.table import read_csv
from augment_ops.data.sources.tar import DAMAGED, members
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.files import NotReadableError, open_regular, read_regular
from augment_ops.modalities.image.decode import decode
from augment_ops.modalities.image.sources import open_source
from augment_ops.modalities.source import Defect

MakePng = Callable[..., bytes]


def everything(_: str) -> bool:
    return True


@pytest.fixture
def pets(tmp_path: Path, make_png: MakePng) -> Path:
    for number in range(24):
        path = tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_png(number))
    return tmp_path / "pets"


def defects(place: Path, **options: bool) -> dict[str, str]:
    samples = open_source(str(place), **options).samples()
    return {sample.id: sample.data.text for sample in samples if isinstance(sample.data, Defect)}


def test_only_regular_files_are_opened(pets: Path) -> None:
    os.mkfifo(pets / "cat" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(pets / "cat", os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/socket.png")  # the path of a socket has room for 107 bytes
        os.close(here)
        found = defects(pets)
    assert found == {
        "cat/pipe.png": "unreadable: a named pipe instead of a file",
        "cat/socket.png": "unreadable: a socket instead of a file",
    }
    with pytest.raises(NotReadableError, match="a device instead"):
        open_regular("/dev/zero")
    with pytest.raises(NotReadableError, match="a folder instead"):
        open_regular(str(pets))


def test_a_pipe_as_data_set_is_refused(tmp_path: Path) -> None:
    for name in ("x.tar", "x.zip", "x.csv", "x.npz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="a named pipe instead of a file"):
            list(open_source(str(tmp_path / name)).samples())


def test_links_stay_inside(pets: Path, tmp_path: Path, make_png: MakePng) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(make_png(99))
    (pets / "cat" / "out.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (pets / "cat" / "in.png").symlink_to("../dog/00.png")
    (pets / "emu").symlink_to(tmp_path / "elsewhere")
    (pets / "fox").symlink_to("dog")
    (pets / "cat" / "round").symlink_to("..")
    assert defects(pets) == {"cat/out.png": "unreadable: a place outside the data set"}
    source = open_source(str(pets))
    labels = [sample.label for sample in source.samples()]
    assert labels.count("fox") == labels.count("dog") == 12
    assert source.leftovers.empty == ("emu",)
    assert [one.text for one in source.leftovers.found()] == [
        "cat/round was not read: a link to a folder that holds it",
        "emu was not read: a link to a folder outside the data set (--allow-outside reads it)",
    ]
    assert defects(pets, allow_outside=True) == {}
    assert "emu" in {sample.label for sample in open_source(str(pets), allow_outside=True).samples()}


def test_a_link_that_is_put_there_meanwhile_is_not_followed(pets: Path, tmp_path: Path, monkeypatch) -> None:
    """Between the look at the path and the opening somebody exchanges the folder."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "00.png").write_bytes(b"secret")
    path, real = pets / "dog" / "00.png", os.path.realpath

    def exchanged(asked: str) -> str:
        answer = real(asked)
        if asked == str(path):
            (pets / "dog").rename(tmp_path / "away")
            (pets / "dog").symlink_to(secret)
        return answer

    monkeypatch.setattr("augment_ops.files.leads_outside", lambda *_: False)
    monkeypatch.setattr("augment_ops.files.os.path.realpath", exchanged)
    with pytest.raises(NotReadableError, match="a link that was put there"):
        read_regular(str(path), inside=str(pets))


@pytest.mark.parametrize(
    "entry", ["../private.png", "/etc/passwd", "/dev/zero", "cat/../../private.png", "cat/out.png"]
)
def test_an_index_names_files_of_its_own_folder(entry: str, pets: Path, tmp_path: Path, make_png: MakePng) -> None:
    (tmp_path / "private.png").write_bytes(make_png(77))
    (pets / "cat" / "out.png").symlink_to(tmp_path / "private.png")
    rows = [f"{path.relative_to(pets)},{path.parent.name}" for path in sorted(pets.rglob("[0-9]*.png"))]
    index = pets / "index.csv"
    index.write_text("\n".join(["path,label", *rows[:3], f"{entry},cat", *rows[3:]]))
    with pytest.raises(DataError, match=r"leads outside .* in 1 rows \(line 5\)"):
        list(open_source(str(index)).samples())
    allowed = {s.id: s.data for s in open_source(str(index), allow_outside=True).samples()}
    data = allowed[os.path.normpath(entry)]
    if "private" in entry or "out" in entry:
        assert data == make_png(77)
    elif entry == "/dev/zero":
        assert data == Defect("unreadable: a device instead of a file")


def test_what_was_allowed_is_in_the_snapshot(pets: Path, store: Store) -> None:
    assert not ingest(str(pets), store).reading.allow_outside
    manifest = ingest(str(pets), store, allow_outside=True)
    assert manifest.reading.notes(manifest.image_shape) == [
        "files outside the data set's folder were allowed (--allow-outside)"
    ]


def test_a_file_that_is_too_large_is_not_read(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (pets / "cat" / "huge.png").open("wb") as file:
        file.truncate(bounds.FILE_BYTES + 1)  # takes no room on the disk
    assert defects(pets) == {"cat/huge.png": "unreadable: 536,870,913 bytes; at most 536,870,912 are read"}


def test_files_are_read_one_by_one(pets: Path) -> None:
    """Not 256 at once: what is in memory is one file."""
    source = open_source(str(pets)).samples()
    first = next(source)
    (pets / "dog" / "22.png").unlink()
    rest = {sample.id: sample.data for sample in source}
    assert first.id == "cat/01.png"
    assert rest["dog/22.png"] == Defect("unreadable: no such file")


def test_scans_of_a_jpeg_are_counted() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((512, 512), np.uint8)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data.rindex(b"\xff\xda")
    many = data[:scan] + data[scan:-2] * 3000 + data[-2:]
    start = time.perf_counter()
    result = decode(many)
    assert isinstance(result, Defect) and "scans" in result.text
    assert time.perf_counter() - start < 1
    assert not isinstance(decode(data), Defect)


@pytest.mark.parametrize("progressive", [False, True])
def test_missing_coded_data_behind_an_end_marker(progressive: bool) -> None:
    y, x = np.mgrid[:64, :96]
    buffer = io.BytesIO()
    image = Image.fromarray(np.dstack([x * 2, y * 3, x + y]).astype(np.uint8))
    image.save(buffer, "JPEG", quality=92, progressive=progressive)
    whole = buffer.getvalue()
    assert not isinstance(decode(whole), Defect)
    assert decode(whole[: len(whole) * 2 // 3] + b"\xff\xd9") == Defect(
        f"truncated: {len(whole) * 2 // 3 + 2:,} bytes are there, the image goes on"
    )


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_that_ends_in_one_colour_is_whole(value: int) -> None:
    pixels = np.full((64, 64), value, np.uint8)
    pixels[:8] = np.arange(64)
    for progressive in (False, True):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", progressive=progressive, optimize=True)
        assert not isinstance(decode(buffer.getvalue()), Defect)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (header("cat/1.png", 6 << 30), "a member of 6,442,450,944 bytes"),
        (header("notes", 6 << 30), "a member of 6,442,450,944 bytes"),
        (header("x", 3 << 30, tarfile.GNUTYPE_LONGNAME), "a header of 3,221,225,472 bytes"),
        (header("x", 3 << 30, tarfile.GNUTYPE_LONGLINK), "a header of 3,221,225,472 bytes"),
        (header("x", 3 << 30, tarfile.XHDTYPE), "a header of 3,221,225,472 bytes"),
        (header("x", 3 << 30, tarfile.XGLTYPE), "a header of 3,221,225,472 bytes"),
        (header("cat/1.png", 512, tarfile.GNUTYPE_SPARSE), "a sparse file"),
        ((header("x", 512, tarfile.GNUTYPE_LONGNAME) + b"name".ljust(512, b"\0")) * 5000, "recursion"),
    ],
    ids=["member", "unread member", "long name", "long link", "pax", "global pax", "sparse", "long names without end"],
)
def test_headers_of_a_tar_are_held_against_bounds(archive: bytes, why: str) -> None:
    with pytest.raises(DAMAGED, match=why):
        list(members(io.BytesIO(archive + bytes(1024)), everything))


def test_global_pax_headers_together_have_the_room_of_one() -> None:
    record = b"300000 key=" + b"x" * (300_000 - 12) + b"\n"
    one = header("x", len(record), tarfile.XGLTYPE) + record.ljust(-(-len(record) // 512) * 512, b"\0")
    file = header("cat/1.png", 0)
    assert len(list(members(io.BytesIO((one + file) * 3 + bytes(1024)), everything))) == 3
    with pytest.raises(DAMAGED, match=r"a header of 1,200,000 bytes"):
        list(members(io.BytesIO((one + file) * 4 + bytes(1024)), everything))


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_files_of_pax_are_refused(version: str) -> None:
    member = tarfile.TarInfo("cat/1.png")
    major, minor = version.split(".")
    old = {"GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "0", "GNU.sparse.size": "9"}
    member.pax_headers = {
        "0.0": old,
        "0.1": {"GNU.sparse.map": "0,0", "GNU.sparse.size": "9"},
        "1.0": {"GNU.sparse.major": major, "GNU.sparse.minor": minor, "GNU.sparse.realsize": "9"},
    }[version]
    with pytest.raises(DAMAGED, match="a sparse file"):
        list(members(io.BytesIO(member.tobuf(tarfile.PAX_FORMAT) + bytes(1024)), everything))


def test_what_an_archive_unpacks_to_is_bounded(monkeypatch: pytest.MonkeyPatch, pets: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(bounds, "UNPACKED_BYTES", 1 << 16)
    monkeypatch.setattr(bounds, "UNPACKED_RATIO", 2)
    large = {f"{name}/{n}.bmp": bytes(30_000) for name in ("cat", "dog") for n in range(3)}
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar, zipfile.ZipFile(tmp_path / "x.zip", "w", 8) as packed:
        for name, data in large.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            packed.writestr(name, data)
    for name in ("x.tar.gz", "x.zip"):
        with pytest.raises(DataError, match="it unpacks to more than 65,536 bytes"):
            list(open_source(str(tmp_path / name)).samples())


def test_the_directory_of_a_zip_is_bounded(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for path in pets.rglob("*.png"):
            packed.write(path, path.relative_to(pets))
    assert len(list(open_source(str(tmp_path / "x.zip")).samples())) == 24
    monkeypatch.setattr("augment_ops.data.sources.zip.ZIP_DIRECTORY_BYTES", 100)
    with pytest.raises(DataError, match="a directory of"):
        list(open_source(str(tmp_path / "x.zip")).samples())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_not_read(method: int, pets: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as packed:
        for path in pets.rglob("*.png"):
            packed.write(path, path.relative_to(pets))
    texts = set(defects(tmp_path / "x.zip").values())
    assert texts == {"unreadable: packed in a way that is not read; zip it with deflate"}


def npy(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("shape", ["(1000000, 1000, 1000)", "(1000000000000000000, 9)"])
def test_an_array_is_as_large_as_its_file(shape: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as packed:
        packed.writestr("images.npy", npy(shape))
        packed.writestr("labels.npy", npy("(2,)") + b"\0\1")
    with pytest.raises(DataError, match="an array of shape"):
        list(open_source(str(tmp_path / "x.npz")).samples())


@pytest.mark.parametrize(
    ("dimensions", "why"), [((2, 60000, 60000), "images of 60000x60000"), ((2, 9000, 9000), "too early")]
)
def test_the_dimensions_of_idx_are_bounded(dimensions: tuple[int, int, int], why: str, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, *dimensions))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 2) + b"\0\1")
    with pytest.raises(DataError, match=why):
        list(open_source(str(tmp_path)).samples())


def test_idx_does_not_unpack_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "UNPACKED_BYTES", 1000)
    monkeypatch.setattr(bounds, "UNPACKED_RATIO", 2)
    images = struct.pack(">HBB3I", 0, 8, 3, 20, 10, 10) + bytes(2000)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 20) + bytes(20))
    with pytest.raises(DataError, match="2,000 bytes of images; at most 1,000 are unpacked"):
        list(open_source(str(tmp_path)).samples())


def test_tables_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(["path", "label", *map(str, range(5000))]) + "\n")
    with pytest.raises(DataError, match="5,002 columns"):
        list(open_source(str(wide)).samples())
    with (tmp_path / "long.csv").open("wb") as file:
        file.truncate(bounds.TABLE_BYTES + 1)
    with pytest.raises(DataError, match=r"268,435,457 bytes; at most 268,435,456 are read"):
        list(open_source(str(tmp_path / "long.csv")).samples())


@pytest.mark.parametrize("read", [read_csv, lambda file: list(csv_parts(file))])
def test_a_cell_is_not_cut_at_a_zero_byte(read: Callable) -> None:
    rows = b"path,label\n" + b"a.png,cat\n" * 100_000
    for place in (3, len(rows) - 3):
        with pytest.raises(ValueError, match="a zero byte, which no text holds"):
            read(io.BytesIO(rows[:place] + b"\0" + rows[place:]))


def test_a_dictionary_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr("augment_ops.data.sources.table._UNPACKED_BYTES", 1 << 24)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 10_000]))
    pq.write_table(pa.table({"path": text.cast(pa.string()), "label": ["a"] * 5000}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match="5,000 rows, 2 columns"):
        list(open_source(str(tmp_path / "x.parquet")).samples())


def test_text_of_parquet_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = pa.array([b"caf\xe9.png", b"b.png"]).view(pa.string())
    pq.write_table(pa.table({"path": path, "label": ["a", "b"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="Invalid UTF8"):
        list(open_source(str(tmp_path / "x.parquet")).samples())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_entities_are_refused_in_every_encoding(encoding: str, tmp_path: Path, make_png: MakePng) -> None:
    for folder in ("Annotations", "JPEGImages"):
        (tmp_path / folder).mkdir()
    (tmp_path / "JPEGImages" / "a.png").write_bytes(make_png(1))
    bom = "\ufeff" if encoding.endswith("e") else ""
    inner = "<annotation><object><name>&a;</name></object></annotation>"
    text = f'{bom}<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "red">]>{inner}'
    (tmp_path / "Annotations" / "a.xml").write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match="a document type of its own"):
        list(open_source(str(tmp_path)).samples())


def test_a_bomb_in_the_image_is_not_unpacked_for_a_member(tmp_path: Path) -> None:
    assert len(zlib.compress(bytes(1 << 20))) < 2000  # what the bounds above are for
    assert isinstance(decode(b"P6\n99999 99999\n255\n" + bytes(30)), Defect)


def test_refusals_leave_nothing_in_the_store(pets: Path, store: Store) -> None:
    (pets / "index.csv").write_text("path,label\n/etc/passwd,a\n")
    with pytest.raises(DataError):
        ingest(str(pets / "index.csv"), store)
    assert store.documents("snapshots/") == []
    assert Snapshot.open(store, ingest(str(pets), store).digest).manifest.samples == 24
