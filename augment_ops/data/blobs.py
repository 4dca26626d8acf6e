"""Named bytes on a local disk or behind fsspec: where the store keeps its objects and documents.

A name is either absent or complete: a local write goes to a temporary file that is renamed when it is whole, and an
object store takes a whole object or none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from augment_ops.errors import StoreError
from augment_ops.files import read_regular, write_durably

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_STALE_AFTER_S = 24 * 3600  # no write of ours takes a day: what is older was left by a process that was killed


class Blobs(Protocol):
    """The seam between the store and where its bytes are. Names are relative, with '/'."""

    scratch: Path

    def read(self, name: str) -> bytes | None:
        """The bytes, or None where there is nothing of that name."""

    def write(self, name: str, data: bytes) -> None:
        """Create or replace, all or nothing."""

    def adopt(self, path: Path, name: str) -> None:
        """Move a finished file from `scratch` to `name`, all or nothing."""

    def size(self, name: str) -> int | None:
        """Bytes of `name`, or None where there is nothing of that name."""

    def local_path(self, name: str) -> Path | None:
        """Where `name` lies on this machine's disk, or None for a remote store."""

    def fetch(self, name: str, path: Path) -> None:
        """Copy `name` to a file on this machine. StoreError where it is absent."""

    def delete(self, name: str) -> None:
        """Remove `name`; nothing where it is absent."""

    def names(self, prefix: str) -> list[str]:
        """Sorted names that start with `prefix`."""

    def folders(self, prefix: str) -> list[str]:
        """Sorted names of the folders directly below `prefix`, which ends in '/'; what they hold is not listed."""


