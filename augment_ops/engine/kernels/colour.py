"""The loops behind colour: tables, statistics and pixel operations on one uint8 image (pixels, channels).

What they compute on uint8 is what albumentations 2.0.8 and OpenCV 4 compute, in integers where those use integers.
"""

from __future__ import annotations

import math

import numpy as np

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.operations import (
    AUTOCONTRAST,
    EQUALIZE,
    EQUALIZE_PIL,
    GAMMA,
    GRAY,
    JITTER,
    LAST_TABLE,
    LINEAR,
    LINEAR_OF_MEAN,
    POSTERIZE,
    SHIFT_HSV,
    SHUFFLE,
    SOLARIZE,
)
from augment_ops.engine.kernels.types import F32, I32, I64, U8

# OpenCV's weights of red, green and blue in 15-bit fixed point (ITU-R BT.601).
_RED, _GREEN, _BLUE, _GRAY_SHIFT = np.int32(9798), np.int32(19235), np.int32(3735), 15
_RUN = 4096  # pixels that are worked on at a time
_HSV_SHIFT = 12  # OpenCV's fixed point of 8-bit HSV


@inner
def clip_truncated(value: float) -> int:
    """To uint8 as albumentations does: cut to 0 … 255, fraction dropped."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(value)


@inner
def clip_rounded(value: float) -> int:
    """To uint8 as OpenCV does: nearest, halves to even."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(np.rint(value))


@inner
def identity_table(table: U8) -> None:
    """Reset a table (channels, 256)."""
    for c in range(table.shape[0]):
        for v in range(256):
            table[c, v] = v


@inner
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


@inner
def apply_table(pixels: U8, table: U8) -> None:
    """Look every value up; pixels is (pixels, channels)."""
    channels, flat = pixels.shape[1], pixels.reshape(-1)
    if _all_alike(table):
        level = table[0]
        for i in range(len(flat)):
            flat[i] = level[flat[i]]
    elif channels == 3:
        red, green, blue = table[0], table[1], table[2]
        for i in range(0, len(flat) - 2, 3):
            flat[i] = red[flat[i]]
            flat[i + 1] = green[flat[i + 1]]
            flat[i + 2] = blue[flat[i + 2]]
    else:
        for c in range(channels):
            for i in range(c, len(flat), channels):
                flat[i] = table[c, flat[i]]


@inner
def _all_alike(table: U8) -> bool:
    for c in range(1, table.shape[0]):
        for v in range(256):
            if table[c, v] != table[0, v]:
                return False
    return True


@inner
def _apply_alone(pixels: U8, code: int, row: F32) -> bool:
    """Apply one pointwise operation by arithmetic, several times as fast as a table; False where it cannot be."""
    channels, flat = pixels.shape[1], pixels.reshape(-1)
    if code == SOLARIZE:
        threshold = np.uint8(min(max(math.ceil(row[0]), 0), 255))
        if row[0] > 255:
            return True
        for i in range(len(flat)):
            value = flat[i]
            flat[i] = np.uint8(255) - value if value >= threshold else value
        return True
    for c in range(1, channels):
        if row[c] != row[0] or (code == LINEAR and row[channels + c] != row[channels]):
            return False
    if code == POSTERIZE:
        mask = np.uint8(256 - (1 << (8 - np.int64(row[0]))))
        for i in range(len(flat)):
            flat[i] &= mask
        return True
    if code != LINEAR:
        return False
    scale, offset, zero, most = row[0], row[channels], np.float32(0), np.float32(255)
    for i in range(len(flat)):
        value = np.float32(flat[i]) * scale + offset
        value = value if value > zero else zero
        flat[i] = np.uint8(np.int32(value if value < most else most))
    return True


