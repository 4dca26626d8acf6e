"""The colour operations that look at one pixel, in Triton: as in `tensors/colour.py` and `tensors/hsv.py`."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.levels import (
    channel,
    cut,
    has,
    in_levels,
    luma,
    nearest,
    per_channel,
    rounded,
    single,
    whole,
)

_LINEAR, _GAMMA = tl.constexpr(codes.LINEAR), tl.constexpr(codes.GAMMA)
_SOLARIZE, _POSTERIZE = tl.constexpr(codes.SOLARIZE), tl.constexpr(codes.POSTERIZE)
_LINEAR_OF_MEAN, _CONTRAST = tl.constexpr(codes.LINEAR_OF_MEAN), tl.constexpr(codes.CONTRAST)
_EQUALIZE, _EQUALIZE_PIL = tl.constexpr(codes.EQUALIZE), tl.constexpr(codes.EQUALIZE_PIL)
_AUTOCONTRAST = tl.constexpr(codes.AUTOCONTRAST)
_SATURATION, _HUE = tl.constexpr(codes.SATURATION), tl.constexpr(codes.HUE)
_SHIFT_HSV, _GRAY = tl.constexpr(codes.SHIFT_HSV), tl.constexpr(codes.GRAY)
_SHUFFLE = tl.constexpr(codes.SHUFFLE)
_PARTS = tl.constexpr(4096.0)  # OpenCV's fixed point of 8-bit HSV


@triton.jit
def coloured(
    x, code, table, at, statistic, tables, c, valid, KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr
):
    """What a colour operation makes of pixels; other instructions leave them.

    Args:
        x: float32 (P, C), c: int32 (1, C); valid: bool (P, C).
        table, at: where the operation's numbers lie.
        statistic: float64, of the whole picture, for operations that need one; tables: those made of its histograms.
    """
    step = 1.0 if WHOLE else 1.0 / 255.0
    if has(KINDS, _LINEAR):
        if code == _LINEAR:
            x = cut(x * per_channel(table, at, c, C) + per_channel(table, at + C, c, C) * step, WHOLE)
    if has(KINDS, _GAMMA):
        if code == _GAMMA:
            if WHOLE:
                x = _number_of(table, at + 1, x, valid)
            else:
                x = tl.where(x > 0.0, tl.exp2(tl.log2(tl.where(x > 0.0, x, 1.0)) * single(table, at)), 0.0)
    if has(KINDS, _SOLARIZE):
        if code == _SOLARIZE:
            x = tl.where(x >= single(table, at) * step, (255.0 if WHOLE else 1.0) - x, x)
    if has(KINDS, _POSTERIZE):
        if code == _POSTERIZE:
            size = per_channel(table, at, c, C) + tl.where(c < C, 0.0, 1.0)
            x = tl.floor(in_levels(x, WHOLE) / size) * size * step
    if has(KINDS, _LINEAR_OF_MEAN):
        if code == _LINEAR_OF_MEAN:
            x = _stretched(x, single(table, at), single(table, at + 1).to(tl.float64) * statistic, WHOLE)
    if has(KINDS, _CONTRAST):
        if code == _CONTRAST:
            factor = single(table, at)
            offset = (statistic * (1.0 - factor.to(tl.float64))).to(tl.float32)
            x = cut(x * factor + offset, WHOLE)
    if has(KINDS, _EQUALIZE, _EQUALIZE_PIL, _AUTOCONTRAST):
        if (code == _EQUALIZE) | (code == _EQUALIZE_PIL) | (code == _AUTOCONTRAST):
            level = in_levels(x, WHOLE).to(tl.int32)
            x = tl.load(tables + c * 256 + level, mask=valid, other=0.0) * step
    if has(KINDS, _SATURATION, _GRAY):
        if (code == _SATURATION) | (code == _GRAY):
            x = _greyer(x, code, table, at, c, C, WHOLE)
    if has(KINDS, _SHIFT_HSV):
        if code == _SHIFT_HSV:
            x = _shifted(in_levels(x, WHOLE), table, at, c, C, True) * step
    if has(KINDS, _HUE):
        if code == _HUE:
            x = _shifted(x * 255.0, table, at, c, C, False) * step
    if has(KINDS, _SHUFFLE):
        if code == _SHUFFLE:
            x = _shuffled(x, table, at, c, C)
    return x


@triton.jit
def _number_of(table, at, x, valid):
    """The numbers of the table that whole levels name."""
    found = tl.load(table + at + x.to(tl.int32), mask=valid, other=0)
    return found.to(tl.float64, bitcast=True).to(tl.float32)


@triton.jit
def _stretched(x, scale, offset, WHOLE: tl.constexpr):
    """In float64 for whole levels: whether a fraction is dropped must not hang on float32's last bit."""
    if WHOLE:
        found = cut(x * scale.to(tl.float64) + offset, WHOLE).to(tl.float32)
    else:
        found = cut(x * scale + offset.to(tl.float32), WHOLE)
    return found


