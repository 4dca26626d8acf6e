"""Samples of the prediction log, found again by their references, and read when they are asked for."""

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
from augment_ops.errors import DataError, StoreError
from augment_ops.modalities.base import Modality, Payload
from augment_ops.modalities.source import Samples

Loaded = tuple[Payload | None, NDArray[np.int64], NDArray[np.float64] | None, int]


@dataclass(frozen=True)
class _Array:
    """An object of the store that holds samples, verified: (count, *shape) of one dtype."""

    digest: str
    path: Path
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def form(self) -> tuple[tuple[int, ...], str]:
        """What samples that are read together have in common."""
        return self.shape, self.dtype.str


def load_samples(store: Store | None, references: Sequence[str | None], modality: Modality) -> Loaded:
    """The samples behind `<sha256>#<row>` references.

    Every object is verified now; of samples, nothing is kept in memory.

    Returns:
        those of the most frequent shape and dtype, or None without any; which of the references they are, ascending;
        the size of each reference's sample (NaN where it has none); how many references lead nowhere.
    """
    named = [(place, text) for place, text in enumerate(references) if text is not None]
    if store is None or not named:
        return None, np.zeros(0, np.int64), None, 0
    arrays: dict[str, _Array | None] = {}
    found: dict[int, tuple[_Array, int]] = {}
    for place, text in named:
        digest, _, row = text.partition("#")
        if digest not in arrays:
            arrays[digest] = _array(store, digest, modality)
        array = arrays[digest]
        if array is not None and row.isdecimal() and int(row) < array.count:
            found[place] = array, int(row)
    sizes = np.full(len(references), np.nan)
    for place, (array, _) in found.items():
        sizes[place] = modality.size(array.shape)
    if not found:
        return None, np.zeros(0, np.int64), sizes, len(named)
    forms = Counter(array.form for array, _ in found.values())
    form = max(forms, key=lambda one: (forms[one], one))
    places = sorted(place for place, (array, _) in found.items() if array.form == form)
    samples = LoggedSamples(store, [found[place] for place in places])
    return samples, np.array(places, np.int64), sizes, len(named) - len(found)


class LoggedSamples:
    """A payload of samples that lie in arrays of the store.

    Args:
        store: has the arrays.
        samples: the array and the row in it of each, one at least, all of one shape and dtype.
    """

    def __init__(self, store: Store, samples: Sequence[tuple[_Array, int]]) -> None:
        self._store, self._first = store, samples[0][0]
        numbers = {array: number for number, array in enumerate(dict.fromkeys(array for array, _ in samples))}
        self._arrays = tuple(numbers)
        self._owner = np.array([numbers[array] for array, _ in samples], np.int64)
        self._rows = np.array([row for _, row in samples], np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._first.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._first.dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        found = np.empty((len(rows), *self.shape), self.dtype)
        owner = self._owner[rows]
        for number in np.unique(owner):
            array, here = self._arrays[number], owner == number
            # A copy of an object that lies elsewhere may be gone from this machine again.
            path = array.path if array.path.is_file() else self._store.local(array.digest)
            found[here] = open_memmap(path, mode="r")[self._rows[rows[here]]]  # closed again: it would stay resident
        return found


def _array(store: Store, digest: str, modality: Modality) -> _Array | None:
    """What lies under a digest; None where it is not there, is altered, or holds no samples of that modality."""
    try:
        path = store.local(digest)
        array: NDArray[Any] = open_memmap(path, mode="r")
        modality.check(array, digest)
    except (StoreError, DataError, ValueError, EOFError, OSError, MemoryError, SyntaxError):  # the latter: odd headers
        return None
    return _Array(digest, path, len(array), array.shape[1:], array.dtype)