@inner
def colour(pixels: U8, codes: I64, wanted: U8, arguments: F32, table: U8) -> None:
    """Run the colour operations of one image, tables composed as long as nothing has to look at the pixels.

    Args:
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
            if alone and _apply_alone(pixels, codes[step], arguments[step]):
                step = following
                continue
            identity_table(table)
            compose(table, codes[step], arguments[step])
        elif not run(pixels, codes[step], arguments[step], table):
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
    elif code == GRAY and channels == 3:
        _gray(pixels, np.int64(row[0]))
    elif code == SHUFFLE:
        _shuffle(pixels, row)
    return False


@inner
def _mean(pixels: U8) -> float:
    total = 0
    for i in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            total += pixels[i, c]
    return total / (pixels.shape[0] * pixels.shape[1])


@inner
def _luma(r: int, g: int, b: int) -> int:
    weighted = np.int32(np.int32(np.int32(r) * _RED) + np.int32(np.int32(g) * _GREEN)) + np.int32(np.int32(b) * _BLUE)
    return np.int32(np.int32(weighted + np.int32(1 << (_GRAY_SHIFT - 1))) >> np.int32(_GRAY_SHIFT))


@inner
def _mean_luma(pixels: U8) -> float:
    if pixels.shape[1] == 1:
        return _mean(pixels)
    total = 0
    for start in range(0, pixels.shape[0], _RUN):
        part = np.int32(0)  # of a run that cannot overflow
        for i in range(start, min(start + _RUN, pixels.shape[0])):
            part += _luma(pixels[i, 0], pixels[i, 1], pixels[i, 2])
        total += part
    return total / pixels.shape[0]


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
def _shift_hsv(pixels: U8, hue: float, saturation: float, value: float) -> None:
    """Shift hue (of 180), saturation and value; grey images change in value alone.

    In simple loops over planes, without branches, so that they vectorise.
    """
    if pixels.shape[1] == 1:
        for i in range(pixels.shape[0]):
            pixels[i, 0] = _plus(pixels[i, 0], value)
        return
    hues, inverse_v, inverse_d = np.empty(256, np.int32), np.zeros(256, np.int32), np.zeros(256, np.int32)
    for v in range(256):
        hues[v] = np.int32(np.int64((v + hue) % 180)) if hue != 0 else v
    for v in range(1, 256):
        inverse_v[v] = np.int32(np.rint((255 << _HSV_SHIFT) / v))
        inverse_d[v] = np.int32(np.rint((180 << _HSV_SHIFT) / (6.0 * v)))
    more_s, more_v = np.int32(saturation), np.int32(value)
    h, s, v = np.empty(_RUN, np.int32), np.empty(_RUN, np.int32), np.empty(_RUN, np.int32)
    for start in range(0, pixels.shape[0], _RUN):
        part = pixels[start : start + _RUN]
        _to_hsv(part, inverse_v, inverse_d, h, s, v)
        for i in range(len(part)):
            h[i] = hues[h[i]]
            more = s[i] + more_s if s[i] != 0 else 0
            s[i] = min(max(more, 0), 255)
            v[i] = min(max(v[i] + more_v, 0), 255)
        _to_rgb(part, h, s, v)


@inner
def _plus(level: int, shift: float) -> int:
    """Albumentations' addition of a number to a uint8 image: the fraction of the number is dropped first."""
    return min(max(np.int64(level) + np.int64(shift), 0), 255)


@inner
def _to_hsv(pixels: U8, inverse_v: I32, inverse_d: I32, h: I32, s: I32, v: I32) -> None:
    """OpenCV's 8-bit RGB to HSV, hue of 180."""
    half, shift = np.int32(1 << (_HSV_SHIFT - 1)), np.int32(_HSV_SHIFT)
    for i in range(len(pixels)):
        r, g, b = np.int32(pixels[i, 0]), np.int32(pixels[i, 1]), np.int32(pixels[i, 2])
        high = r if r > g else g
        high = high if high > b else b
        low = r if r < g else g
        low = low if low < b else b
        spread = np.int32(high - low)
        turn = np.int32(r - g + 4 * spread)
        turn = np.int32(b - r + 2 * spread) if high == g else turn
        turn = np.int32(g - b) if high == r else turn
        v[i] = high
        s[i] = spread
        h[i] = turn
    for i in range(len(pixels)):
        spread = s[i]
        turn = np.int32(np.int32(np.int32(h[i] * inverse_d[spread]) + half) >> shift)
        h[i] = turn + np.int32(180) if turn < 0 else turn
        s[i] = np.int32(np.int32(np.int32(spread * inverse_v[v[i]]) + half) >> shift)


@inner
def _to_rgb(pixels: U8, hues: I32, saturations: I32, values: I32) -> None:
    """OpenCV's 8-bit HSV to RGB, in float32 as there."""
    one, zero, most = np.float32(1), np.float32(0), np.float32(255)
    for i in range(len(pixels)):
        h = np.float32(hues[i]) * np.float32(6.0 / 180.0)
        s = np.float32(saturations[i]) * np.float32(1.0 / 255.0)
        v = np.float32(values[i]) * np.float32(1.0 / 255.0)
        sector = np.int32(h)
        f = h - np.float32(sector)
        sector = sector - np.int32(6) if sector >= 6 else sector
        p, q, t = v * (one - s), v * (one - s * f), v * (one - s * (one - f))
        r = v if sector in (0, 5) else q if sector == 1 else t if sector == 4 else p
        g = v if sector in (1, 2) else t if sector == 0 else q if sector == 3 else p
        b = v if sector in (3, 4) else t if sector == 2 else q if sector == 5 else p
        for c, level in ((0, r), (1, g), (2, b)):
            scaled = np.rint(level * most)
            scaled = scaled if scaled > zero else zero
            pixels[i, c] = np.uint8(np.int32(scaled if scaled < most else most))
