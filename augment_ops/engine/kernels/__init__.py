"""Loops that numba compiles, kept on disk: what all of them share, and the counters of Philox.

numba keeps what it compiled on disk, but looks only at the file of the outermost function when it asks whether that is
still current: a change in another file would go unnoticed. So the cache lies in a folder that is named by the content
of all files of a package of loops and of those here, and all of them are imported while that folder is set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numba

_HERE = Path(__file__).parent


def load(package: str, folder: Path, modules: Sequence[str]) -> Path:
    """Import modules of compiled loops with a cache of their own; the cache's folder.

    Args:
        package: dotted name of the package that holds them.
        folder: where its files lie.
        modules: their names, in the order in which they are imported.
    """
    before, cache = numba.config.CACHE_DIR, _cache_folder(folder)
    numba.config.CACHE_DIR = str(cache)
    try:
        for name in modules:
            import_module(f"{package}.{name}")
    finally:
        numba.config.CACHE_DIR = before
    return cache


def _cache_folder(folder: Path) -> Path:
    content = hashlib.sha256()
    for path in (path for part in dict.fromkeys((_HERE, folder)) for path in sorted(part.glob("*.py"))):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = (
        [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else [folder / "__pycache__", home / "augment-ops"]
    )
    folders = [base / f"loops-{content.hexdigest()[:16]}" for base in chosen]
    # Where the package is installed read-only, the user's own cache serves.
    return next(filter(_writable, folders), folders[-1])


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


load(__name__, _HERE, ("compiled", "philox", "applies"))