class LocalBlobs:
    """Files below one folder. `scratch` is in it, so that a rename never crosses a file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "tmp"

    def read(self, name: str) -> bytes | None:
        with _faults(self.root / name):
            try:
                return read_regular(str(self.root / name))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        with temporary_file(self.scratch) as temporary:
            with _faults(self.root / name, len(data)):
                write_durably(temporary, [data])
            self.adopt(temporary, name)

    def adopt(self, path: Path, name: str) -> None:
        target = self.root / name
        with _faults(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def size(self, name: str) -> int | None:
        with _faults(self.root / name):
            try:
                return (self.root / name).stat().st_size
            except FileNotFoundError:
                return None

    def local_path(self, name: str) -> Path | None:
        return self.root / name

    def fetch(self, name: str, path: Path) -> None:
        with _faults(self.root / name):
            shutil.copyfile(self.root / name, path)

    def delete(self, name: str) -> None:
        with _faults(self.root / name):
            (self.root / name).unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        folder = self.root / prefix[: prefix.rfind("/") + 1]
        with _faults(folder):
            found = (Path(base, file) for base, _, files in os.walk(folder) for file in files)
            names = (path.relative_to(self.root).as_posix() for path in found)
            return sorted(name for name in names if name.startswith(prefix))

    def folders(self, prefix: str) -> list[str]:
        with _faults(self.root / prefix):
            try:
                with os.scandir(self.root / prefix) as found:
                    return sorted(f"{prefix}{entry.name}" for entry in found if entry.is_dir(follow_symlinks=False))
            except FileNotFoundError:
                return []


class RemoteBlobs:
    """Objects of an fsspec file system whose single writes are atomic, as those of S3, GCS, Azure and memory are."""

    def __init__(self, filesystem: Any, root: str, scratch: Path) -> None:
        self._fs = filesystem
        self._root = root.rstrip("/")
        self.scratch = scratch

    def read(self, name: str) -> bytes | None:
        with _faults(self._key(name), remote=True):
            try:
                return bytes(self._fs.cat_file(self._key(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        with _faults(self._key(name), len(data), remote=True):
            self._fs.pipe_file(self._key(name), data)

    def adopt(self, path: Path, name: str) -> None:
        with _faults(self._key(name), path.stat().st_size, remote=True):
            self._fs.put_file(str(path), self._key(name))
        path.unlink()

    def size(self, name: str) -> int | None:
        with _faults(self._key(name), remote=True):
            try:
                return int(self._fs.info(self._key(name))["size"])
            except FileNotFoundError:
                return None

    def local_path(self, name: str) -> Path | None:
        return None

    def fetch(self, name: str, path: Path) -> None:
        with _faults(self._key(name), remote=True):
            self._fs.get_file(self._key(name), str(path))

    def delete(self, name: str) -> None:
        with _faults(self._key(name), remote=True), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._key(name))

    def names(self, prefix: str) -> list[str]:
        folder = self._key(prefix[: prefix.rfind("/") + 1]).rstrip("/")
        with _faults(folder, remote=True):
            try:
                found = self._fs.find(folder)
            except FileNotFoundError:
                return []
        names = (str(key)[len(self._root) :].lstrip("/") for key in found)
        return sorted(name for name in names if name.startswith(prefix))

    def folders(self, prefix: str) -> list[str]:
        folder = self._key(prefix).rstrip("/")
        with _faults(folder, remote=True):
            try:
                found = self._fs.ls(folder, detail=True)
            except FileNotFoundError:
                return []
        names = (str(one["name"]).rstrip("/") for one in found if one["type"] == "directory")
        return sorted(name[len(self._root) :].lstrip("/") for name in names)

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """A fresh file name in `folder` (made where needed); whatever still lies there at the end is removed.

    Raises:
        StoreError: the folder cannot be made.
    """
    with _faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished_file(folder: Path, key: str) -> Iterator[FileIO | None]:
    """A file in `folder` that outlives a kill, open at its beginning; None where another process holds it.

    Removed at the end, and where an exception is raised.

    Raises:
        StoreError: the folder or the file cannot be made.
    """
    path = folder / f"{key}.part"
    with _faults(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if path.exists() else "w+b", buffering=0)  # nothing left to write when it is closed
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with path.open("rb") as now:  # another process may have finished and renamed it since it was opened
                mine = os.path.sameopenfile(file.fileno(), now.fileno())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            yield None
            return
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def write_whole(file: FileIO, chunk: bytes) -> None:
    """Write all of a chunk to an unbuffered file, and bring it to the disk."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def sweep(scratch: Path, now_s: float | None = None) -> int:
    """Remove temporary files that a killed process left over a day ago; how many there were.

    Younger ones may belong to a process that is still writing, possibly on another machine.
    """
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for path in scratch.glob("*.part"):
        with contextlib.suppress(OSError):  # removed, or held by a process of this machine that still writes to it
            if now_s - path.stat().st_mtime > _STALE_AFTER_S:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                removed += 1
    return removed


@contextlib.contextmanager
def _faults(where: Path | str, needed: int | None = None, *, remote: bool = False) -> Iterator[None]:
    """Turn a failure of the medium into a StoreError. Remote backends raise their client library's own exceptions."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise store_error(where, error, needed) from error
    except Exception as error:
        if not remote:
            raise
        raise store_error(where, error, needed) from error


def store_error(where: Path | str, error: Exception, needed: int | None = None) -> StoreError:
    """What a failed read or write means to the person who has to mend it.

    Args:
        where: file or key.
        error: as the operating system or the client library raised it.
        needed: bytes that were to be written, where that is known.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        amount = "" if needed is None else f" ({needed:,} bytes were to be written)"
        return StoreError(
            str(where),
            f"no space left on the device{amount}{_free(where)}",
            "enough free space for the whole file; nothing was left half-written",
            "free some space, or point AUGMENT_OPS_STORE at a larger disk, then run the stage again",
        )
    text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return StoreError(
        str(where),
        f"{type(error).__name__}: {text}",
        "a place that can be read and written",
        "check that AUGMENT_OPS_STORE is reachable, and its permissions or credentials",
    )


def _free(where: Path | str) -> str:
    with contextlib.suppress(OSError, ValueError):
        place = Path(where)
        existing = next(p for p in (place, *place.parents) if p.exists())
        return f"; {shutil.disk_usage(existing).free:,} bytes are free at {existing}"
    return ""
