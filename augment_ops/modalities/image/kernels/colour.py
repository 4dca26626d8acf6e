"""The colour program of one uint8 image (pixels, channels): tables where it can, else pixel by pixel."""

from __future__ import annotations

import numpy as np
from numba import types

from augment_ops.engine.kernels.compiled import apart, inner
from augment_ops.engine.kernels.types import F32, I64, U8, U64
from augment_ops.modalities.image.kernels.hsv import shift_hsv
from augment_ops.modalities.image.kernels.operations import (
    AUTOCONTRAST,
    EQUALIZE,
    EQUALIZE_PIL,
    GRAY,
    HSV,
    JITTER,
    LAST_TABLE,
    LINEAR_OF_MEAN,
    LOOK,
    SHIFT_HSV,
    SHUFFLE,
)
from augment_ops.modalities.image.kernels.statistics import (
    auto_contrast,
    count_levels,
    equalize,
    equalize_pil,
    mean,
    mean_luma,
)
from augment_ops.modalities.image.kernels.tables import (
    apply_alone,
    apply_table,
    clip_truncated,
    compose,
    identity_table,
    linear,
)
from augment_ops.modalities.image.kernels.words import RUN, byte, close, luma, spread, word_of

_LOOPS, _PIXELS = types.uint64[::1], types.uint8[:, ::1]
_shift_hsv = shift_hsv.call
_MOST_SATURATION = np.float32(1 << 20)  # levels times it fit 32 bits; what is no grey has long become black or white


@apart(_LOOPS, _PIXELS, types.int64, types.float32[::1], _PIXELS, returned=types.boolean)
def look(loops: U64, pixels: U8, code: int, row: F32, table: U8) -> bool:
    """Run an operation that looks at the image; whether `table` now holds something still to be applied."""
    channels = pixels.shape[1]
    if code == LINEAR_OF_MEAN:
        offset = row[1] * mean(pixels)
        for c in range(channels):
            for v in range(256):
                table[c, v] = clip_truncated(v * row[0] + offset)
        return True
    if code == EQUALIZE or code == EQUALIZE_PIL or code == AUTOCONTRAST:
        histograms = np.zeros((channels, 256), np.int64)
        count_levels(pixels, histograms)
        for c in range(channels):
            table_of(code, row, histograms[c], pixels.shape[0], table[c])
        return True
    if code == JITTER:
        _jitter(loops, pixels, row, table)
    elif code == SHIFT_HSV:
        _shift_hsv(loops[HSV], (pixels, np.float64(row[0]), np.float64(row[1]), np.float64(row[2])))
    elif code == GRAY and channels == 3:
        _gray(pixels, np.int64(row[0]))
    elif code == SHUFFLE:
        _shuffle(pixels, row)
    return False


_look = look.call


@apart(_LOOPS, _PIXELS, types.int64[::1], types.uint8[::1], types.float32[:, ::1], _PIXELS)
def colour(loops: U64, pixels: U8, codes: I64, wanted: U8, arguments: F32, table: U8) -> None:
    """Run the colour operations of one image, tables composed as long as nothing has to look at the pixels.

    Args:
        loops: uint64, addresses of what is compiled apart.
        pixels: uint8 (pixels, channels), in place.
        codes: int64 (T,), the operations in order; wanted: uint8 (T,), which of them this image gets.
        arguments: float32 (T, A).
        table: uint8 (channels, 256), scratch.
    """
    steps, step = len(codes), 0
    while step < steps:
        if not wanted[step]:
            step += 1
            continue
        following = step + 1
        while following < steps and not wanted[following]:
            following += 1
        if codes[step] <= LAST_TABLE:
            alone = following == steps or codes[following] > LAST_TABLE
            if alone and apply_alone(pixels, codes[step], arguments[step]):
                step = following
                continue
            identity_table(table)
            compose(table, codes[step], arguments[step])
        elif not _look(loops[LOOK], (loops, pixels, codes[step], arguments[step], table)):
            step = following
            continue
        # What follows and is pointwise goes into the same table.
        while following < steps and (not wanted[following] or codes[following] <= LAST_TABLE):
            if wanted[following]:
                compose(table, codes[following], arguments[following])
            following += 1
        apply_table(pixels, table)
        step = following


