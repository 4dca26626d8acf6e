"""The images of samples, read a part at a time: what every consumer of a data set takes in place of an array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.mapped import Mapped
from augment_ops.modalities.base import Payload

_CHUNK_BYTES = 4_000_000  # of images worked on at once: 16 MB as float32, of which a step needs about four


class ArrayPayload:
    """Images of an array in memory.

    Args:
        images: uint8 (N, H, W, C). Those of another dtype are given as they are, to who can use them.
    """

    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return tuple(map(int, self._images.shape[1:]))

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        return np.ascontiguousarray(np.take(self._images, rows, axis=0))  # a third faster than by an index


class FilePayload:
    """Images of a file; a pickle of it names the file.

    Args:
        path: holds uint8 (N, H, W, C) in C order and nothing else.
        count: N; shape: (H, W, C).
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, ...]) -> None:
        self._path, self._count, self._shape = path, count, shape
        self._mapped = Mapped(path, (count, *shape))

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._shape

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        return self._mapped.take(rows)

    def __reduce__(self) -> tuple[type[FilePayload], tuple[Path, int, tuple[int, ...]]]:
        return FilePayload, (self._path, self._count, self._shape)


class Part:
    """Some images of another payload.

    Args:
        whole: all images.
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

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        return self._whole.take(self._rows[rows])


class Joined:
    """The images of several payloads of one shape, one after another."""

    def __init__(self, parts: Sequence[Payload]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        return self._parts[0].shape

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        found = np.empty((len(rows), *self.shape), np.uint8)
        owner = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(owner):
            here, start = owner == number, self._ends[number] - len(self._parts[number])
            found[here] = self._parts[number].take(rows[here] - start)
        return found


Images = NDArray[Any] | Payload  # what is taken wherever N images are wanted; an array is uint8 (N, H, W, C)


def payload_of(images: Images) -> Payload:
    """What holds the images: the payload itself, or one of an array (N, H, W, C)."""
    if not isinstance(images, np.ndarray):
        return images
    if isinstance(images, np.memmap) and _is_whole_file(images):
        return FilePayload(Path(str(images.filename)), len(images), images.shape[1:])
    return ArrayPayload(images)


def chunks(payload: Payload, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """The images at `rows` (all by default), a few MB at a time, with the place of each part among them.

    Args:
        payload: the images.
        rows: int64 (n,); by default every row in order.
    """
    size = max(1, _CHUNK_BYTES // max(1, int(np.prod(payload.shape))))
    count = len(payload) if rows is None else len(rows)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, payload.take(np.arange(part.start, part.stop) if rows is None else rows[part])


def _is_whole_file(images: np.memmap[Any, Any]) -> bool:
    """Whether a file, mapped from its first byte to its last in C order, holds these images and nothing else."""
    return (
        images.dtype == np.uint8
        and images.filename is not None
        and images.mode != "c"  # changes of such a map are not in the file
        and images.flags.c_contiguous
        and Path(images.filename).is_file()
        and Path(images.filename).stat().st_size == images.nbytes > 0
    )
