"""One warp for all adjacent geometry, written as simple loops over a row so that each of them vectorises.

The image is packed once into uint32, four channels a pixel, inside a rim of what the border mode puts there; then a
row at a time: coordinates and weights, four gathers, blending of two channels at once, and the table and the planes of
the result. A pixel is blended with weights of 1/256 (OpenCV: 1/32) and rounded twice.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from augment_ops.engine.kernels.memory import load32, load_pair, store32
from augment_ops.engine.kernels.types import F64, U8, U32, U64

_CONSTANT, _REPLICATE, _REFLECT, _WRAP, _REFLECT_101 = 0, 1, 2, 3, 4
_RIM = 3  # columns and rows added: one before, two after, so that the last tap of the last pixel exists
_PAIR = np.uint32(0x00FF00FF)  # every other channel, 16 bits apart
_HALF = np.uint32(0x00800080)


@njit(cache=True, nogil=True)
def outside(i: int, n: int, border: int) -> int:
    """Index inside 0 … n - 1 that a border mode puts at i, at most one image outside."""
    if 0 <= i < n:
        return i
    if border == _WRAP:
        return i % n
    if border == _REFLECT:
        i = -1 - i if i < 0 else 2 * n - 1 - i
    elif border == _REFLECT_101:
        i = -i if i < 0 else 2 * n - 2 - i
    return min(max(i, 0), n - 1)


@njit(cache=True, nogil=True)
def pack(source: U8, first: int, border: int, fill: U8, packed: U32) -> None:
    """Channels first … first + 3 of (H, W, C) into uint32 (H + 3, W + 3), with a rim."""
    height, width, channels = source.shape
    count = min(4, channels - first)
    flat = source.reshape(-1)
    for y in range(height):
        row = packed[y + 1]
        if channels == 3:
            start = y * width * 3
            # Four bytes at a time, of which three count; the image's last pixel has no fourth.
            wide = width if y < height - 1 else width - 1
            for x in range(wide):
                row[x + 1] = load32(flat, np.uint64(start + 3 * x)) & np.uint32(0xFFFFFF)
            for x in range(wide, width):
                row[x + 1] = _one_by_one(source, y, x, first, count)
        elif count == 1:
            for x in range(width):
                row[x + 1] = source[y, x, first]
        else:
            for x in range(width):
                row[x + 1] = _one_by_one(source, y, x, first, count)
    filled = np.uint32(0)
    for c in range(count):
        filled |= np.uint32(fill[first + c]) << np.uint32(8 * c)
    for y in range(-1, height + _RIM - 1):
        if 0 <= y < height:
            _rim(packed, y, -1, 0, height, width, border, filled)
            _rim(packed, y, width, width + _RIM - 1, height, width, border, filled)
        else:
            _rim(packed, y, -1, width + _RIM - 1, height, width, border, filled)


@njit(cache=True, nogil=True)
def _one_by_one(source: U8, y: int, x: int, first: int, count: int) -> int:
    value = np.uint32(0)
    for c in range(count):
        value |= np.uint32(source[y, x, first + c]) << np.uint32(8 * c)
    return value


@njit(cache=True, nogil=True)
def _rim(packed: U32, y: int, start: int, stop: int, height: int, width: int, border: int, filled: int) -> None:
    for x in range(start, stop):
        if border == _CONSTANT:
            packed[y + 1, x + 1] = filled
        else:
            packed[y + 1, x + 1] = packed[outside(y, height, border) + 1, outside(x, width, border) + 1]


@njit(cache=True, nogil=True)
def fold(x: float, n: int, border: int) -> float:
    """A coordinate brought into -1 … n by the border mode; not a number comes to -1."""
    if border == _CONSTANT:
        limit = np.float32(n)
        if not x > -1:
            return np.float32(-1)
        return min(x, limit)
    if border == _REPLICATE or n == 1 or not (-1e6 < x < 1e6):
        if not x > 0:
            return np.float32(0)
        return min(x, np.float32(n - 1))
    if border == _WRAP:
        return np.float32(x - np.floor(x / n) * n)
    period = np.float32(2 * n if border == _REFLECT else 2 * n - 2)
    if border == _REFLECT:
        x += np.float32(0.5)
    x = abs(x - np.floor(x / period + np.float32(0.5)) * period)
    if border == _REFLECT:
        return np.float32(x - 0.5)
    return np.float32(x)


@njit(cache=True, nogil=True, inline="always")
def _mix(a: int, b: int, weight: int) -> int:
    """Two channels at a time: a and b in the ratio 256 - weight to weight, rounded."""
    left = np.uint32(a * np.uint32(np.uint32(256) - weight))
    both = np.uint32(np.uint32(left + np.uint32(b * weight)) + _HALF)
    return np.uint32(np.uint32(both >> np.uint32(8)) & _PAIR)


@njit(cache=True, nogil=True)
def _coordinates(
    inverse: F64, y: int, width: int, size: tuple[int, int], border: int, nearest: bool, ix: U32, fx: U32, fy: U32
) -> None:
    """Offsets of the upper left taps in the packed image and the weights of the right and lower ones, for a row."""
    source_height, source_width = size
    stride = np.uint32(source_width + _RIM)
    ax, ay = np.float32(inverse[0, 0]), np.float32(inverse[1, 0])
    bx = np.float32(inverse[0, 1] * y + inverse[0, 2])
    by = np.float32(inverse[1, 1] * y + inverse[1, 2])
    one, scale, half = np.float32(1.0), np.float32(256.0), np.float32(0.5)
    if border == _CONSTANT and inverse[2, 0] == 0 and inverse[2, 1] == 0:
        right, bottom = np.float32(source_width), np.float32(source_height)
        for x in range(width):
            step = np.float32(x)
            sx = min(max(ax * step + bx, -one), right)
            sy = min(max(ay * step + by, -one), bottom)
            tx = np.uint32(np.int32((sx + one) * scale + half))
            ty = np.uint32(np.int32((sy + one) * scale + half))
            ix[x] = np.uint32(np.uint32(ty >> np.uint32(8)) * stride) + np.uint32(tx >> np.uint32(8))
            fx[x] = tx & np.uint32(255)
            fy[x] = ty & np.uint32(255)
    else:
        for x in range(width):
            depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
            sx = fold(np.float32((inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / depth), source_width, border)
            sy = fold(
                np.float32((inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / depth), source_height, border
            )
            tx = np.uint32(np.int32((sx + one) * scale + half))
            ty = np.uint32(np.int32((sy + one) * scale + half))
            ix[x] = np.uint32(np.uint32(ty >> np.uint32(8)) * stride) + np.uint32(tx >> np.uint32(8))
            fx[x] = tx & np.uint32(255)
            fy[x] = ty & np.uint32(255)
    if nearest:
        for x in range(width):
            ix[x] += (fx[x] >> np.uint32(7)) + (fy[x] >> np.uint32(7)) * stride
            fx[x] = 0
            fy[x] = 0


@njit(cache=True, nogil=True)
def warp(
    source: U8,
    target: U8,
    inverse: F64,
    border: int,
    fill: U8,
    nearest: bool,
    table: U8,
    tabled: bool,
    packed: U32,
    scratch: U32,
    pairs: U64,
) -> None:
    """Warp one image, then look its values up.

    Args:
        source: uint8 (H, W, C).
        target: uint8 (H', W', C), not `source`.
        inverse: float64 (3, 3), from pixels of the target to pixels of the source.
        border: OpenCV's border mode.
        fill: uint8 (C,) of a constant border.
        nearest: no interpolation.
        table: uint8 (C, 256), used where `tabled`.
        packed: uint32 (H + 3, W + 3), scratch.
        scratch: uint32 (4, W' or more), scratch; pairs: uint64 (2, W' or more), scratch.
    """
    height, width, channels = target.shape
    size = (source.shape[0], source.shape[1])
    stride = np.uint64(source.shape[1] + _RIM)
    flat = packed.reshape(-1)
    ix, fx, fy, row = scratch[0, :width], scratch[1, :width], scratch[2, :width], scratch[3, :width]
    top, bottom = pairs[0, :width], pairs[1, :width]
    for first in range(0, channels, 4):
        count = min(4, channels - first)
        pack(source, first, border, fill, packed)
        for y in range(height):
            _coordinates(inverse, y, width, size, border, nearest, ix, fx, fy)
            for x in range(width):
                at = np.uint64(ix[x])
                top[x] = load_pair(flat, at)
                bottom[x] = load_pair(flat, at + stride)
            if count == 1:
                for x in range(width):
                    row[x] = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(0))
            else:
                for x in range(width):
                    even = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(0))
                    odd = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(8))
                    row[x] = even | np.uint32(odd << np.uint32(8))
            _unpack(row, target, y, first, count, table, tabled)


@njit(cache=True, nogil=True, inline="always")
def _blend(top: int, bottom: int, fx: int, fy: int, shift: int) -> int:
    """Channels 0 and 2 (shift 0) or 1 and 3 (shift 8) of four taps, 16 bits apart."""
    t, b = top >> shift, bottom >> shift
    high = np.uint64(32)
    above = _mix(np.uint32(t) & _PAIR, np.uint32(t >> high) & _PAIR, fx)
    below = _mix(np.uint32(b) & _PAIR, np.uint32(b >> high) & _PAIR, fx)
    return _mix(above, below, fy)


@njit(cache=True, nogil=True)
def _store_pixels(row: U32, flat: U8, start: int) -> None:
    """Pixels of three bytes by stores of four: the next one corrects the fourth, which the last must not write."""
    last = len(row) - 1
    for x in range(last):
        store32(flat, np.uint64(start + 3 * x), row[x])
    for c in range(3):
        flat[start + 3 * last + c] = np.uint8((row[last] >> np.uint32(8 * c)) & np.uint32(255))


@njit(cache=True, nogil=True)
def _unpack(row: U32, target: U8, y: int, first: int, count: int, table: U8, tabled: bool) -> None:
    _, width, channels = target.shape
    byte = np.uint32(255)
    if tabled and channels == 3:
        for x in range(width):
            v = row[x]
            row[x] = (
                np.uint32(table[0, v & byte])
                | np.uint32(np.uint32(table[1, (v >> np.uint32(8)) & byte]) << np.uint32(8))
                | np.uint32(np.uint32(table[2, (v >> np.uint32(16)) & byte]) << np.uint32(16))
            )
        _store_pixels(row, target.reshape(-1), y * width * 3)
    elif tabled:
        for c in range(count):
            shift, level = np.uint32(8 * c), table[first + c]
            for x in range(width):
                target[y, x, first + c] = level[(row[x] >> shift) & byte]
    elif channels == 3:
        _store_pixels(row, target.reshape(-1), y * width * 3)
    else:
        for c in range(count):
            shift = np.uint32(8 * c)
            for x in range(width):
                target[y, x, first + c] = np.uint8((row[x] >> shift) & byte)
