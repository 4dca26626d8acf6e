"""One warp for all adjacent geometry, written as simple loops over a row so that each of them vectorises.

The image is packed once into uint32, four channels a pixel, inside a rim of what the border mode puts there; then a
row at a time: coordinates and weights, four gathers, blending of two channels at once, and the table and the planes of
the result. A pixel is blended with weights of 1/256 (OpenCV: 1/32) and rounded twice.
"""

from __future__ import annotations

import numpy as np
from numba import types

from augment_ops.engine.kernels.compiled import apart, inner
from augment_ops.engine.kernels.types import F32, F64, U8, U32, U64
from augment_ops.modalities.image.kernels.blend import PIXELS, blend_four, blend_one, blend_three
from augment_ops.modalities.image.kernels.memory import load_pair
from augment_ops.modalities.image.kernels.words import close, spread, turn

_CONSTANT, _REPLICATE, _REFLECT, _WRAP, _REFLECT_101 = 0, 1, 2, 3, 4
_RIM = 3  # columns and rows added: one before, two after, so that the last tap of the last pixel exists
_SPAN = 1024  # pixels

_IMAGE, _WORDS, _MAP = types.uint8[:, :, ::1], types.uint32[:, ::1], types.float64[:, ::1]


@inner
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


@inner
def pack(source: U8, first: int, border: int, fill: U8, packed: U32) -> None:
    """Channels first … first + 3 of (H, W, C) into uint32 (H + 3, W + 3), with a rim."""
    height, width, channels = source.shape
    count = min(4, channels - first)
    flat = source.reshape(-1)
    for y in range(height):
        row = packed[y + 1]
        if channels == 3:
            spread(flat, y * width * 3, row[1:], width)
        elif count == 1:
            for x in range(width):
                row[x + 1] = source[y, x, first]
        else:
            for x in range(width):
                row[x + 1] = _one_by_one(source, y, x, first, count)
    filled = np.uint32(0)
    for c in range(count):
        filled |= np.uint32(fill[first + c]) << np.uint32(8 * c)
    for y in range(height + _RIM):
        row, inside = packed[y], 1 <= y <= height
        if border == _CONSTANT:
            for x in range(0 if inside else width + _RIM):
                row[x] = filled
            row[0] = row[width + 1] = row[width + 2] = filled
        else:
            for x in range(width + _RIM):
                if not (inside and 1 <= x <= width):
                    row[x] = packed[outside(y - 1, height, border) + 1, outside(x - 1, width, border) + 1]


@inner
def _one_by_one(source: U8, y: int, x: int, first: int, count: int) -> int:
    value = np.uint32(0)
    for c in range(count):
        value |= np.uint32(source[y, x, first + c]) << np.uint32(8 * c)
    return value


@inner
def _fold(coordinates: F32, n: int, border: int) -> None:
    """Bring a row of coordinates into -1 … n by the border mode, in place; not a number comes to the low end."""
    low, high = np.float32(-1), np.float32(n)
    if border == _REPLICATE or (n == 1 and border != _CONSTANT):
        low, high = np.float32(0), np.float32(n - 1)
    elif border != _CONSTANT:
        period = np.float32(n if border == _WRAP else 2 * n if border == _REFLECT else 2 * n - 2)
        half = np.float32(0.5)
        for x in range(len(coordinates)):
            c = coordinates[x]
            if border == _WRAP:
                c -= np.floor(c / period) * period
            elif border == _REFLECT:
                c += half
                c = abs(c - np.floor(c / period + half) * period) - half
            else:
                c = abs(c - np.floor(c / period + half) * period)
            coordinates[x] = c
    for x in range(len(coordinates)):
        c = coordinates[x]
        c = c if c > low else low
        coordinates[x] = c if c < high else high


@inner
def _coordinates(inverse: F64, y: int, sx: F32, sy: F32) -> None:
    """Where the pixels of row y come from."""
    if inverse[2, 0] == 0 and inverse[2, 1] == 0:
        ax, ay = np.float32(inverse[0, 0]), np.float32(inverse[1, 0])
        bx = np.float32(inverse[0, 1] * y + inverse[0, 2])
        by = np.float32(inverse[1, 1] * y + inverse[1, 2])
        for x in range(len(sx)):
            step = np.float32(np.int32(x))  # vector units convert 32 bits, not 64
            sx[x] = ax * step + bx
            sy[x] = ay * step + by
    else:
        top, left = inverse[0, 1] * y + inverse[0, 2], inverse[1, 1] * y + inverse[1, 2]
        depth = inverse[2, 1] * y + inverse[2, 2]
        for x in range(len(sx)):
            far = 1.0 / (inverse[2, 0] * x + depth)
            sx[x] = np.float32((inverse[0, 0] * x + top) * far)
            sy[x] = np.float32((inverse[1, 0] * x + left) * far)