@triton.jit
def _greyer(x, code, table, at, c, C: tl.constexpr, WHOLE: tl.constexpr):
    """Grey, or towards it and away from it, in float64 as the loops add: a half must fall to the same side."""
    if C == 3:
        r, g, b = channel(x, c, 0), channel(x, c, 1), channel(x, c, 2)
        gray = luma(r, g, b, WHOLE)
        if code == _SATURATION:
            factor = single(table, at)
            rest = gray[:, None] * (1.0 - factor.to(tl.float64))
            x = nearest((x * factor).to(tl.float64) + rest, WHOLE).to(tl.float32)
        else:
            method = whole(table, at)
            high, low = tl.maximum(tl.maximum(r, g), b), tl.minimum(tl.minimum(r, g), b)
            if method == 1:
                gray = tl.div_rn(r + g + b, 3.0)
            elif method == 2:
                gray = high
            elif method == 3:
                gray = (high + low) * 0.5
            if WHOLE:
                gray = tl.floor(gray)
            x = x * 0.0 + gray[:, None]
    return x


@triton.jit
def _shuffled(x, table, at, c, C: tl.constexpr):
    order = per_channel(table, at, c, C)
    found = x
    for k in tl.static_range(C):
        found = tl.where(order == k, channel(x, c, k)[:, None], found)
    return found


@triton.jit
def _shifted(x, table, at, c, C: tl.constexpr, ROUND: tl.constexpr):
    """Shift hue, saturation and value of levels of 255; whole ones by OpenCV's 8-bit conversions where ROUND."""
    if C == 1:
        found = tl.minimum(tl.maximum(x + single(table, at + 2), 0.0), 255.0)
    else:
        h, s, v = _to_hsv(channel(x, c, 0), channel(x, c, 1), channel(x, c, 2), ROUND)
        turn = single(table, at)
        if turn != 0.0:
            h = h + turn
            h = tl.where(h < 0.0, h + 180.0, tl.where(h >= 180.0, h - 180.0, h))
            if ROUND:
                h = tl.floor(h)
        s = tl.where(s != 0.0, tl.minimum(tl.maximum(s + single(table, at + 1), 0.0), 255.0), 0.0)
        v = tl.minimum(tl.maximum(v + single(table, at + 2), 0.0), 255.0)
        found = _to_rgb(h[:, None], s[:, None], v[:, None], c) * 255.0
        if ROUND:
            found = nearest(found, True)
        else:
            found = tl.minimum(tl.maximum(found, 0.0), 255.0)
    return found


@triton.jit
def _to_hsv(r, g, b, ROUND: tl.constexpr):
    high, low = tl.maximum(tl.maximum(r, g), b), tl.minimum(tl.minimum(r, g), b)
    spread = high - low
    turn = tl.where(high == r, g - b, tl.where(high == g, b - r + 2.0 * spread, r - g + 4.0 * spread))
    some, light = tl.where(spread > 0.0, spread, 1.0), tl.where(high > 0.0, high, 1.0)
    per_spread, per_high = tl.div_rn(30.0 * _PARTS, some), tl.div_rn(255.0 * _PARTS, light)
    if ROUND:
        per_spread, per_high = rounded(per_spread), rounded(per_high)
    h = turn * tl.where(spread > 0.0, per_spread, 0.0)
    s = spread * tl.where(high > 0.0, per_high, 0.0)
    if ROUND:
        h, s = tl.floor((h + _PARTS / 2) / _PARTS), tl.floor((s + _PARTS / 2) / _PARTS)
    else:
        h, s = h / _PARTS, s / _PARTS
    return tl.where(h < 0.0, h + 180.0, h), s, high


@triton.jit
def _to_rgb(h, s, v, c):
    """Shares of 1, (P, 1) each, to (P, C)."""
    h, s, v = h * (6.0 / 180.0), s * (1.0 / 255.0), v * (1.0 / 255.0)
    sector = tl.floor(h)
    f = h - sector
    sector = tl.where(sector >= 6.0, sector - 6.0, sector)
    p, q, t = v * (1.0 - s), v * (1.0 - s * f), v * (1.0 - s * (1.0 - f))
    # Red, green and blue run through the same six pieces, each two sectors after the one before.
    at = sector + tl.where(c == 0, 0.0, tl.where(c == 1, 4.0, 2.0))
    at = tl.where(at >= 6.0, at - 6.0, at)
    others = tl.where(at == 1.0, q, tl.where(at == 4.0, t, p))
    return tl.where((at == 0.0) | (at == 5.0), v, others)
