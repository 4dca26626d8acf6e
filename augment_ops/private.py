"""State that its owner alone can read: folders 700, files 600, whatever the shell's umask is.

Snapshots, predictions, the ledger and logs hold what data sets and people are called. A group that shares a state
folder sets AUGMENT_OPS_UMASK=027 (or 007).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from augment_ops.errors import InputError

VARIABLE = "AUGMENT_OPS_UMASK"
_DEFAULT = 0o077
# By which a folder is known as a state folder of ours: ./var may be the system's.
_MARKS = ("ledger.db", "services/passwords.json", "mlflow/mlflow.db", "metrics/augment_ops.prom")


def umask(environ: Mapping[str, str] | None = None) -> int:
    """What is taken from the rights of each new file.

    Raises:
        InputError: not an octal number, or one that takes rights from the owner or lets everybody write.
    """
    env = os.environ if environ is None else environ
    text = env.get(VARIABLE) or f"{_DEFAULT:03o}"
    if len(text) <= 4 and text and set(text) <= set("01234567"):
        number = int(text, 8)
        if number & 0o700 == 0 and number & 0o007 == 0o007:
            return number
    raise InputError(
        VARIABLE,
        f"{text!r:.40}",
        "077 (the owner alone), 027 (a group reads) or 007 (a group writes)",
        f"unset {VARIABLE}, or give one of these",
    )


def begin(home: Path) -> None:
    """Make what this process writes from now on private, and a state folder that others can read, with a word on it.

    Call it at the entry of a program, never of a library: the umask is the whole process's.
    """
    mask = umask()
    os.umask(mask)
    changed = close(home, mask)
    if changed:
        sys.stderr.write(
            f"note: others could read {home}; {changed} of its files and folders are their owner's alone now "
            f"({VARIABLE}=027 lets a group read)\n"
        )


def is_open(home: Path, mask: int) -> bool:
    """Whether `home` is a state folder of this user that grants what `mask` takes."""
    try:
        found = home.stat()
    except OSError:
        return False
    ours = found.st_uid == os.getuid() and any((home / mark).exists() for mark in _MARKS)
    return ours and bool(found.st_mode & mask & 0o777)


def close(home: Path, mask: int) -> int:
    """Take the rights in `mask` from an open state folder and all in it; how many files and folders that changed.

    Nothing is looked at where the folder itself is closed: nobody else comes past it. Links are not followed, and what
    belongs to others stays as it is. The folder comes last, so that a run that was killed is repeated.
    """
    if not is_open(home, mask):
        return 0
    changed = 0
    for folder, _, files in os.walk(home, topdown=False):
        for path in (*(Path(folder) / name for name in files), Path(folder)):
            changed += _close(path, mask)
    return changed


def _close(path: Path, mask: int) -> bool:
    try:
        found = path.lstat()
        if path.is_symlink() or found.st_uid != os.getuid() or not found.st_mode & mask & 0o777:
            return False
        path.chmod(found.st_mode & 0o7777 & ~mask)
    except OSError:  # gone, or on a file system without rights
        return False
    return True
