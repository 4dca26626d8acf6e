"""Samples on their way into a snapshot: on disk until it is known which of them stay, and in which order they go."""

from __future__ import annotations

import contextlib
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from augment_ops.data.blobs import store_error

_BUFFER = 1 << 20
# One file a segment, freed when its last sample has left: 512 GB stay below the usual 1,024 open files of a process.
_SEGMENT_BYTES = 512 << 20


class Spool:
    """Appends samples and reads them back in any order; memory stays at a few MB whatever their number.

    Its files have no names, so that nothing is left of them even when the process is killed.

    Args:
        folder: where the files lie; made where needed. Needs room for all samples as they are kept.
        segment_bytes: size from which on another file is begun.
    """

    def __init__(self, folder: Path, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._folder, self._segment_bytes = folder, segment_bytes
        self._segments: list[IO[bytes]] = []
        self._starts: list[int] = []  # of each segment, in bytes of all
        self._size = 0

    def __enter__(self) -> Spool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._begin()
        except OSError as error:
            raise store_error(self._folder, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for segment in self._segments:
            self._free(segment)

    def append(self, data: bytes | memoryview) -> int:
        """Keep a sample; the place to read it back by.

        Raises:
            StoreError: the disk is full.
        """
        place, size = self._size, memoryview(data).nbytes
        try:
            if place - self._starts[-1] >= self._segment_bytes:
                self._segments[-1].flush()
                self._begin()
            self._segments[-1].write(data)
        except OSError as error:
            raise store_error(self._folder, error, place + size) from error
        self._size += size
        return place

    def read(self, place: int, size: int) -> bytes:
        """The `size` bytes at `place`.

        Raises:
            StoreError: the disk is full (what was buffered is written now).
        """
        self._flush()
        return self._piece(self._segment_of(place), place, size)

    def drain(self, places: Sequence[int], sizes: Sequence[int]) -> Iterator[bytes]:
        """The samples at `places`, in that order; the disk that they took is freed on the way. The last use of a spool.

        Raises:
            StoreError: the disk is full (what was buffered is written now).
        """
        self._flush()
        last = {self._segment_of(place): number for number, place in enumerate(places)}
        for unused in set(range(len(self._segments))) - set(last):
            self._free(self._segments[unused])
        for number, (place, size) in enumerate(zip(places, sizes, strict=True)):
            segment = self._segment_of(place)
            yield self._piece(segment, place, size)
            if last[segment] == number:
                self._free(self._segments[segment])

    def _begin(self) -> None:
        self._segments.append(tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER))  # noqa: SIM115 - `_free` closes
        self._starts.append(self._size)

    def _segment_of(self, place: int) -> int:
        return bisect_right(self._starts, place) - 1

    def _piece(self, segment: int, place: int, size: int) -> bytes:
        try:
            return os.pread(self._segments[segment].fileno(), size, place - self._starts[segment])
        except OSError as error:
            raise store_error(self._folder, error) from error

    def _flush(self) -> None:
        try:
            self._segments[-1].flush()
        except OSError as error:
            raise store_error(self._folder, error, self._size) from error

    @staticmethod
    def _free(segment: IO[bytes]) -> None:
        with contextlib.suppress(OSError):  # closing flushes what a full disk refused before; nobody needs it now
            segment.close()
