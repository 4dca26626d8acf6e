"""The loops behind noise."""

from __future__ import annotations

import numpy as np
from numba import njit

from augment_ops.engine.kernels.philox import PIXELS, block
from augment_ops.engine.kernels.types import I16, I64, U8, U64

RUN = 1024  # values of an image that follow each other in the pool


@njit(cache=True, nogil=True)
def add_gauss(pixels: U8, scale: I64, shared: bool, key: U64, transform: int, pool: I16) -> None:
    """Add noise to an image (pixels, channels), rounded down and cut to 0 … 255, as albumentations does.

    Every loop stays in int16, where processors multiply 16 or 32 values at once and keep the upper halves. Two such
    products and the sum between them are floor(normal · gain + mean) in fixed point, whatever the gain.

    Args:
        scale: int64 (3,): gain, mean and the final factor, each an int16.
        shared: whether all channels of a pixel get the same.
        key: uint64 (2,), the sample's; transform: the index of the transform.
        pool: int16, of `augment_ops.engine.image.noise`.
    """
    count, channels = pixels.shape
    flat = pixels.reshape(-1)
    gain, mean, back = np.int32(np.int16(scale[0])), np.int16(scale[1]), np.int32(np.int16(scale[2]))
    each = channels if shared else 1
    length = count if shared else count * channels
    noise, spread = np.empty(RUN, np.int16), np.empty(RUN * each, np.int16)
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    half = np.int32(16)
    for run in range((length + RUN - 1) // RUN):
        if run % 4 == 0:
            words = block(run // 4 + 1, 0, transform, PIXELS, key[0], key[1])
        at, start = np.int64(words[run % 4] >> np.uint64(48)), run * RUN
        many = min(RUN, length - start)
        normal = pool[at : at + many]
        for i in range(many):
            noise[i] = np.int16((np.int32(normal[i]) * gain) >> half)
        for i in range(many):
            noise[i] = np.int16((np.int32(np.int16(noise[i] + mean)) * back) >> half)
        if each == 1:
            _add(flat[start : start + many], noise)
            continue
        if each == 3:
            for i in range(many):
                spread[3 * i] = noise[i]
                spread[3 * i + 1] = noise[i]
                spread[3 * i + 2] = noise[i]
        else:
            for i in range(many):
                for c in range(each):
                    spread[each * i + c] = noise[i]
        _add(flat[start * each : (start + many) * each], spread)


@njit(cache=True, nogil=True)
def _add(levels: U8, noise: I16) -> None:
    zero, most = np.int16(0), np.int16(255)
    for i in range(len(levels)):
        value = np.int16(np.int16(levels[i]) + noise[i])
        value = value if value > zero else zero
        levels[i] = np.uint8(value if value < most else most)


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
