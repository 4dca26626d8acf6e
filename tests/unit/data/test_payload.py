"""Payloads: the same images whatever holds them, in bounded memory, and cheap to hand to another process."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from augment_ops.data import mapped
from augment_ops.data.mapped import Mapped
from augment_ops.data.payload import ArrayPayload, FilePayload, Joined, Part, chunks, payload_of
from augment_ops.modalities.base import Payload

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.write_bytes(IMAGES.tobytes())
    return path


@pytest.fixture(params=["array", "file", "part", "joined"])
def payload(request: pytest.FixtureRequest, file: Path) -> Payload:
    whole = FilePayload(file, 20, (6, 5, 3))
    back = np.arange(20)[::-1]
    return {
        "array": ArrayPayload(IMAGES),
        "file": whole,
        "part": Part(ArrayPayload(IMAGES[::-1]), back),
        "joined": Joined([Part(whole, np.arange(7)), ArrayPayload(IMAGES[7:8]), ArrayPayload(IMAGES[8:])]),
    }[request.param]


def test_images_are_those_of_the_rows_in_their_order_and_belong_to_the_caller(payload: Payload) -> None:
    rows = np.array([19, 0, 7, 7, 8, 6])
    found = payload.take(rows)
    assert (len(payload), payload.shape, found.dtype) == (20, (6, 5, 3), np.uint8)
    assert found.flags.c_contiguous and type(found) is np.ndarray
    np.testing.assert_array_equal(found, IMAGES[rows])
    found[:] = 0
    np.testing.assert_array_equal(payload.take(rows), IMAGES[rows])
    assert payload.take(np.zeros(0, np.int64)).shape == (0, 6, 5, 3)
    with pytest.raises(IndexError):
        payload.take(np.array([20]))


def test_a_pickle_reads_the_same_images(payload: Payload) -> None:
    again = pickle.loads(pickle.dumps(payload))
    np.testing.assert_array_equal(again.take(np.arange(20)), IMAGES)


def test_chunks_are_everything_once_whatever_their_size(payload: Payload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.data.payload._CHUNK_BYTES", 7 * 90)
    found = np.zeros_like(IMAGES)
    sizes = [len(batch) for part, batch in chunks(payload) if np.copyto(found[part], batch) is None]
    assert sizes == [7, 7, 6]
    np.testing.assert_array_equal(found, IMAGES)
    rows = np.array([3, 1])
    np.testing.assert_array_equal(np.concatenate([batch for _, batch in chunks(payload, rows)]), IMAGES[rows])


def test_a_pickle_of_a_mapped_file_names_the_file_and_holds_no_pixels(tmp_path: Path) -> None:
    whole = np.memmap(tmp_path / "large", np.uint8, mode="w+", shape=(64, 64, 64, 1))
    assert len(pickle.dumps(payload_of(whole))) < 1_000


def test_a_map_that_is_not_its_whole_file_is_taken_as_it_is(file: Path) -> None:
    whole = np.memmap(file, np.uint8, mode="c", shape=IMAGES.shape)
    part = np.memmap(file, np.uint8, mode="r", shape=IMAGES.shape)[3:]
    moved = np.memmap(file, np.uint8, mode="r", shape=IMAGES.shape).transpose(0, 2, 1, 3)
    whole[0] = 9  # in memory alone
    for given in (whole, part, moved):
        np.testing.assert_array_equal(payload_of(given).take(np.array([0, 5])), given[[0, 5]])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("write", [False, True])
def test_a_file_that_was_read_or_written_through_does_not_stay_in_memory(
    write: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "_RESIDENT_BYTES", 4 << 20)
    shape, path = (1024, 256, 256, 1), tmp_path / "large"  # 64 MB
    if not write:
        with path.open("wb") as file:
            file.truncate(int(np.prod(shape)))
    images = Mapped(path, shape, write=write)
    before = _of_files()
    for start in range(0, 1024, 16):
        rows = np.arange(start, start + 16)
        if write:
            images.put(rows, np.full((16, *shape[1:]), start // 16, np.uint8))
        else:
            images.take(rows)
    assert _of_files() - before < 16 << 20
    if write:
        images.flush()
        assert np.unique(np.fromfile(path, np.uint8)[:: 256 * 256]).tolist() == list(range(64))


def _of_files() -> int:
    """Bytes of mapped files that this process has resident."""
    return 1024 * int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0])
