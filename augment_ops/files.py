"""Opens a file only where it is a regular one, and lies inside a folder; asked of the open descriptor.

A named pipe makes its reader wait for ever, a device never ends, and a link leads anywhere. Whoever asks a path first
and opens it afterwards can be shown another file in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import IO

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
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
