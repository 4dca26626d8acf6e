"""Images of a file in memory that is given back: what a process holds of the file does not grow with the file.

Pages of a mapped file stay resident until the machine runs short of memory, and count as the process's own where its
memory is limited or measured. They are cheap to get again while the machine still has them cached.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESIDENT_BYTES = 128 << 20  # at most, roughly: enough that giving it back costs nothing beside reading it
_AROUND = 64 << 10  # bytes that Linux maps around a byte that is asked for


class Mapped:
    """N images as an array over a file.

    Args:
        path: the file; it holds the images and nothing else, in C order.
        shape: (N, H, W, C), none of them 0.
        write: make the file, of zeros; what is put goes to it.

    Attributes:
        array: uint8 (N, H, W, C).

    Raises:
        OSError: the file cannot be opened; ValueError: it is not of that size.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], *, write: bool = False) -> None:
        size = int(np.prod(shape))
        with path.open("w+b" if write else "rb") as file:
            if write:
                file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
        self._gives_back = size > _RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED")
        self.array: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8).reshape(shape)
        self._touched = 0

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `rows`: uint8 (n, H, W, C), a copy."""
        found = np.take(self.array, rows, axis=0)  # a third faster than by an index
        self._used(len(rows))
        return found

    def put(self, rows: NDArray[np.int64], images: NDArray[Any]) -> None:
        """Write the images at `rows`."""
        self.array[rows] = images
        self._used(len(rows))

    def flush(self) -> None:
        """Have what was written in the file, also after the machine stops."""
        self._map.flush()

    def _used(self, images: int) -> None:
        # Threads may count wrongly beside each other: then pages are given back a little sooner or later.
        self._touched += images * (int(np.prod(self.array.shape[1:])) + _AROUND)
        if self._gives_back and self._touched > _RESIDENT_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)  # of a shared map: what was changed is in the file's cache
