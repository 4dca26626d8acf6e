"""Folders for what lives as long as a block of code: of this user alone, and gone when their process is.

All lie in one folder of the system's temporary one, `augment-ops-<user's number>`, mode 700. Each holds a lock while it
is in use, which the system gives back however its process ends: a folder without it was left by a kill, and the next
process takes it away. A process's number would not tell that: it is given again, and another container has the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from augment_ops.errors import StoreError

_TRIES = 20  # a sweep of another process may take a folder in the moment before it is locked


def root() -> Path:
    """The folder of this user's scratch, made where it is absent; what killed processes left in it is removed.

    Raises:
        StoreError: somebody else has made a folder, or a link, of that name.
    """
    return _root(Path(tempfile.gettempdir()))


@contextmanager
def folder(purpose: str, place: Path | None = None) -> Iterator[Path]:
    """A new empty folder, removed at the end.

    Args:
        purpose: what its name begins with.
        place: the folder that it lies in; what killed processes left there for the same purpose is removed. By default
            `root()`.
    """
    if place is not None:
        sweep(place, f"{purpose}-")
    path, lock = _locked(place or root(), purpose)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)  # after its content: nobody sweeps what is in use


def sweep(place: Path, beginning: str = "") -> int:
    """Remove the folders in `place` that no living process holds; how many there were.

    Args:
        beginning: of the names of those that are looked at.
    """
    removed = 0
    for path in [one for one in place.iterdir() if one.name.startswith(beginning)]:
        with contextlib.suppress(OSError):  # held, or taken by another sweep
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
                removed += 1
            finally:
                os.close(lock)
    return removed


@cache
def _root(temporary: Path) -> Path:
    place = temporary / f"augment-ops-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StoreError(
            str(place),
            "something that another user, or no folder, has the name of",
            "a folder of yours",
            "have it removed by its owner, or set TMPDIR to a folder that only you can write to",
        )
    if found.st_mode & 0o077:
        place.chmod(0o700)
    sweep(place)
    return place


def _locked(place: Path, purpose: str) -> tuple[Path, int]:
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=place))
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    return path, lock
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)
    raise StoreError(str(place), "no folder that stays", "a temporary folder", "set TMPDIR to another folder")
