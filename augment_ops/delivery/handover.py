"""How a worker process hands a batch over: its arrays in memory that the trainer's process maps, the rest as a pickle.

Through a pipe, samples are copied four times, and the trainer puts them together while it wants to train. The memory is
a file without a name, not one in /dev/shm, of which containers have 64 MB; it is freed with the last array in it, or
with the processes.
"""

from __future__ import annotations

import mmap
import os
import pickle
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.reduction import DupFd
from typing import Any

_WORTH_IT = 1 << 20  # bytes; to be told of a file takes the trainer as long as to read so many from a pipe
_ALIGNED = 64
# Whoever lets go of memory last has to free it, 8 ms for 40 MB. That should be the worker, not the trainer: asked for
# two batches ahead, as is usual, a worker makes the third after this one when the trainer is done with it.
_KEPT: deque[_InMemory] = deque(maxlen=3)


def handed_over(value: Any) -> Any:
    """What a worker sends in place of a value, so that the trainer receives the value."""
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    if not hasattr(os, "memfd_create") or sum(part.nbytes for part in parts) < _WORTH_IT:
        return value
    try:
        _KEPT.append(_InMemory(header, parts))
    except OSError:  # no memory or no descriptor left for it: the pipe is slower, and as right
        return value
    return _KEPT[-1]


class _InMemory:
    """A pickle whose buffers lie in a file in memory."""

    def __init__(self, header: bytes, parts: Sequence[memoryview]) -> None:
        self._header, self._sizes = header, [part.nbytes for part in parts]
        self._file = os.memfd_create("augment-ops-batch")
        weakref.finalize(self, os.close, self._file)
        starts, whole = _places(self._sizes)
        os.ftruncate(self._file, whole)
        for part, start in zip(parts, starts, strict=True):
            written = 0
            while written < part.nbytes:  # the kernel takes 2 GB at once
                written += os.pwrite(self._file, part[written:], start + written)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _taken, (self._header, self._sizes, DupFd(self._file))


def _taken(header: bytes, sizes: Sequence[int], file: Any) -> Any:
    starts, whole = _places(sizes)
    descriptor = file.detach()
    try:
        memory = memoryview(mmap.mmap(descriptor, whole))
    finally:
        os.close(descriptor)
    parts = [memory[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return pickle.loads(header, buffers=parts)


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where each buffer starts, and the size of all."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // _ALIGNED) * _ALIGNED
    return starts, end