@inner
def _taps(sx: F32, sy: F32, stride: int, nearest: bool, at: U32, fx: U32, fy: U32) -> None:
    """Offsets of the upper left taps in rows of `stride` pixels, and the weights of the right and lower ones.

    Args:
        sx, sy: float32, coordinates that are at least -1: pixel 0 lies behind a rim of one.
    """
    scale, half, byte, eight = np.float32(256.0), np.float32(0.5), np.uint32(255), np.uint32(8)
    rim, wide = np.float32(1), np.uint32(stride)
    if nearest:
        # The whole part of x + 1/2 in fixed point, so that no weight remains.
        for x in range(len(sx)):
            tx = np.uint32(np.uint32(np.int32((sx[x] + rim) * scale + half)) + np.uint32(128))
            ty = np.uint32(np.uint32(np.int32((sy[x] + rim) * scale + half)) + np.uint32(128))
            at[x] = np.uint32(np.uint32(ty >> eight) * wide) + np.uint32(tx >> eight)
            fx[x] = 0
            fy[x] = 0
        return
    for x in range(len(sx)):
        tx = np.uint32(np.int32((sx[x] + rim) * scale + half))
        ty = np.uint32(np.int32((sy[x] + rim) * scale + half))
        at[x] = np.uint32(np.uint32(ty >> eight) * wide) + np.uint32(tx >> eight)
        fx[x] = tx & byte
        fy[x] = ty & byte


@inner
def _taps_of_parallels(inverse: F64, y: int, size: tuple[int, int], at: U32, fx: U32, fy: U32) -> None:
    """`_coordinates`, `_fold` and `_taps` of row y in one loop: no perspective, a constant border, interpolation.

    Args:
        size: height and width of the source.
    """
    ax, ay = np.float32(inverse[0, 0]), np.float32(inverse[1, 0])
    bx, by = np.float32(inverse[0, 1] * y + inverse[0, 2]), np.float32(inverse[1, 1] * y + inverse[1, 2])
    scale, half, byte, eight = np.float32(256.0), np.float32(0.5), np.uint32(255), np.uint32(8)
    rim, wide = np.float32(1), np.uint32(size[1] + _RIM)
    low, right, bottom = np.float32(-1), np.float32(size[1]), np.float32(size[0])
    for x in range(len(at)):
        step = np.float32(np.int32(x))
        sx, sy = ax * step + bx, ay * step + by
        sx, sy = sx if sx > low else low, sy if sy > low else low
        sx, sy = sx if sx < right else right, sy if sy < bottom else bottom
        tx = np.uint32(np.int32((sx + rim) * scale + half))
        ty = np.uint32(np.int32((sy + rim) * scale + half))
        at[x] = np.uint32(np.uint32(ty >> eight) * wide) + np.uint32(tx >> eight)
        fx[x] = tx & byte
        fy[x] = ty & byte


@inner
def shifts(inverse: F64, source: U8, target: U8, border: int) -> bool:
    """Whether pixels come to lie on pixels and none outside the source is read, as for flips, crops and shifts."""
    if inverse[2, 0] != 0 or inverse[2, 1] != 0:
        return False
    for axis in range(2):
        step, first = inverse[axis, axis], inverse[axis, 2]
        if abs(step) != 1 or inverse[axis, 1 - axis] != 0 or first != np.rint(first):
            return False
        last = first + step * (target.shape[1 - axis] - 1)
        if border != _CONSTANT and (min(first, last) < 0 or max(first, last) > source.shape[1 - axis] - 1):
            return False
    return True


@apart(_IMAGE, _IMAGE, _MAP, types.uint8[::1])
def shift(source: U8, target: U8, inverse: F64, fill: U8) -> None:
    """Warp one image, as `warp` does, where `shifts` says that this is all."""
    height, width, channels = target.shape
    step, first = np.int64(inverse[0, 0]), np.int64(inverse[0, 2])
    start, stop = (-first, source.shape[1] - first) if step > 0 else (first - source.shape[1] + 1, first + 1)
    start, stop = min(max(start, 0), width), min(max(stop, 0), width)
    flat, out = source.reshape(-1), target.reshape(-1)
    for y in range(height):
        sy = np.int64(inverse[1, 1] * y + inverse[1, 2])
        left, right = (start, stop) if 0 <= sy < source.shape[0] and start < stop else (width, width)
        begin = y * width * channels
        to, end = begin + left * channels, begin + width * channels
        if left > 0:
            _fill_span(out, begin, to, fill)
        if right < width:
            _fill_span(out, begin + right * channels, end, fill)
        if step > 0:
            origin = (sy * source.shape[1] + first + left) * channels
            length = (right - left) * channels
            ours, theirs = out[to : to + length], flat[origin : origin + length]
            for i in range(length):
                ours[i] = theirs[i]
        elif channels == 3:
            turn(flat, (sy * source.shape[1] + first - left) * 3, out, to, right - left)
        else:
            for x in range(left, right):
                for c in range(channels):
                    target[y, x, c] = source[sy, first - x, c]


