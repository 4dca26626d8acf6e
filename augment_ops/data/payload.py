"""The images of samples, read a part at a time: what every consumer of a data set takes in place of an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_CHUNK_BYTES = 16 << 20  # of images worked on at once; as float32 that is 64 MB, of which a step needs about two


class Payload(Protocol):
    """N images of one shape, wherever they lie and however they are kept.

    Safe to read from several threads. A pickle of it says where the images lie rather than what they show, so that
    worker processes can have it.
    """

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `rows`, in that order: uint8 (n, H, W, C) in C order, a copy that belongs to the caller.

        Args:
            rows: int64 (n,), 0 to N - 1; any order, and a row more than once.

        Raises:
            IndexError: a row beyond the last.
            StoreError: the images are missing or altered.
        """
        ...


class ArrayPayload:
    """Images of an array in memory, or of a memory-mapped file.

    Args:
        images: uint8 (N, H, W, C). Those of another dtype are given as they are, to who can use them.
    """

    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        height, width, channels = self._images.shape[1:]
        return int(height), int(width), int(channels)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        return np.ascontiguousarray(np.take(self._images, rows, axis=0))  # a third faster than by an index

    def __reduce__(self) -> tuple[Callable[..., ArrayPayload], tuple[Any, ...]]:
        images = self._images
        if _is_whole_file(images):
            return _of_file, (str(images.filename), images.dtype.str, images.shape)  # type: ignore[attr-defined]
        return ArrayPayload, (np.asarray(images),)


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
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self._whole.shape

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Payload`."""
        return self._whole.take(self._rows[rows])


def payload_of(images: NDArray[Any] | Payload) -> Payload:
    """What holds the images: an array (N, H, W, C) as a payload, or the payload itself."""
    return ArrayPayload(images) if isinstance(images, np.ndarray) else images


def chunks(payload: Payload, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """The images at `rows` (all by default), a bounded part of memory at a time, with the part's place among them.

    Args:
        payload: the images.
        rows: int64 (n,); by default every row in order.
    """
    size = max(1, _CHUNK_BYTES // max(1, int(np.prod(payload.shape))))
    count = len(payload) if rows is None else len(rows)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, payload.take(np.arange(part.start, part.stop) if rows is None else rows[part])


def _is_whole_file(images: NDArray[Any]) -> bool:
    """Whether a file, mapped from its first byte to its last in C order, holds these images and nothing else."""
    return (
        isinstance(images, np.memmap)
        and images.filename is not None
        and images.mode != "c"  # changes of such a map are not in the file
        and images.flags.c_contiguous
        and Path(images.filename).is_file()
        and Path(images.filename).stat().st_size == images.nbytes
    )


def _of_file(path: str, dtype: str, shape: tuple[int, ...]) -> ArrayPayload:
    return ArrayPayload(np.memmap(path, dtype, mode="r", shape=shape))
