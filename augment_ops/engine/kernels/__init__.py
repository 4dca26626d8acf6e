"""Loops that numba compiles: pixels and counters, no parameters and no policies. They release the GIL.

numba keeps what it compiled on disk, but looks only at the file of the outermost function when it asks whether that is
still current: a change in another file of this package would go unnoticed. So the cache lies in a folder that is named
by the content of all files here, and all of them are imported while that folder is set.
"""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path

import numba

_HERE = Path(__file__).parent
_LOOPS = (
    "compiled", "philox", "memory", "blend", "tables", "statistics", "hsv", "colour", "warp", "convolution", "noise",
    "holes", "matrices", "fused", "fields", "smear", "light",
)  # fmt: skip


def _cache_folder() -> Path:
    content = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else [_HERE / "__pycache__", home / "augment-ops"]
    folders = [base / f"loops-{content.hexdigest()[:16]}" for base in chosen]
    # Where the package is installed read-only, the user's own cache serves.
    return next(filter(_writable, folders), folders[-1])


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _import_all() -> Path:
    before, folder = numba.config.CACHE_DIR, _cache_folder()
    numba.config.CACHE_DIR = str(folder)
    try:
        for name in _LOOPS:
            import_module(f"{__name__}.{name}")
    finally:
        numba.config.CACHE_DIR = before
    return folder


CACHE = _import_all()  # the folder
