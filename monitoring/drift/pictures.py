"""Pictures of the prediction log, found again by their references."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.store import Store
from augment_ops.errors import StoreError

Loaded = tuple[NDArray[Any] | None, NDArray[np.int64], NDArray[np.float64] | None, int]


def load_pictures(store: Store | None, references: Sequence[str | None]) -> Loaded:
    """The pictures behind `<sha256>#<row>` references.

    Returns:
        uint8 (M, H, W, C) of the most frequent shape, or None without any; which of the references they are, ascending;
        height × width of each reference (NaN where it has none); how many references lead nowhere.
    """
    named = [(place, text) for place, text in enumerate(references) if text is not None]
    if store is None or not named:
        return None, np.zeros(0, np.int64), None, 0
    arrays: dict[str, NDArray[Any] | None] = {}
    found: dict[int, NDArray[Any]] = {}
    for place, text in named:
        digest, _, row = text.partition("#")
        if digest not in arrays:
            arrays[digest] = _array(store, digest)
        array = arrays[digest]
        if array is not None and row.isdecimal() and int(row) < len(array):
            found[place] = array[int(row)]
    pixels = np.full(len(references), np.nan)
    for place, picture in found.items():
        pixels[place] = picture.shape[0] * picture.shape[1]
    if not found:
        return None, np.zeros(0, np.int64), pixels, len(named)
    shapes = Counter(picture.shape for picture in found.values())
    shape = max(shapes, key=lambda one: (shapes[one], one))
    places = sorted(place for place, picture in found.items() if picture.shape == shape)
    images = np.stack([found[place] for place in places])
    return images, np.array(places, np.int64), pixels, len(named) - len(found)


def _array(store: Store, digest: str) -> NDArray[Any] | None:
    try:
        array = np.load(io.BytesIO(store.get(digest)), allow_pickle=False)
    except (StoreError, ValueError, EOFError, OSError, MemoryError, SyntaxError):  # the latter: headers that lie
        return None
    return array if array.dtype == np.uint8 and array.ndim == 4 else None
