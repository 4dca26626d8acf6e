"""The store through one suite, on a local disk and behind fsspec."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment_ops.content import sha256_hex
from augment_ops.data import blobs
from augment_ops.data.store import Store
from augment_ops.errors import StoreError


@pytest.fixture(params=["local", "file", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    uri = {
        "local": str(tmp_path / "store"),
        "file": f"file://{tmp_path}/store",
        "memory": f"memory://store-{uuid.uuid4().hex}",
    }[request.param]
    return Store(uri, cache=tmp_path / "cache")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_is_put_is_found_under_its_sha256(any_store: Store, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"file" * 1000)
    digests = [any_store.put(b"one"), any_store.put_file(source), any_store.put_chunks([b"thr", b"ee"])]
    assert digests == [sha256_hex(b"one"), sha256_hex(b"file" * 1000), sha256_hex(b"three")]
    assert [any_store.get(digest) for digest in digests] == [b"one", b"file" * 1000, b"three"]
    assert [any_store.local(digest).read_bytes() for digest in digests] == [b"one", b"file" * 1000, b"three"]
    assert any_store.put(b"") == sha256_hex(b"") and any_store.get(sha256_hex(b"")) == b""
    assert files(any_store.scratch) == [], "temporary files were left"


def test_an_absent_object_is_an_error(any_store: Store) -> None:
    absent = sha256_hex(b"never put")
    assert not any_store.has(absent)
    for read in (any_store.get, any_store.local):
        with pytest.raises(StoreError, match="no such object"):
            read(absent)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 63, "A" * 64])
def test_only_a_digest_names_an_object(any_store: Store, digest: str) -> None:
    with pytest.raises(StoreError, match="64 hex digits"):
        any_store.get(digest)


def test_documents_are_replaced_and_listed(any_store: Store) -> None:
    assert any_store.get_document("runs/1/ingest.json") is None
    assert any_store.documents("runs/") == []
    for name in ("runs/2/a.json", "runs/1/ingest.json", "runs/10/b.json", "other.json"):
        any_store.put_document(name, b"old")
    any_store.put_document("runs/1/ingest.json", b"new")
    any_store.put(b"an object is not a document")
    assert any_store.get_document("runs/1/ingest.json") == b"new"
    assert any_store.documents("runs/1") == ["runs/1/ingest.json", "runs/10/b.json"]
    assert any_store.documents("runs/1/") == ["runs/1/ingest.json"]
    assert any_store.documents("") == ["other.json", "runs/1/ingest.json", "runs/10/b.json", "runs/2/a.json"]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "a\x00b", "a/."])
def test_a_document_cannot_leave_its_folder(any_store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="relative name"):
        any_store.put_document(name, b"x")


def test_an_object_is_not_written_twice(store: Store) -> None:
    path = store.local(store.put(b"once"))
    before = path.stat()
    store.put(b"once")
    store.put_chunks([b"on", b"ce"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_altered_object_is_never_returned(store: Store) -> None:
    digest = store.put(b"as it was put")
    store.local(digest).write_bytes(b"as it was PUT")
    for read in (store.get, store.local):
        with pytest.raises(StoreError, match="altered"):
            read(digest)


def test_a_cut_object_is_mended_by_putting_it_again(store: Store) -> None:
    digest = store.put(b"whole")
    store.local(digest).write_bytes(b"who")
    assert store.put(b"whole") == digest
    assert store.get(digest) == b"whole"


def test_a_damaged_download_is_fetched_again(tmp_path: Path) -> None:
    store = Store(f"memory://store-{uuid.uuid4().hex}", cache=tmp_path / "cache")
    cached = store.local(store.put(b"remote"))
    assert cached.is_relative_to(tmp_path / "cache")
    cached.write_bytes(b"damage")
    assert store.local(sha256_hex(b"remote")).read_bytes() == b"remote"


def test_copies_of_what_was_removed_here_or_elsewhere_go_and_others_stay(tmp_path: Path) -> None:
    uri = f"memory://store-{uuid.uuid4().hex}"
    here, elsewhere = (Store(uri, cache=tmp_path / name) for name in ("here", "elsewhere"))
    kept, gone = here.put(b"kept"), here.put(b"gone")
    copies = [store.local(digest) for store in (here, elsewhere) for digest in (kept, gone)]
    here.remove(gone)
    assert [path.is_file() for path in copies] == [True, False, True, True]
    assert (here.forget_copies(), elsewhere.forget_copies()) == (0, 1)
    assert [path.is_file() for path in copies] == [True, False, True, False]


def test_a_full_disk_leaves_nothing_and_says_what_is_needed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_document("state.json", b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"no space left on the device \(12,345 bytes were to be written\)") as caught:
        store.put(b"x" * 12345)
    assert "bytes are free at" in str(caught.value) and "AUGMENT_OPS_STORE" in str(caught.value)
    with pytest.raises(StoreError, match="no space left"):
        store.put_chunks([b"y" * 100])
    with pytest.raises(StoreError, match="no space left"):
        store.put_document("state.json", b"after")
    monkeypatch.undo()
    assert [path.name for path in files(Path(store.uri))] == ["state.json"]
    assert store.get_document("state.json") == b"before"


def test_a_store_that_cannot_be_written_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="can be read and written"):
        Store(str(tmp_path / "file" / "store")).put(b"x")


@pytest.mark.parametrize("uri", ["nosuch://bucket/x"])
def test_an_unknown_scheme_is_an_error(uri: str) -> None:
    with pytest.raises(StoreError, match="AUGMENT_OPS_STORE"):
        Store(uri)


def test_opening_and_reading_touch_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    assert store.get_document("x.json") is None and store.documents("") == [] and store.sweep() == 0
    assert not (tmp_path / "store").exists()


def test_only_old_temporary_files_are_swept(store: Store) -> None:
    store.scratch.mkdir(parents=True)
    young, old = store.scratch / "young.part", store.scratch / "old.part"
    young.touch()
    old.touch()
    two_days_ago = old.stat().st_mtime - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    with old.open("rb") as used:  # by a process that has not written for two days, and may yet
        fcntl.flock(used, fcntl.LOCK_EX)
        assert store.sweep() == 0
    assert store.sweep() == 1
    assert files(store.scratch) == [young]


def test_what_two_processes_make_at_once_is_made_by_both(tmp_path: Path) -> None:
    store, pieces = Store(str(tmp_path / "store")), [b"aa", b"bb", b"c"]

    def slowly(done: int) -> Iterator[bytes]:
        other = Store(str(tmp_path / "store"))  # comes while the first is at work
        assert other.put_resumable("k", lambda from_: iter(pieces[from_:]), chunk_bytes=2, size=5) == sha256_hex(
            b"aabbc"
        )
        yield from pieces[done:]

    assert store.put_resumable("k", slowly, chunk_bytes=2, size=5) == sha256_hex(b"aabbc")
    assert store.get(sha256_hex(b"aabbc")) == b"aabbc"
    assert list(store.scratch.iterdir()) == []


def test_a_failure_leaves_nothing_to_resume(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))

    def breaks(done: int) -> Iterator[bytes]:
        yield b"aa"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        store.put_resumable("k", breaks, chunk_bytes=2, size=5)
    assert list(store.scratch.iterdir()) == []


def test_an_object_that_another_process_has_just_made_is_not_written_to(tmp_path: Path) -> None:
    """The unfinished file becomes the object by a rename; who opened it before must not touch it after."""
    with blobs.unfinished_file(tmp_path, "k") as file:
        assert file is not None
        real = fcntl.flock
        finished = tmp_path / "object"

        def late(descriptor: object, how: int) -> None:
            (tmp_path / "k.part").rename(finished)
            file.close()
            real(descriptor, how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blobs.fcntl, "flock", late)
            with blobs.unfinished_file(tmp_path, "k") as other:
                assert other is None
    assert finished.exists()
