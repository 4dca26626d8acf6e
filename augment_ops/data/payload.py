"""Samples, read a part at a time: what every consumer of a data set takes in place of an array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from augment_ops.data.mapped import Mapped
from augment_ops.modalities.base import Payload
from augment_ops.modalities.source import Samples

_CHUNK_BYTES = 4_000_000  # of samples worked on at once: bytes are 16 MB as float32, of which a step needs about four


class ArrayPayload:
    """Samples of an array in memory.

    Args:
        samples: (N, *shape) of any dtype.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return tuple(map(int, self._samples.shape[1:]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._samples.dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        return np.ascontiguousarray(np.take(self._samples, rows, axis=0))  # a third faster than by an index


class FilePayload:
    """Samples of a file; a pickle of it names the file.

    Args:
        path: holds (N, *shape) in C order and nothing else.
        count: N; shape: of every sample.
        dtype: of every sample.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> None:
        self._path, self._count, self._shape = path, count, shape
        self._mapped = Mapped(path, (count, *shape), dtype)

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._mapped.array.dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        return self._mapped.take(rows)

    def __reduce__(self) -> tuple[type[FilePayload], tuple[object, ...]]:
        return FilePayload, (self._path, self._count, self._shape, self.dtype)


class Part:
    """Some samples of another payload.

    Args:
        whole: all samples.
        rows: int64 (n,), positions in `whole`.
    """

    def __init__(self, whole: Payload, rows: NDArray[np.int64]) -> None:
        self._whole, self._rows = whole, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._whole.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._whole.dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        return self._whole.take(self._rows[rows])


class Joined:
    """The samples of several payloads of one shape and dtype, one after another."""

    def __init__(self, parts: Sequence[Payload]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._parts[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._parts[0].dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        found = np.empty((len(rows), *self.shape), self.dtype)
        owner = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(owner):
            here, start = owner == number, self._ends[number] - len(self._parts[number])
            found[here] = self._parts[number].take(rows[here] - start)
        return found


SamplesOrPayload = Samples | Payload  # what is taken wherever N samples are wanted; an array is (N, *shape)


def payload_of(samples: SamplesOrPayload) -> Payload:
    """What holds the samples: the payload itself, or one of an array (N, *shape)."""
    if not isinstance(samples, np.ndarray):
        return samples
    if isinstance(samples, np.memmap) and _is_whole_file(samples):
        return FilePayload(Path(str(samples.filename)), len(samples), samples.shape[1:], samples.dtype)
    return ArrayPayload(samples)


def chunks(payload: Payload, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, Samples]]:
    """The samples at `rows` (all by default), a few MB at a time, with the place of each part among them.

    Args:
        payload: the samples.
        rows: int64 (n,); by default every row in order.
    """
    size = max(1, _CHUNK_BYTES // max(1, int(np.prod(payload.shape)) * payload.dtype.itemsize))
    count = len(payload) if rows is None else len(rows)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, payload.take(np.arange(part.start, part.stop) if rows is None else rows[part])


def _is_whole_file(samples: np.memmap[Any, Any]) -> bool:
    """Whether a file, mapped from its first byte to its last in C order, holds these samples and nothing else."""
    return (
        samples.filename is not None
        and samples.mode != "c"  # changes of such a map are not in the file
        and samples.flags.c_contiguous
        and Path(samples.filename).is_file()
        and Path(samples.filename).stat().st_size == samples.nbytes > 0
    )