@inner
def _fill_span(flat: U8, start: int, stop: int, fill: U8) -> None:
    """Whole pixels of a flat image, from value `start` to `stop`."""
    channels, level, alike = len(fill), fill[0], True
    for c in range(1, channels):
        alike = alike and fill[c] == level
    span = flat[start:stop]
    if alike:  # a loop that becomes memset
        for i in range(len(span)):
            span[i] = level
        return
    for c in range(channels):
        level = fill[c]
        for i in range(c, len(span), channels):
            span[i] = level


@apart(
    _IMAGE,
    _IMAGE,
    _MAP,
    types.int64,
    types.uint8[::1],
    types.boolean,
    _WORDS,
    _WORDS,
    types.uint64[:, ::1],
    types.float32[:, ::1],
)
def warp(
    source: U8,
    target: U8,
    inverse: F64,
    border: int,
    fill: U8,
    nearest: bool,
    packed: U32,
    scratch: U32,
    pairs: U64,
    coordinates: F32,
) -> None:
    """Warp one image: any projective map, any border, any number of channels; several rows of a small image at once.

    Args:
        source: uint8 (H, W, C).
        target: uint8 (H', W', C); may be `source`, of which each four channels are packed before they are written.
        inverse: float64 (3, 3), from pixels of the target to pixels of the source.
        border: OpenCV's border mode.
        fill: uint8 (C,) of a constant border.
        nearest: no interpolation.
        packed: uint32 (H + 3, W + 3), scratch.
        scratch: uint32 (4, S); pairs: uint64 (2, S); coordinates: float32 (2, S), scratch; S = span(W').
    """
    height, width, channels = target.shape
    out, flat = target.reshape(-1), packed.reshape(-1)
    rows, stride = _span_rows(width), np.uint64(source.shape[1] + _RIM)
    parallel = border == _CONSTANT and not nearest and inverse[2, 0] == 0 and inverse[2, 1] == 0
    for first in range(0, channels, 4):
        count = min(4, channels - first)
        pack(source, first, border, fill, packed)
        for y in range(0, height, rows):
            many = min(rows, height - y) * width
            at, fx, fy, row = scratch[0, :many], scratch[1, :many], scratch[2, :many], scratch[3, :many]
            top, bottom = pairs[0, :many], pairs[1, :many]
            if parallel:
                for r in range(min(rows, height - y)):
                    a, b = r * width, (r + 1) * width
                    _taps_of_parallels(inverse, y + r, source.shape[:2], at[a:b], fx[a:b], fy[a:b])
            else:
                sx, sy = coordinates[0, :many], coordinates[1, :many]
                for r in range(min(rows, height - y)):
                    _coordinates(inverse, y + r, sx[r * width : (r + 1) * width], sy[r * width : (r + 1) * width])
                _fold(sx, source.shape[1], border)
                _fold(sy, source.shape[0], border)
                _taps(sx, sy, source.shape[1] + _RIM, nearest, at, fx, fy)
            for x in range(many):
                index = np.uint64(at[x])
                top[x] = load_pair(flat, index)
                bottom[x] = load_pair(flat, index + stride)
            # The last ones may reach beyond the span, where scratch goes on.
            if count == 1:
                for x in range(0, many, PIXELS):
                    blend_one(top, bottom, fx, fy, row, np.uint64(x))
            elif count <= 3:
                for x in range(0, many, PIXELS):
                    blend_three(top, bottom, fx, fy, row, np.uint64(x))
            else:
                for x in range(0, many, PIXELS):
                    blend_four(top, bottom, fx, fy, row, np.uint64(x))
            begin = y * width * channels + first
            if channels == 3:
                close(row, many, out, begin)
            else:
                for c in range(count):
                    shift = np.uint32(8 * c)
                    for x in range(many):
                        out[begin + x * channels + c] = np.uint8((row[x] >> shift) & np.uint32(255))


@inner
def span(width: int) -> int:
    """Pixels that scratch takes: as many whole rows as are worked on at once, and what is blended at a time."""
    return (_span_rows(width) * width + PIXELS - 1) // PIXELS * PIXELS


@inner
def _span_rows(width: int) -> int:
    """How many rows are worked on at once: what one does for a row of eight pixels costs more than the pixels."""
    return max(1, _SPAN // width)
