"""One warp for all adjacent geometry, written as simple loops over a row so that each of them vectorises.

The image is packed once into uint32, four channels a pixel, inside a rim of what the border mode puts there; then a
row at a time: coordinates and weights, four gathers, blending of two channels at once, and the table and the planes of
the result. A pixel is blended with weights of 1/256 (OpenCV: 1/32) and rounded twice.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from augment_ops.engine.kernels.memory import load32, load64, load_pair, store32
from augment_ops.engine.kernels.types import F32, F64, U8, U32, U64

_CONSTANT, _REPLICATE, _REFLECT, _WRAP, _REFLECT_101 = 0, 1, 2, 3, 4
_RIM = 3  # columns and rows added: one before, two after, so that the last tap of the last pixel exists
_SPAN = 1024  # pixels
_WIDE = 64  # pixels; in wider rows it pays to look where the source begins and ends
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
def _fold(coordinates: F32, n: int, border: int) -> None:
    """Bring a row of coordinates into -1 … n by the border mode, in place; not a number comes to the low end."""
    low, high = np.float32(-1), np.float32(n)
    if border == _REPLICATE or n == 1:
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


@njit(cache=True, nogil=True)
def _mix(a: int, b: int, weight: int) -> int:
    """Two channels at a time: a and b in the ratio 256 - weight to weight, rounded."""
    left = np.uint32(a * np.uint32(np.uint32(256) - weight))
    both = np.uint32(np.uint32(left + np.uint32(b * weight)) + _HALF)
    return np.uint32(np.uint32(both >> np.uint32(8)) & _PAIR)


@njit(cache=True, nogil=True)
def _coordinates(inverse: F64, y: int, sx: F32, sy: F32) -> None:
    """Where the pixels of row y come from."""
    if inverse[2, 0] == 0 and inverse[2, 1] == 0:
        ax, ay = np.float32(inverse[0, 0]), np.float32(inverse[1, 0])
        bx = np.float32(inverse[0, 1] * y + inverse[0, 2])
        by = np.float32(inverse[1, 1] * y + inverse[1, 2])
        for x in range(len(sx)):
            step = np.float32(x)
            sx[x] = ax * step + bx
            sy[x] = ay * step + by
    else:
        top, left = inverse[0, 1] * y + inverse[0, 2], inverse[1, 1] * y + inverse[1, 2]
        depth = inverse[2, 1] * y + inverse[2, 2]
        for x in range(len(sx)):
            far = 1.0 / (inverse[2, 0] * x + depth)
            sx[x] = np.float32((inverse[0, 0] * x + top) * far)
            sy[x] = np.float32((inverse[1, 0] * x + left) * far)


@njit(cache=True, nogil=True)
def _taps(sx: F32, sy: F32, stride: int, offset: float, nearest: bool, at: U32, fx: U32, fy: U32) -> None:
    """Offsets of the upper left taps in rows of `stride` pixels, and the weights of the right and lower ones.

    Args:
        sx, sy: float32, coordinates that are at least -offset.
        offset: where pixel 0 lies: 1 with a rim, else 0.
    """
    scale, half, byte, eight = np.float32(256.0), np.float32(0.5), np.uint32(255), np.uint32(8)
    rim, wide = np.float32(offset), np.uint32(stride)
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


@njit(cache=True, nogil=True)
def _between(coordinates: F32, slope: float, low: float, high: float, start: int, stop: int) -> tuple[int, int]:
    """The part of start … stop where a row of coordinates, monotonic with `slope`, lies strictly between two bounds."""
    bottom, top = np.float32(low), np.float32(high)
    if start < stop and slope != 0:
        one = start + (bottom - coordinates[start]) / slope
        other = start + (top - coordinates[start]) / slope
        first = np.int64(min(max(min(one, other), start), stop))
        last = np.int64(min(max(one, other, start), stop))
    else:
        first, last = start, stop
    # The guess may be off by the rounding of a coordinate: from a little outside it comes in step by step.
    first, last = max(start, first - 2), min(stop, last + 3)
    while first < last and not bottom < coordinates[first] < top:
        first += 1
    while last > first and not bottom < coordinates[last - 1] < top:
        last -= 1
    return first, last


@njit(cache=True, nogil=True)
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
    """Warp one image.

    Args:
        source: uint8 (H, W, C).
        target: uint8 (H', W', C), not `source`.
        inverse: float64 (3, 3), from pixels of the target to pixels of the source.
        border: OpenCV's border mode.
        fill: uint8 (C,) of a constant border.
        nearest: no interpolation.
        packed: uint32 (H + 3, W + 3), scratch.
        scratch: uint32 (4, S); pairs: uint64 (2, S); coordinates: float32 (2, S), scratch; S = span_rows(W') · W'.
    """
    if _on_the_grid(inverse) and (border == _CONSTANT or _within(inverse, source, target)):
        _shift(source, target, inverse, fill)
    elif _direct(source, target, inverse, border):
        _warp_rgb(source, target, inverse, fill, nearest, scratch, pairs, coordinates)
    else:
        _warp_packed(source, target, inverse, border, fill, nearest, packed, scratch, pairs, coordinates)


@njit(cache=True, nogil=True)
def _direct(source: U8, target: U8, inverse: F64, border: int) -> bool:
    is_affine = inverse[2, 0] == 0 and inverse[2, 1] == 0
    return source.shape[2] == 3 and target.shape[1] > _WIDE and border == _CONSTANT and is_affine


@njit(cache=True, nogil=True)
def _on_the_grid(inverse: F64) -> bool:
    """Whether pixels come to lie on pixels without turning: flips, crops, shifts."""
    return (
        abs(inverse[0, 0]) == 1 and abs(inverse[1, 1]) == 1
        and inverse[0, 1] == 0 and inverse[1, 0] == 0 and inverse[2, 0] == 0 and inverse[2, 1] == 0
        and inverse[0, 2] == np.rint(inverse[0, 2]) and inverse[1, 2] == np.rint(inverse[1, 2])
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _within(inverse: F64, source: U8, target: U8) -> bool:
    """Whether a flip, crop or shift reads no pixel outside the source."""
    for axis in range(2):
        one = inverse[axis, 2]
        other = inverse[axis, axis] * (target.shape[1 - axis] - 1) + one
        if min(one, other) < 0 or max(one, other) > source.shape[1 - axis] - 1:
            return False
    return True


@njit(cache=True, nogil=True)
def _shift(source: U8, target: U8, inverse: F64, fill: U8) -> None:
    height, width, channels = target.shape
    step, first = np.int64(inverse[0, 0]), np.int64(inverse[0, 2])
    start, stop = (-first, source.shape[1] - first) if step > 0 else (first - source.shape[1] + 1, first + 1)
    start, stop = min(max(start, 0), width), min(max(stop, 0), width)
    flat, out = source.reshape(-1), target.reshape(-1)
    for y in range(height):
        sy = np.int64(inverse[1, 1] * y + inverse[1, 2])
        left, right = (start, stop) if 0 <= sy < source.shape[0] and start < stop else (width, width)
        _fill_span(target, y, 0, left, fill)
        _fill_span(target, y, right, width, fill)
        to = (y * width + left) * channels
        if step > 0:
            origin = (sy * source.shape[1] + first + left) * channels
            length = (right - left) * channels
            ours, theirs = out[to : to + length], flat[origin : origin + length]
            for i in range(length):
                ours[i] = theirs[i]
        elif channels == 3:
            origin = (sy * source.shape[1] + first - left) * 3
            # The first pixel may be the last of the memory, and the last must not write beyond its row.
            for x in range(1, right - left - 1):
                store32(out, np.uint64(to + 3 * x), load32(flat, np.uint64(origin - 3 * x)))
            for c in range(3 if left < right else 0):
                out[to + c] = flat[origin + c]
                last = 3 * (right - left - 1)
                out[to + last + c] = flat[origin - last + c]
        else:
            for x in range(left, right):
                for c in range(channels):
                    target[y, x, c] = source[sy, first - x, c]


@njit(cache=True, nogil=True)
def _fill_span(target: U8, y: int, left: int, right: int, fill: U8) -> None:
    channels = target.shape[2]
    span = target[y, left:right].reshape(-1)
    for c in range(channels):
        level = fill[c]
        for i in range(c, len(span), channels):
            span[i] = level


@njit(cache=True, nogil=True)
def _warp_rgb(
    source: U8, target: U8, inverse: F64, fill: U8, nearest: bool, scratch: U32, pairs: U64, coordinates: F32
) -> None:
    """Affine on three channels with a constant border: taps come from the bytes of the source where all lie inside."""
    height, width, _ = target.shape
    source_height, source_width, _ = source.shape
    flat, out = source.reshape(-1), target.reshape(-1)
    three, stride = np.uint64(3), np.uint64(3 * source_width)
    byte, bits, eight, sixteen = np.uint32(255), np.uint64(24), np.uint32(8), np.uint32(16)
    high, high8, half = np.uint32(0x00FF0000), np.uint32(0xFF00), np.uint32(128)
    # Eight bytes are read where six are wanted: the lower taps keep the distance of a row from the end of the memory,
    # or of two where the nearest pixel may be a row further down.
    lowest = source_height - (3 if nearest else 2)
    sx, sy = coordinates[0, :width], coordinates[1, :width]
    ax, ay = inverse[0, 0], inverse[1, 0]
    for y in range(height):
        _coordinates(inverse, y, sx, sy)
        begin, end = _between(sx, ax, -1.0, source_width, 0, width)
        begin, end = _between(sy, ay, -1.0, source_height, begin, end)
        # The last 1/256 before a pixel rounds up to it: the bounds keep that distance.
        left, right = _between(sx, ax, 0.0, source_width - 1.01, begin, end)
        left, right = _between(sy, ay, 0.0, lowest - 0.01, left, right)
        _fill_span(target, y, 0, begin, fill)
        _edge_span(source, target, y, begin, left, sx, sy, fill, nearest)
        _edge_span(source, target, y, right, end, sx, sy, fill, nearest)
        _fill_span(target, y, end, width, fill)
        at, fx, fy, row = scratch[0, left:right], scratch[1, left:right], scratch[2, left:right], scratch[3, left:right]
        top, bottom = pairs[0, left:right], pairs[1, left:right]
        _taps(sx[left:right], sy[left:right], source_width, 0.0, nearest, at, fx, fy)
        for x in range(len(at)):
            first = np.uint64(at[x]) * three
            top[x] = load64(flat, first)
            bottom[x] = load64(flat, first + stride)
        for x in range(len(at)):
            t, b = top[x], bottom[x]
            right_t, right_b = np.uint32(t >> bits), np.uint32(b >> bits)
            left_t, left_b = np.uint32(t), np.uint32(b)
            even = _mix(
                _mix(left_t & _PAIR, right_t & _PAIR, fx[x]), _mix(left_b & _PAIR, right_b & _PAIR, fx[x]), fy[x]
            )
            # The channel in the middle: the upper and the lower row are blended at once.
            both = _mix(
                ((left_t >> eight) & byte) | np.uint32((left_b << eight) & high),
                ((right_t >> eight) & byte) | np.uint32((right_b << eight) & high),
                fx[x],
            )
            odd = np.uint32((both & byte) * np.uint32(np.uint32(256) - fy[x])) + np.uint32((both >> sixteen) * fy[x])
            row[x] = even | (np.uint32(odd + half) & high8)
        if left < right:
            _store_pixels(row, out, (y * width + left) * 3)


@njit(cache=True, nogil=True)
def _edge_span(
    source: U8, target: U8, y: int, left: int, right: int, xs: F32, ys: F32, fill: U8, nearest: bool
) -> None:
    """Pixels left … right of row y at the edge of the source, one by one."""
    height, width, _ = source.shape
    for x in range(left, right):
        # The arithmetic of `_taps` and `_mix`, so that it does not matter which of the paths a pixel takes.
        tx = np.int32((xs[x] + np.float32(1)) * np.float32(256) + np.float32(0.5))
        ty = np.int32((ys[x] + np.float32(1)) * np.float32(256) + np.float32(0.5))
        if nearest:
            tx, ty = (tx + 128) & ~255, (ty + 128) & ~255
        x0, y0, fx, fy = (tx >> 8) - 1, (ty >> 8) - 1, tx & 255, ty & 255
        for c in range(3):
            a = source[y0, x0, c] if 0 <= y0 < height and 0 <= x0 < width else fill[c]
            b = source[y0, x0 + 1, c] if 0 <= y0 < height and -1 <= x0 < width - 1 else fill[c]
            d = source[y0 + 1, x0, c] if -1 <= y0 < height - 1 and 0 <= x0 < width else fill[c]
            e = source[y0 + 1, x0 + 1, c] if -1 <= y0 < height - 1 and -1 <= x0 < width - 1 else fill[c]
            above = (np.int64(a) * (256 - fx) + np.int64(b) * fx + 128) >> 8
            below = (np.int64(d) * (256 - fx) + np.int64(e) * fx + 128) >> 8
            target[y, x, c] = (above * (256 - fy) + below * fy + 128) >> 8


@njit(cache=True, nogil=True)
def _warp_packed(
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
    """Any projective map, any border, any number of channels; several rows of a small image at once."""
    height, width, channels = target.shape
    out, flat = target.reshape(-1), packed.reshape(-1)
    rows, stride = span_rows(width), np.uint64(source.shape[1] + _RIM)
    for first in range(0, channels, 4):
        count = min(4, channels - first)
        pack(source, first, border, fill, packed)
        for y in range(0, height, rows):
            many = min(rows, height - y) * width
            sx, sy = coordinates[0, :many], coordinates[1, :many]
            for r in range(min(rows, height - y)):
                _coordinates(inverse, y + r, sx[r * width : (r + 1) * width], sy[r * width : (r + 1) * width])
            at, fx, fy, row = scratch[0, :many], scratch[1, :many], scratch[2, :many], scratch[3, :many]
            top, bottom = pairs[0, :many], pairs[1, :many]
            _fold(sx, source.shape[1], border)
            _fold(sy, source.shape[0], border)
            _taps(sx, sy, source.shape[1] + _RIM, 1.0, nearest, at, fx, fy)
            for x in range(many):
                index = np.uint64(at[x])
                top[x] = load_pair(flat, index)
                bottom[x] = load_pair(flat, index + stride)
            if count == 1:
                for x in range(many):
                    row[x] = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(0))
            else:
                for x in range(many):
                    even = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(0))
                    odd = _blend(top[x], bottom[x], fx[x], fy[x], np.uint64(8))
                    row[x] = even | np.uint32(odd << np.uint32(8))
            begin = y * width * channels + first
            if channels == 3:
                _store_pixels(row, out, begin)
            else:
                for c in range(count):
                    shift = np.uint32(8 * c)
                    for x in range(many):
                        out[begin + x * channels + c] = np.uint8((row[x] >> shift) & np.uint32(255))


@njit(cache=True, nogil=True)
def span_rows(width: int) -> int:
    """How many rows are worked on at once: what one does for a row of eight pixels costs more than the pixels."""
    return max(1, _SPAN // width)


@njit(cache=True, nogil=True)
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
