"""Shifts of hue, saturation and value, with OpenCV's 8-bit conversions (hue of 180)."""

from __future__ import annotations

import numpy as np
from numba import types

from augment_ops.engine.kernels.compiled import apart, inner
from augment_ops.engine.kernels.types import I32, U8, U32
from augment_ops.modalities.image.kernels.words import RUN, byte, close, spread, word_of

_HSV_SHIFT = 12  # OpenCV's fixed point of 8-bit HSV


@apart(types.uint8[:, ::1], types.float64, types.float64, types.float64)
def shift_hsv(pixels: U8, hue: float, saturation: float, value: float) -> None:
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
    h, s, v = np.empty(RUN, np.int32), np.empty(RUN, np.int32), np.empty(RUN, np.int32)
    flat, words = pixels.reshape(-1), np.empty(RUN, np.uint32)
    for start in range(0, pixels.shape[0], RUN):
        many = min(RUN, pixels.shape[0] - start)
        spread(flat, 3 * start, words, many)
        _to_hsv(words[:many], inverse_v, inverse_d, h, s, v)
        for i in range(many):
            h[i] = hues[h[i]]
            more = s[i] + more_s if s[i] != 0 else 0
            s[i] = min(max(more, 0), 255)
            v[i] = min(max(v[i] + more_v, 0), 255)
        _to_rgb(words[:many], h, s, v)
        close(words, many, flat, 3 * start)


@inner
def _plus(level: int, shift: float) -> int:
    """Albumentations' addition of a number to a uint8 image: the fraction of the number is dropped first."""
    return min(max(np.int64(level) + np.int64(shift), 0), 255)


@inner
def _to_hsv(words: U32, inverse_v: I32, inverse_d: I32, h: I32, s: I32, v: I32) -> None:
    """OpenCV's 8-bit RGB to HSV, hue of 180."""
    half, shift = np.int32(1 << (_HSV_SHIFT - 1)), np.int32(_HSV_SHIFT)
    for i in range(len(words)):
        r, g, b = byte(words[i], 0), byte(words[i], 1), byte(words[i], 2)
        high = r if r > g else g
        high = high if high > b else b
        low = r if r < g else g
        low = low if low < b else b
        apart = np.int32(high - low)
        turn = np.int32(r - g + 4 * apart)
        turn = np.int32(b - r + 2 * apart) if high == g else turn
        turn = np.int32(g - b) if high == r else turn
        v[i] = high
        s[i] = apart
        h[i] = turn
    for i in range(len(words)):
        apart = s[i]
        turn = np.int32(np.int32(np.int32(h[i] * inverse_d[apart]) + half) >> shift)
        h[i] = turn + np.int32(180) if turn < 0 else turn
        s[i] = np.int32(np.int32(np.int32(apart * inverse_v[v[i]]) + half) >> shift)


@inner
def _to_rgb(words: U32, hues: I32, saturations: I32, values: I32) -> None:
    """OpenCV's 8-bit HSV to RGB, in float32 as there."""
    one = np.float32(1)
    for i in range(len(words)):
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
        words[i] = word_of(_level(r), _level(g), _level(b))


@inner
def _level(share: float) -> int:
    zero, most = np.float32(0), np.float32(255)
    scaled = np.rint(share * most)
    scaled = scaled if scaled > zero else zero
    return np.int32(scaled if scaled < most else most)
