"""A model file as it was verified: its content, not its path, so that nobody changes it between check and use."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import StoreError

FIRST_FORMAT = "pt2"  # of every model whose record says nothing of a format: there was no other
MAX_BYTES = 4 << 30  # a model of a billion float32 weights; more would not leave room for the copy beside it


@dataclass(frozen=True, eq=False, repr=False)
class Artifact:
    """A file that was read once.

    Attributes:
        content: what its sha256 was taken of; whoever asks the model is given this, and the path is not opened again.
        sha256: hex.
        source: where it came from, for messages.
        format: what its record says it is; a runtime finds out whether that is so.
    """

    content: bytes
    sha256: str
    source: str
    format: str = FIRST_FORMAT


def read_artifact(path: Path, sha256: str, format: str = FIRST_FORMAT) -> Artifact:
    """Read the file that the caller names by its sha256.

    Args:
        sha256: 64 hexadecimal digits, from a record that whoever may write the file cannot.
        format: of the file, from the same record.

    Raises:
        StoreError: there is no such regular file, it is too large, or its content is another.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _not_it(path, "no regular file", sha256)
            if status.st_size > MAX_BYTES:
                raise _not_it(path, f"{status.st_size:,} bytes", sha256)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        found = "no file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise _not_it(path, found, sha256) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _not_it(path, "other content", sha256)
    return Artifact(content, sha256, str(path), format)


def _not_it(path: Path, found: str, sha256: str) -> StoreError:
    return StoreError(
        str(path),
        found,
        f"the artifact {sha256[:12]}…, of at most {MAX_BYTES >> 30} GiB",
        "delete the file where it is a copy; where it is MLflow's own, restore it or roll back to another version",
    )
