"""The loops behind colour: tables, statistics and pixel operations on one uint8 image (pixels, channels).

What they compute on uint8 is what albumentations 2.0.8 and OpenCV 4 compute, in integers where those use integers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from augment_ops.engine.kernels.operations import (
    AUTOCONTRAST,
    EQUALIZE,
    EQUALIZE_PIL,
    GAMMA,
    GRAY,
    JITTER,
    LINEAR,
    LINEAR_OF_MEAN,
    SHIFT_HSV,
    SHUFFLE,
    SOLARIZE,
)
from augment_ops.engine.kernels.types import F32, I64, U8

# OpenCV's weights of red, green and blue in 15-bit fixed point (ITU-R BT.601).
_RED, _GREEN, _BLUE, _GRAY_SHIFT = 9798, 19235, 3735, 15
_HSV_SHIFT = 12  # OpenCV's fixed point of 8-bit HSV


@njit(cache=True, nogil=True)
def clip_truncated(value: float) -> int:
    """To uint8 as albumentations does: cut to 0 … 255, fraction dropped."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(value)


@njit(cache=True, nogil=True)
def clip_rounded(value: float) -> int:
    """To uint8 as OpenCV does: nearest, halves to even."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(np.rint(value))


@njit(cache=True, nogil=True)
def identity_table(table: U8) -> None:
    """Reset a table (channels, 256)."""
    for c in range(table.shape[0]):
        for v in range(256):
            table[c, v] = v


@njit(cache=True, nogil=True)
def compose(table: U8, code: int, row: F32) -> None:
    """Put a pointwise operation after what a table (channels, 256) does already."""
    channels = table.shape[0]
    for c in range(channels):
        if code == LINEAR:
            scale, offset = row[c], row[channels + c]
            for v in range(256):
                table[c, v] = clip_truncated(np.float32(table[c, v]) * scale + offset)
        elif code == GAMMA:
            for v in range(256):
                table[c, v] = np.uint8(math.pow(table[c, v] / 255.0, row[0]) * 255.0)
        elif code == SOLARIZE:
            for v in range(256):
                if table[c, v] >= row[0]:
                    table[c, v] = 255 - table[c, v]
        else:
            mask = np.uint8(256 - (1 << (8 - np.int64(row[c]))))
            for v in range(256):
                table[c, v] &= mask


@njit(cache=True, nogil=True)
def apply_table(pixels: U8, table: U8) -> None:
    """Look every value up; pixels is (pixels, channels)."""
    for i in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            pixels[i, c] = table[c, pixels[i, c]]


@njit(cache=True, nogil=True)
def run(pixels: U8, code: int, row: F32, table: U8) -> bool:
    """Run an operation that looks at the image; whether `table` now holds something still to be applied."""
    channels = pixels.shape[1]
    if code == LINEAR_OF_MEAN:
        offset = row[1] * _mean(pixels)
        for c in range(channels):
            for v in range(256):
                table[c, v] = clip_truncated(v * row[0] + offset)
        return True
    if code == EQUALIZE or code == EQUALIZE_PIL or code == AUTOCONTRAST:
        histogram = np.zeros(256, np.int64)
        for c in range(channels):
            histogram[:] = 0
            for i in range(pixels.shape[0]):
                histogram[pixels[i, c]] += 1
            if code == EQUALIZE:
                _equalize(histogram, pixels.shape[0], table[c])
            elif code == EQUALIZE_PIL:
                _equalize_pil(histogram, table[c])
            else:
                _auto_contrast(histogram, row[0], row[1] != 0, table[c])
        return True
    if code == JITTER:
        _jitter(pixels, row, table)
    elif code == SHIFT_HSV:
        _shift_hsv(pixels, row[0], row[1], row[2])
    elif code == GRAY:
        _gray(pixels, np.int64(row[0]))
    elif code == SHUFFLE:
        _shuffle(pixels, row)
    return False


@njit(cache=True, nogil=True)
def _mean(pixels: U8) -> float:
    total = 0
    for i in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            total += pixels[i, c]
    return total / (pixels.shape[0] * pixels.shape[1])


@njit(cache=True, nogil=True, inline="always")
def _luma(r: int, g: int, b: int) -> int:
    return (np.int64(r) * _RED + np.int64(g) * _GREEN + np.int64(b) * _BLUE + (1 << (_GRAY_SHIFT - 1))) >> _GRAY_SHIFT


@njit(cache=True, nogil=True)
def _mean_luma(pixels: U8) -> float:
    if pixels.shape[1] == 1:
        return _mean(pixels)
    total = 0
    for i in range(pixels.shape[0]):
        total += _luma(pixels[i, 0], pixels[i, 1], pixels[i, 2])
    return total / pixels.shape[0]


@njit(cache=True, nogil=True)
def _equalize(histogram: I64, total: int, table: U8) -> None:
    """OpenCV's equalizeHist."""
    first = 0
    while first < 255 and histogram[first] == 0:
        first += 1
    if histogram[first] == total:
        for v in range(256):
            table[v] = first
        return
    scale = np.float32(255.0) / np.float32(total - histogram[first])
    table[: first + 1] = 0
    summed = 0
    for v in range(first + 1, 256):
        summed += histogram[v]
        table[v] = clip_rounded(np.float32(summed) * scale)


