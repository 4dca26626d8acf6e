"""Artifacts that are either there or not: a local write is a temporary name and a rename."""

from __future__ import annotations

import os
import shutil
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from augment_ops import scratch as scratch_space
from augment_ops.errors import TrackingError
from augment_ops.files import write_durably
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import TrackedRun

_PARTIAL = ".partial-"  # beside the artifact folder and not in it, so that MLflow never lists one


def log_bytes(connection: Connection, run: TrackedRun, data: bytes, path: str) -> None:
    """Store `data` as the run's artifact `path`; what was there before is replaced at once.

    Raises:
        TrackingError: `path` leaves the run's folder, or MLflow refuses.
        StoreError: the disk is full.
    """
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.name:
        raise TrackingError(
            "artifact path", repr(path), "a relative path inside the run", "give a path such as report/report.html"
        )
    folder = local_path(run.artifact_uri)
    if folder is not None:
        write_file(data, folder / relative, scratch=folder.parent)
        return
    with scratch_space.folder("artifact") as temporary:
        source = temporary / relative.name
        source.write_bytes(data)
        parent = None if str(relative.parent) == "." else str(relative.parent)
        connection.client.log_artifact(run.run_id, str(source), parent)


def local_path(uri: str) -> Path | None:
    """The local path behind an artifact URI (a path or `file:`), None where a server or an object store holds it."""
    parsed = urllib.parse.urlparse(uri)
    if parsed.scheme in ("", "file"):
        return Path(urllib.parse.unquote(parsed.path))
    return None


def write_file(data: bytes, target: Path, scratch: Path) -> None:
    """Write `data` to `target` through a file in `scratch`, which must lie on the same disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, scratch, lambda partial: write_durably(partial, [data]))


def write_folder(fill: Callable[[Path], None], target: Path) -> None:
    """Let `fill` write a folder, then put it in the place of `target` in one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)

    def build(partial: Path) -> None:
        partial.mkdir()
        fill(partial)
        if target.exists():  # of an attempt that ended before MLflow was told; nothing refers to it yet
            shutil.rmtree(target)

    _replace(target, target.parent, build)


def _replace(target: Path, scratch: Path, build: Callable[[Path], None]) -> None:
    for stale in scratch.glob(f"{_PARTIAL}{target.name}-*"):
        _remove(stale)  # left by a killed attempt; callers write one target one at a time
    partial = scratch / f"{_PARTIAL}{target.name}-{uuid.uuid4().hex[:8]}"
    try:
        build(partial)
        os.replace(partial, target)  # noqa: PTH105 - Path.replace is the same call
    except BaseException:
        _remove(partial)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
