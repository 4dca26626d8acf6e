"""Pixels on their way into a snapshot: on disk until it is known which shape prevails, and in which order they go."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from augment_ops.data.blobs import store_error
from augment_ops.data.decode import Pixels

_BUFFER = 1 << 20
_BATCH_BYTES = 8 << 20  # gathered at once when the pixels are read back in another order


class Spool:
    """Appends images and reads them back in any order; memory stays at a few MB whatever their number.

    Its one file has no name, so that nothing is left of it even when the process is killed.

    Args:
        folder: where the file lies; made where needed. Needs room for all decoded pixels.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0

    def __enter__(self) -> Spool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER)
        except OSError as error:
            raise store_error(self._folder, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing flushes what a full disk refused before; nobody needs it now
            self._file.close()

    def append(self, pixels: Pixels) -> int:
        """Keep C-contiguous uint8 pixels; the offset to read them back by.

        Raises:
            StoreError: the disk is full.
        """
        try:
            self._file.write(pixels.data)
        except OSError as error:
            raise store_error(self._folder, error, self._size + pixels.nbytes) from error
        offset = self._size
        self._size += pixels.nbytes
        return offset

    def read(self, offset: int, shape: tuple[int, int, int]) -> Pixels:
        """The pixels at `offset`, uint8 of that shape; a copy.

        Raises:
            StoreError: the disk is full (what was buffered is written now).
        """
        try:
            self._file.flush()
            data = os.pread(self._file.fileno(), math.prod(shape), offset)
        except OSError as error:
            raise store_error(self._folder, error, self._size) from error
        return np.frombuffer(data, np.uint8).reshape(shape)

    def chunks(self, offsets: Sequence[int], size: int) -> Iterator[bytes]:
        """The pixels at `offsets`, `size` bytes each and in that order, joined to pieces of some MB.

        Raises:
            StoreError: the disk is full (what was buffered is written now).
        """
        try:
            self._file.flush()
        except OSError as error:
            raise store_error(self._folder, error, self._size) from error
        step = max(1, _BATCH_BYTES // size)
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as pixels:
            for start in range(0, len(offsets), step):
                yield b"".join(pixels[offset : offset + size] for offset in offsets[start : start + step])
