"""The loops behind noise."""

from __future__ import annotations

import numpy as np
from numba import njit

from augment_ops.engine.kernels.philox import PIXELS, block
from augment_ops.engine.kernels.types import I16, U8, U64

RUN = 1024  # values of an image that follow each other in the pool
SHIFT = 20  # of the fixed point in which noise is added


@njit(cache=True, nogil=True)
def add_gauss(pixels: U8, gain: int, mean: int, shared: bool, key: U64, transform: int, source: I16) -> None:
    """Add noise to an image (pixels, channels), rounded down and cut to 0 … 255, as albumentations does."""
    count, channels = pixels.shape
    flat = pixels.reshape(-1)
    factor, offset = np.int32(gain), np.int32(mean)
    length = count if shared else count * channels
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    for run in range((length + RUN - 1) // RUN):
        if run % 4 == 0:
            words = block(run // 4 + 1, 0, transform, PIXELS, key[0], key[1])
        at = np.int64(words[run % 4] >> np.uint64(48))
        start = run * RUN
        stop = min(start + RUN, length)
        normal = source[at : at + stop - start]
        if shared and channels > 1:
            for i in range(stop - start):
                add = (np.int32(normal[i]) * factor + offset) >> SHIFT
                for c in range(channels):
                    pixels[start + i, c] = min(max(np.int32(pixels[start + i, c]) + add, 0), 255)
        else:
            part = flat[start:stop]
            for i in range(stop - start):
                add = np.int32(np.int32(np.int32(normal[i]) * factor + offset) >> np.int32(SHIFT))
                part[i] = np.uint8(min(max(np.int32(np.int32(part[i]) + add), np.int32(0)), np.int32(255)))


@njit(cache=True, nogil=True)
def add_salt(pixels: U8, count: int, white: int, key: U64, transform: int) -> None:
    """Set `count` different pixels, `white` of them to 255 and the others to 0.

    Source: Floyd's sampling without replacement, Bentley and Floyd 1987.
    """
    area = pixels.shape[0]
    chosen = np.zeros(area, np.uint8)
    for step in range(count):
        last = area - count + step
        words = block(step + 1, 0, transform, PIXELS, key[0], key[1])
        at = np.int64((words[0] >> np.uint64(11)) * 2.0**-53 * (last + 1))
        if chosen[at]:
            at = last
        chosen[at] = 1
    left, seen = white, 0
    for i in range(area):
        if chosen[i]:
            words = block(seen + 1, 1, transform, PIXELS, key[0], key[1])
            take = np.int64((words[0] >> np.uint64(11)) * 2.0**-53 * (count - seen)) < left
            left -= take
            seen += 1
            for c in range(pixels.shape[1]):
                pixels[i, c] = 255 if take else 0
