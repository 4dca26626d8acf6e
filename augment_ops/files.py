"""Files that are read only where they are regular ones, and written whole or not at all.

Whether a file is a regular one, and lies inside a folder, is asked of the open descriptor: a named pipe makes its
reader wait for ever, a device never ends, and a link leads anywhere. Whoever asks a path first and opens it afterwards
can be shown another file in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import IO

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # without O_NONBLOCK opening a pipe waits for its writer


SMALL = 1 << 20  # bytes; of files that programs write for programs: keys, passwords, records of processes have a few kB


class NotReadableError(OSError):
    """Not a regular file, outside its folder, or too large; the text is for a person."""


def open_regular(path: str, inside: str | None = None) -> IO[bytes]:
    """Open a regular file for reading.

    Args:
        path: absolute. A link is followed; with `inside` to a place inside that folder only.
        inside: absolute path of a folder; None allows every place.

    Raises:
        NotReadableError: a pipe, socket, device or folder; or a place outside.
        OSError: as `open`.
    """
    descriptor = os.open(path, _READ) if inside is None else _open_beneath(path, inside)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            raise NotReadableError(f"{_KINDS.get(kind, 'something special')} instead of a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise


def read_regular(path: str, *, inside: str | None = None, limit: int | None = None) -> bytes:
    """The bytes of a regular file; see `open_regular`.

    Args:
        limit: bytes; what is larger is refused before it is read, and what grows meanwhile while it is.
    """
    with open_regular(path, inside) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is None:
            return file.read()
        data = b"" if size > limit else file.read(limit + 1)
        if size > limit or len(data) > limit:
            raise NotReadableError(f"{max(size, len(data)):,} bytes; at most {limit:,} are read")
        return data


def replace_file(path: Path, data: bytes | str, *, mode: int = 0o666) -> None:
    """Create or replace a file: whoever looks sees the old content or the new one, also after a power cut.

    Args:
        path: its folder is made where it is absent.
        data: text is written as UTF-8.
        mode: rights of the file, less the umask.

    Raises:
        OSError: the disk is full, or not to be written to; the old content stays, and nothing unfinished.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")  # no *.prom, no *.yaml
    try:
        write_durably(unfinished, [data.encode() if isinstance(data, str) else data], mode=mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_durably(path: Path, chunks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a new file and bring it to the disk, so that a rename after it never names a file with holes.

    Args:
        mode: its rights, less the umask; given on creation, as between a write and a chmod anybody could read it.

    Raises:
        OSError: as `open` and `write`; FileExistsError where there is one.
    """
    with os.fdopen(os.open(path, _NEW, mode), "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def leads_outside(path: str, inside: str) -> bool:
    """Whether a path lies elsewhere once its links are followed; for a message before anything is opened."""
    return not _is_within(os.path.realpath(path), os.path.realpath(inside))


def _is_within(real: str, root: str) -> bool:
    return real == root or real.startswith(root.rstrip("/") + "/")


def _open_beneath(path: str, inside: str) -> int:
    """Follow the links now, then walk there from the folder without following any: none can be put in meanwhile."""
    root, real = os.path.realpath(inside), os.path.realpath(path)
    if not _is_within(real, root):
        raise NotReadableError("a place outside the data set")
    *folders, name = os.path.relpath(real, root).split("/")
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=here)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotReadableError("a link that was put there while it was read") from error
        if error.errno == errno.ENXIO:  # a socket has no opening
            raise NotReadableError("a socket instead of a file") from error
        raise
    finally:
        os.close(here)
