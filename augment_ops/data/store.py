"""The content-addressed store: objects named by their sha256, and documents that point at them by name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from augment_ops.content import sha256_hex
from augment_ops.data.blobs import (
    Blobs,
    LocalBlobs,
    RemoteBlobs,
    store_error,
    sweep,
    temporary_file,
    unfinished_file,
    write_whole,
)
from augment_ops.errors import AlteredError, StoreError
from augment_ops.files import write_durably
from augment_ops.project import home_of

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
# A file that changed so shortly before it was verified may change again within one tick of the file system's clock, and
# look the same; file systems keep 2 s at worst (FAT).
_SETTLED_AFTER_NS = 2_000_000_000
# What each file was when this process verified it: device, inode, size, times of change of content and of entry.
_VERIFIED: dict[Path, tuple[int, ...]] = {}


class Store:
    """Immutable objects and replaceable documents at a local path or behind any fsspec URI.

    Layout: `objects/<first two digits>/<sha256>` and `documents/<name>`. Safe for several processes at once: an object
    is written whole and always with the same bytes, a document is replaced whole. Nothing is touched before the first
    write.

    Args:
        uri: folder, `file://…`, or another fsspec URI such as `s3://bucket/prefix`.
        cache: folder for verified copies of a remote store's objects; when not given, `cache` in the state folder
            (`project.home_of`). Not used by a local store.

    Raises:
        StoreError: a URI whose scheme is unknown, or whose client library is not installed.
    """

    def __init__(self, uri: str, *, cache: Path | None = None) -> None:
        self.uri = uri
        self._cache = cache or home_of() / "cache"
        self._blobs = open_blobs(uri, self._cache)

    @property
    def scratch(self) -> Path:
        """Folder on this machine for unfinished files; on the store's own disk where the store is local."""
        return self._blobs.scratch

    def put(self, data: bytes) -> str:
        """Keep `data`; its sha256 (64 hex digits). An object that is there already is not written again."""
        digest = sha256_hex(data)
        if not self._is_there(digest, len(data)):
            self._blobs.write(_object(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file of any size, read in pieces; its sha256. The file itself stays where it is.

        Raises:
            StoreError: the file cannot be read, or the store cannot be written.
        """
        with _as_store_error(path), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if self._is_there(digest, os.fstat(file.fileno()).st_size):
                return digest
            file.seek(0)
            return self.put_chunks(iter(lambda: file.read(_CHUNK), b""))

    def put_chunks(self, chunks: Iterable[bytes], size: int | None = None) -> str:
        """Keep the concatenation of `chunks` without holding it in memory; its sha256.

        Args:
            chunks: read once.
            size: total bytes where known, for the message when the disk is full.
        """
        sha = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for chunk in chunks:
                sha.update(chunk)
                yield chunk

        with temporary_file(self.scratch) as temporary:
            with _as_store_error(temporary, size):
                write_durably(temporary, hashed())
                written = temporary.stat().st_size
            digest = sha.hexdigest()
            if not self._is_there(digest, written):
                self._blobs.adopt(temporary, _object(digest))
        return digest

    def put_resumable(self, key: str, chunks: Callable[[int], Iterable[bytes]], chunk_bytes: int, size: int) -> str:
        """As `put_chunks`, for what takes long to make: after a kill, the next call goes on where that one stopped.

        Every chunk is brought to the disk before the next is made. What a failure leaves is removed; only a process
        that ends without a chance to clean up leaves its unfinished file, and `sweep` takes that after a day.

        Args:
            key: digest of all that decides the bytes; names the unfinished file.
            chunks: gives the chunks from a number of chunks on; read once.
            chunk_bytes: length of every chunk but the last; size: total bytes.
        """
        with unfinished_file(self.scratch, key) as file:
            if file is None:  # another process is making it at this moment
                return self.put_chunks(chunks(0), size)
            path = Path(file.name)
            with _as_store_error(path, size):
                # The last chunk may not have reached the disk.
                done = max(0, os.fstat(file.fileno()).st_size // chunk_bytes - 1)
                file.truncate(done * chunk_bytes)
                sha = hashlib.file_digest(file, "sha256")
                for chunk in chunks(done):
                    write_whole(file, chunk)
                    sha.update(chunk)
                written = file.tell()
            digest = sha.hexdigest()
            if not self._is_there(digest, written):
                self._blobs.adopt(path, _object(digest))
        return digest

    def get(self, digest: str) -> bytes:
        """The object's bytes, with the sha256 verified.

        Raises:
            AlteredError: it was altered since it was put.
            StoreError: not there.
        """
        data = self._blobs.read(_object(digest))
        if data is None:
            raise self._missing(digest)
        if sha256_hex(data) != digest:
            raise self._altered(digest)
        return data

    def remove(self, digest: str) -> None:
        """Remove an object that only its caller counts on; nothing where it is gone already."""
        self._blobs.delete(_object(digest))
        self._forget_copy(digest)

    def forget_copies(self) -> int:
        """Remove this machine's copies of objects that a remote store does not hold any more; how many.

        Others that use the store may have removed them.

        Raises:
            StoreError: the store cannot be asked.
        """
        gone = [] if self._blobs.local_path("") else [one for one in self._copies() if not self.has(one)]
        for digest in gone:
            self._forget_copy(digest)
        return len(gone)

    def has(self, digest: str) -> bool:
        """Whether there is an object of that name; its content is verified only when it is read."""
        return self._blobs.size(_object(digest)) is not None

    def local(self, digest: str) -> Path:
        """A file on this machine that holds the object, verified now: the object itself, or a cached download.

        Raises:
            AlteredError: it was altered since it was put.
            StoreError: not there, or it cannot be had now.
        """
        path = self._blobs.local_path(_object(digest))
        if path is not None:
            if not path.is_file():
                raise self._missing(digest)
            if _file_digest(path) != digest:
                raise self._altered(digest)
            return path
        cached = self._cache / _object(digest)
        if cached.is_file() and _file_digest(cached) == digest:
            return cached
        return self._download(digest, cached)

    def verified(self, digest: str) -> Path:
        """As `local`, but what this process has verified already is not read again while the file stays as it was.

        For large objects that are opened often. Times of change tell whether a file stayed as it was: nobody but the
        owner of the machine's clock can alter a file and keep them.

        Raises:
            AlteredError, StoreError: as `local`.
        """
        path = self._blobs.local_path(_object(digest)) or self._cache / _object(digest)
        before = _stamp(path)
        if before is not None and _VERIFIED.get(path) == before:
            return path
        found = self.local(digest)
        now = _stamp(found)
        if now is not None and (before in (None, now)) and time.time_ns() - max(now[3:]) > _SETTLED_AFTER_NS:
            _VERIFIED[found] = now
        return found

    def put_document(self, name: str, data: bytes) -> None:
        """Create or replace the document `name` (such as `runs/<id>/ingest.json`), all or nothing."""
        self._blobs.write(_document(name), data)

    def get_document(self, name: str) -> bytes | None:
        """The document's bytes, or None where there is none of that name."""
        return self._blobs.read(_document(name))

    def remove_document(self, name: str) -> None:
        """Remove a document; nothing where it is gone already."""
        self._blobs.delete(_document(name))

    def documents(self, prefix: str) -> list[str]:
        """Sorted names of the documents that start with `prefix`; '' for all."""
        start = len("documents/")
        return [name[start:] for name in self._blobs.names(f"documents/{prefix}")]

    def folders(self, prefix: str) -> list[str]:
        """Sorted names of the folders of documents directly below `prefix`, which ends in '/'."""
        start = len("documents/")
        return [name[start:] for name in self._blobs.folders(f"documents/{prefix}")]

    def sweep(self) -> int:
        """Remove what processes killed more than a day ago left in `scratch`; the number of files."""
        return sweep(self.scratch)

    def __reduce__(self) -> tuple[Callable[[str], Store], tuple[str]]:
        return partial(Store, cache=self._cache), (self.uri,)  # a connection does not travel between processes

    def _is_there(self, digest: str, size: int) -> bool:
        # Size, not content: one that was cut short is written again, and reading finds every other change.
        return self._blobs.size(_object(digest)) == size

    def _download(self, digest: str, cached: Path) -> Path:
        if not self.has(digest):
            raise self._missing(digest)
        with temporary_file(self._cache / "tmp") as temporary:
            self._blobs.fetch(_object(digest), temporary)
            with _as_store_error(cached):
                if _file_digest(temporary) != digest:
                    raise self._altered(digest)
                cached.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(cached)
        return cached

    def _copies(self) -> Iterator[str]:
        return (path.name for path in (self._cache / "objects").glob("*/*") if _DIGEST.fullmatch(path.name))

    def _forget_copy(self, digest: str) -> None:
        if self._blobs.local_path(_object(digest)) is None:
            cached = self._cache / _object(digest)
            with _as_store_error(cached):
                cached.unlink(missing_ok=True)

    def _missing(self, digest: str) -> StoreError:
        return StoreError(
            f"{self.uri}/{_object(digest)}",
            "no such object",
            "an object that an earlier stage put there",
            "run the stage that makes it again, or check AUGMENT_OPS_STORE",
        )

    def _altered(self, digest: str) -> AlteredError:
        return AlteredError(
            f"{self.uri}/{_object(digest)}",
            "content whose sha256 is not its name: the object was altered or damaged",
            f"sha256 {digest}",
            "delete that object, then run the stage that makes it again",
        )


def open_blobs(uri: str, cache: Path) -> Blobs:
    """Named bytes at a folder or fsspec URI; `cache` takes the unfinished files of a remote one.

    Raises:
        StoreError: a URI whose scheme is unknown, or whose client library is not installed.
    """
    if "://" not in uri:
        return LocalBlobs(Path(uri).absolute())
    import fsspec  # 50 ms that a local store does not need

    try:
        # Listings must not be cached: other processes write to the same store.
        filesystem, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StoreError(
            "AUGMENT_OPS_STORE",
            f"{uri!r} ({error})",
            "a folder, or a URI that fsspec can open here",
            'give a folder, or install the client: pip install "augment-ops[s3]" for s3://',
        ) from error
    if "file" in (filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)):
        return LocalBlobs(Path(root))
    return RemoteBlobs(filesystem, root, cache / "tmp")


def _object(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise StoreError("object", repr(digest[:80]), "a sha256 of 64 hex digits", "pass the digest that put() gave")
    return f"objects/{digest[:2]}/{digest}"


def _document(name: str) -> str:
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise StoreError(
            "document",
            repr(name[:80]),
            "a relative name such as runs/<id>/ingest.json",
            "leave out leading slashes, '..', backslashes and control characters",
        )
    return str(PurePosixPath("documents", *parts))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes whenever a file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _as_store_error(where: Path, needed: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_error(where, error, needed) from error
