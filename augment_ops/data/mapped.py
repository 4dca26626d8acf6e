"""Samples of a file in memory that is given back: what a process holds of the file does not grow with the file.

Pages of a mapped file stay resident until the machine runs short of memory, and count as the process's own where its
memory is limited or measured. They are cheap to get again while the machine still has them cached.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

_RESIDENT_BYTES = 128 << 20  # at most, roughly: enough that giving it back costs nothing beside reading it
_AROUND = 64 << 10  # bytes that Linux maps around a byte that is asked for


class Mapped:
    """N samples as an array over a file.

    Args:
        path: the file; it holds the samples and nothing else, in C order.
        shape: (N, *shape of a sample), none of them 0.
        dtype: of the samples.
        write: make the file, of zeros; what is put goes to it.

    Attributes:
        array: the samples.

    Raises:
        OSError: the file cannot be opened; ValueError: it is not of that size.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8, *, write: bool = False
    ) -> None:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        with path.open("w+b" if write else "rb") as file:
            if write:
                file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
        self._gives_back = size > _RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED")
        self.array: NDArray[Any] = np.frombuffer(self._map, dtype).reshape(shape)
        self._sample_bytes = size // shape[0]
        self._touched = 0

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The samples at `rows`: (n, *shape), a copy."""
        found = np.take(self.array, rows, axis=0)  # a third faster than by an index
        self._used(len(rows))
        return found

    def put(self, rows: NDArray[np.int64], samples: NDArray[Any]) -> None:
        """Write the samples at `rows`."""
        self.array[rows] = samples
        self._used(len(rows))

    def flush(self) -> None:
        """Have what was written in the file, also after the machine stops."""
        self._map.flush()

    def _used(self, samples: int) -> None:
        # Threads may count wrongly beside each other: then pages are given back a little sooner or later.
        self._touched += samples * (self._sample_bytes + _AROUND)
        if self._gives_back and self._touched > _RESIDENT_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)  # of a shared map: what was changed is in the file's cache
