"""Pictures of the prediction log, found again by their references, and read when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.modalities.base import Payload

Loaded = tuple[Payload | None, NDArray[np.int64], NDArray[np.float64] | None, int]
_Shape = tuple[int, int, int]


@dataclass(frozen=True)
class _Array:
    """An object of the store that holds pictures, verified: uint8 (count, *shape)."""

    digest: str
    path: Path
    count: int
    shape: _Shape


def load_pictures(store: Store | None, references: Sequence[str | None]) -> Loaded:
    """The pictures behind `<sha256>#<row>` references.

    Every object is verified now; of pixels, nothing is kept in memory.

    Returns:
        those of the most frequent shape, or None without any; which of the references they are, ascending; height ×
        width of each reference (NaN where it has none); how many references lead nowhere.
    """
    named = [(place, text) for place, text in enumerate(references) if text is not None]
    if store is None or not named:
        return None, np.zeros(0, np.int64), None, 0
    arrays: dict[str, _Array | None] = {}
    found: dict[int, tuple[_Array, int]] = {}
    for place, text in named:
        digest, _, row = text.partition("#")
        if digest not in arrays:
            arrays[digest] = _array(store, digest)
        array = arrays[digest]
        if array is not None and row.isdecimal() and int(row) < array.count:
            found[place] = array, int(row)
    pixels = np.full(len(references), np.nan)
    for place, (array, _) in found.items():
        pixels[place] = array.shape[0] * array.shape[1]
    if not found:
        return None, np.zeros(0, np.int64), pixels, len(named)
    shapes = Counter(array.shape for array, _ in found.values())
    shape = max(shapes, key=lambda one: (shapes[one], one))
    places = sorted(place for place, (array, _) in found.items() if array.shape == shape)
    pictures = LoggedPictures(store, [found[place] for place in places])
    return pictures, np.array(places, np.int64), pixels, len(named) - len(found)


class LoggedPictures:
    """A payload of pictures that lie in arrays of the store.

    Args:
        store: has the arrays.
        pictures: the array and the row in it of each, one at least, all of one shape.
    """

    def __init__(self, store: Store, pictures: Sequence[tuple[_Array, int]]) -> None:
        self._store, self._shape = store, pictures[0][0].shape
        numbers = {array: number for number, array in enumerate(dict.fromkeys(array for array, _ in pictures))}
        self._arrays = tuple(numbers)
        self._owner = np.array([numbers[array] for array, _ in pictures], np.int64)
        self._rows = np.array([row for _, row in pictures], np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> _Shape:
        """(H, W, C) of every picture."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every picture."""
        return np.dtype(np.uint8)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        found = np.empty((len(rows), *self._shape), np.uint8)
        owner = self._owner[rows]
        for number in np.unique(owner):
            array, here = self._arrays[number], owner == number
            # A copy of an object that lies elsewhere may be gone from this machine again.
            path = array.path if array.path.is_file() else self._store.local(array.digest)
            found[here] = open_memmap(path, mode="r")[self._rows[rows[here]]]  # closed again: it would stay resident
        return found


def _array(store: Store, digest: str) -> _Array | None:
    """What lies under a digest; None where it is not there, is altered, or holds no pictures."""
    try:
        path = store.local(digest)
        array: NDArray[Any] = open_memmap(path, mode="r")
    except (StoreError, ValueError, EOFError, OSError, MemoryError, SyntaxError):  # the latter: headers that lie
        return None
    if array.dtype != np.uint8 or array.ndim != 4:
        return None
    count, height, width, channels = array.shape
    return _Array(digest, path, count, (height, width, channels))