@inner
def table_of(code: int, row: F32, histogram: I64, total: int, table: U8) -> None:
    """The table (256,) that an operation makes of the histogram (256,) of `total` values."""
    if code == EQUALIZE:
        equalize(histogram, total, table)
    elif code == EQUALIZE_PIL:
        equalize_pil(histogram, table)
    else:
        auto_contrast(histogram, row[0], row[1] != 0, table)


@inner
def _jitter(loops: U64, pixels: U8, row: F32, table: U8) -> None:
    channels = pixels.shape[1]
    for step in range(4):
        which = np.int64(row[4 + step])
        factor = row[which]
        if which == 0 or which == 1:
            if factor == 1:
                continue
            offset = np.float32(0.0)
            if which == 1:
                offset = np.float32(mean_luma(pixels) * (1 - factor))
            linear(pixels.reshape(-1), factor, offset)
        elif channels == 3 and which == 2 and factor != 1:
            _saturate(pixels, factor)
        elif channels == 3 and which == 3 and factor != 0:
            _shift_hsv(loops[HSV], (pixels, np.float64(180 * factor), 0.0, 0.0))


@inner
def _saturate(pixels: U8, factor: float) -> None:
    """Away from grey by a float32 factor; the grey part is added in float64, where halves have always fallen."""
    flat, words = pixels.reshape(-1), np.empty(RUN, np.uint32)
    factor = min(factor, _MOST_SATURATION)
    rest = np.float64(1 - factor)
    for start in range(0, pixels.shape[0], RUN):
        many = min(RUN, pixels.shape[0] - start)
        spread(flat, 3 * start, words, many)
        for i in range(many):
            word = words[i]
            gray = np.float32(luma(word)) * rest
            words[i] = word_of(
                _saturated(byte(word, 0), factor, gray),
                _saturated(byte(word, 1), factor, gray),
                _saturated(byte(word, 2), factor, gray),
            )
        close(words, many, flat, 3 * start)


@inner
def _saturated(level: int, factor: float, gray: float) -> int:
    value = np.int32(np.rint(np.float32(level) * factor + gray))
    value = value if value > np.int32(0) else np.int32(0)
    return value if value < np.int32(255) else np.int32(255)


@inner
def _gray(pixels: U8, method: int) -> None:
    flat, words = pixels.reshape(-1), np.empty(RUN, np.uint32)
    for start in range(0, pixels.shape[0], RUN):
        many = min(RUN, pixels.shape[0] - start)
        spread(flat, 3 * start, words, many)
        for i in range(many):
            r, g, b = byte(words[i], 0), byte(words[i], 1), byte(words[i], 2)
            if method == 0:
                value = luma(words[i])
            elif method == 1:
                value = np.int32(np.int32(r + g + b) // np.int32(3))
            elif method == 2:
                value = max(r, g, b)
            else:
                value = np.int32(np.int32(max(r, g, b) + min(r, g, b)) >> np.int32(1))
            words[i] = word_of(value, value, value)
        close(words, many, flat, 3 * start)


@inner
def _shuffle(pixels: U8, row: F32) -> None:
    channels = pixels.shape[1]
    if channels == 3:
        a, b, c = np.int64(row[0]), np.int64(row[1]), np.int64(row[2])
        for i in range(pixels.shape[0]):
            x, y, z = pixels[i, a], pixels[i, b], pixels[i, c]
            pixels[i, 0], pixels[i, 1], pixels[i, 2] = x, y, z
        return
    kept = np.empty(channels, np.uint8)
    for i in range(pixels.shape[0]):
        for c in range(channels):
            kept[c] = pixels[i, c]
        for c in range(channels):
            pixels[i, c] = kept[np.int64(row[c])]