@njit(cache=True, nogil=True)
def _equalize_pil(histogram: I64, table: U8) -> None:
    """Pillow's ImageOps.equalize as albumentations has it."""
    last, kinds, total = 0, 0, 0
    for v in range(256):
        if histogram[v]:
            last, kinds = v, kinds + 1
            total += histogram[v]
    step = (total - histogram[last]) // 255
    if kinds <= 1 or step == 0:
        for v in range(256):
            table[v] = v
        return
    summed = 0
    for v in range(256):
        summed += histogram[v]
        table[v] = min((summed + step // 2) // step, 255)


@njit(cache=True, nogil=True)
def _bounds(histogram: I64, cutoff: float) -> tuple[int, int]:
    """The darkest and the brightest level that count when `cutoff` percent of the pixels are cut at either end."""
    low, high, total = 0, 255, 0
    for v in range(256):
        total += histogram[v]
    if cutoff == 0:
        while low < 255 and histogram[low] == 0:
            low += 1
        while high > 0 and histogram[high] == 0:
            high -= 1
        return low, high
    cut, summed = total * cutoff / 100.0, 0
    for v in range(256):
        summed += histogram[v]
        if summed >= cut:
            low = v + 1
            break
    low, summed = min(low, 255), 0
    for v in range(255, -1, -1):
        summed += histogram[v]
        if summed >= cut:
            high = v
            break
    return (127, 127) if low > high else (low, high)


@njit(cache=True, nogil=True)
def _auto_contrast(histogram: I64, cutoff: float, stretch: bool, table: U8) -> None:
    histogram[255] = 0  # albumentations counts levels below 255 only; kept, so that both give the same picture
    low, high = _bounds(histogram, cutoff)
    if high <= low:
        for v in range(256):
            table[v] = v
        return
    summed, whole = 0, 0
    for v in range(low + 1, high + 1):
        whole += histogram[v]
    for v in range(256):
        if v < low:
            table[v] = 0
        elif v > high:
            table[v] = 255
        elif stretch:
            table[v] = clip_rounded((v - low) * (255.0 / (high - low)))
        else:
            if v > low:
                summed += histogram[v]
            table[v] = clip_rounded(summed * 255.0 / whole)


@njit(cache=True, nogil=True)
def _jitter(pixels: U8, row: F32, table: U8) -> None:
    channels = pixels.shape[1]
    for step in range(4):
        which = np.int64(row[4 + step])
        factor = row[which]
        if which == 0 or which == 1:
            if factor == 1:
                continue
            offset = np.float32(0.0)
            if which == 1:
                offset = np.float32(_mean_luma(pixels) * (1 - factor))
            for c in range(channels):
                for v in range(256):
                    table[c, v] = clip_truncated(np.float32(v) * factor + offset)
            apply_table(pixels, table)
        elif channels == 3 and which == 2 and factor != 1:
            for i in range(pixels.shape[0]):
                gray = np.float32(_luma(pixels[i, 0], pixels[i, 1], pixels[i, 2])) * (1 - factor)
                for c in range(3):
                    pixels[i, c] = clip_rounded(np.float32(pixels[i, c]) * factor + gray)
        elif channels == 3 and which == 3 and factor != 0:
            _shift_hsv(pixels, 180 * factor, np.float32(0.0), np.float32(0.0))


@njit(cache=True, nogil=True)
def _gray(pixels: U8, method: int) -> None:
    for i in range(pixels.shape[0]):
        r, g, b = np.int64(pixels[i, 0]), np.int64(pixels[i, 1]), np.int64(pixels[i, 2])
        if method == 0:
            value = _luma(r, g, b)
        elif method == 1:
            value = (r + g + b) // 3
        elif method == 2:
            value = max(r, g, b)
        else:
            value = (max(r, g, b) + min(r, g, b)) // 2
        pixels[i, 0] = pixels[i, 1] = pixels[i, 2] = value


@njit(cache=True, nogil=True)
def _shuffle(pixels: U8, row: F32) -> None:
    channels = pixels.shape[1]
    kept = np.empty(channels, np.uint8)
    for i in range(pixels.shape[0]):
        for c in range(channels):
            kept[c] = pixels[i, c]
        for c in range(channels):
            pixels[i, c] = kept[np.int64(row[c])]


@njit(cache=True, nogil=True)
def _shift_hsv(pixels: U8, hue: float, saturation: float, value: float) -> None:
    """Shift hue (of 180), saturation and value; grey images change in value alone."""
    if pixels.shape[1] == 1:
        for i in range(pixels.shape[0]):
            pixels[i, 0] = _plus(pixels[i, 0], value)
        return
    for i in range(pixels.shape[0]):
        h, s, v = _to_hsv(np.int64(pixels[i, 0]), np.int64(pixels[i, 1]), np.int64(pixels[i, 2]))
        if hue != 0:
            h = np.int64((h + hue) % 180)
        if saturation != 0 and s != 0:
            s = _plus(s, saturation)
        if value != 0:
            v = _plus(v, value)
        pixels[i, 0], pixels[i, 1], pixels[i, 2] = _to_rgb(h, s, v)


@njit(cache=True, nogil=True, inline="always")
def _plus(level: int, shift: float) -> int:
    """Albumentations' addition of a number to a uint8 image: the fraction of the number is dropped first."""
    return min(max(np.int64(level) + np.int64(shift), 0), 255)


@njit(cache=True, nogil=True)
def _to_hsv(r: int, g: int, b: int) -> tuple[int, int, int]:
    """OpenCV's 8-bit RGB to HSV, hue of 180."""
    v = max(r, g, b)
    spread = v - min(r, g, b)
    half = 1 << (_HSV_SHIFT - 1)
    s = 0
    if v > 0:
        s = (spread * np.int64(np.rint((255 << _HSV_SHIFT) / v)) + half) >> _HSV_SHIFT
    if spread == 0:
        return 0, s, v
    if v == r:
        h = g - b
    elif v == g:
        h = b - r + 2 * spread
    else:
        h = r - g + 4 * spread
    h = (h * np.int64(np.rint((180 << _HSV_SHIFT) / (6.0 * spread))) + half) >> _HSV_SHIFT
    return h + 180 if h < 0 else h, s, v


@njit(cache=True, nogil=True)
def _to_rgb(hue: int, saturation: int, value: int) -> tuple[int, int, int]:
    """OpenCV's 8-bit HSV to RGB, in float32 as there."""
    if saturation == 0:
        return value, value, value
    h = np.float32(hue) * np.float32(6.0 / 180.0)
    s = np.float32(saturation) * np.float32(1.0 / 255.0)
    v = np.float32(value) * np.float32(1.0 / 255.0)
    sector = np.int64(h)
    f = h - np.float32(sector)
    sector %= 6
    one = np.float32(1.0)
    p, q, t = v * (one - s), v * (one - s * f), v * (one - s * (one - f))
    if sector == 0:
        r, g, b = v, t, p
    elif sector == 1:
        r, g, b = q, v, p
    elif sector == 2:
        r, g, b = p, v, t
    elif sector == 3:
        r, g, b = p, q, v
    elif sector == 4:
        r, g, b = t, p, v
    else:
        r, g, b = v, p, q
    scale = np.float32(255.0)
    return clip_rounded(r * scale), clip_rounded(g * scale), clip_rounded(b * scale)
