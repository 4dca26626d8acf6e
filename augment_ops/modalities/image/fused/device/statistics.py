"""What an operation has to know of a whole picture, by a reduction within its program: means, tables of histograms."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.levels import channel, in_levels, luma, nearest, number, rounded, whole
from augment_ops.modalities.image.fused.device.warp import fetch

_EQUALIZE, _EQUALIZE_PIL = tl.constexpr(codes.EQUALIZE), tl.constexpr(codes.EQUALIZE_PIL)
_AUTOCONTRAST, _LINEAR_OF_MEAN = tl.constexpr(codes.AUTOCONTRAST), tl.constexpr(codes.LINEAR_OF_MEAN)
_CONTRAST, _ISO = tl.constexpr(codes.CONTRAST), tl.constexpr(codes.ISO)
_FIXED = tl.constexpr(float(1 << 36))  # parts of one, as in `tensors/levels.py`: sums of whole numbers have no order


@triton.jit
def statistic(
    code, table, at, images, scratch, cur, place, area, c, BLOCK: tl.constexpr,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr
):  # fmt: skip
    """The number that an operation wants of a picture, float64: its mean, that of its grey, or the rate of ISONoise."""
    first, second = tl.zeros([BLOCK], tl.int64), tl.zeros([BLOCK], tl.int64)
    for start in range(0, area, BLOCK):
        pixel = (start + tl.arange(0, BLOCK))[:, None]
        valid = (pixel < area) & (c < C)
        x = fetch(images, scratch, cur, place, pixel * C + c, valid, MANY)
        if code == _LINEAR_OF_MEAN:
            first += tl.sum(_counted(x, WHOLE), axis=1)
        elif C == 1:
            first += tl.sum(_counted(x, WHOLE), axis=1)
        else:
            r, g, b = channel(x, c, 0), channel(x, c, 1), channel(x, c, 2)
            if code == _CONTRAST:
                first += _counted(luma(r, g, b, WHOLE), WHOLE)
            else:
                r, g, b = in_levels(r, WHOLE), in_levels(g, WHOLE), in_levels(b, WHOLE)
                light = tl.maximum(tl.maximum(r, g), b) + tl.minimum(tl.minimum(r, g), b)  # of 510
                first += light.to(tl.int64)
                second += (light * light).to(tl.int64)
    parts = 1.0 if WHOLE else _FIXED
    total, count = tl.sum(first, axis=0).to(tl.float64), area.to(tl.float64)
    if code == _ISO:
        mean = total / count
        spread = tl.sum(second, axis=0).to(tl.float64) / count - mean * mean
        found = tl.sqrt(tl.maximum(spread, 0.0)) / 510.0 * number(table, at + 1)
    else:
        if code == _LINEAR_OF_MEAN:
            count = count * C
        found = total / (count * parts)
    return found


@triton.jit
def _counted(x, WHOLE: tl.constexpr):
    return x.to(tl.int64) if WHOLE else rounded(x.to(tl.float64) * _FIXED).to(tl.int64)


@triton.jit
def level_tables(
    code, table, at, images, scratch, cur, place, area, tables, BLOCK: tl.constexpr,
    C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr
):  # fmt: skip
    """The tables (C, 256) that an operation makes of a picture's histograms, into `tables`."""
    level = tl.arange(0, 256)
    for channel_ in tl.static_range(C):
        counts = level * 0
        for start in range(0, area, BLOCK):
            pixel = start + tl.arange(0, BLOCK)
            x = fetch(images, scratch, cur, place, pixel * C + channel_, pixel < area, MANY)
            counts += tl.histogram(in_levels(x, WHOLE).to(tl.int32), 256, mask=pixel < area)
        if code == _EQUALIZE:
            found = _equalized(counts, level, area)
        elif code == _EQUALIZE_PIL:
            found = _equalized_as_pillow(counts, level)
        else:
            found = _stretched(counts, level, number(table, at), whole(table, at + 1))
        tl.store(tables + channel_ * 256 + level, found)


@triton.jit
def _equalized(counts, level, area):
    """OpenCV's equalizeHist."""
    first = tl.minimum(tl.min(tl.where(counts > 0, level, 256), axis=0), 255)
    lowest = tl.sum(tl.where(level == first, counts, 0), axis=0)
    scale = tl.div_rn(255.0, tl.maximum(area - lowest, 1).to(tl.float32))
    above = tl.cumsum(tl.where(level > first, counts, 0), axis=0).to(tl.float32)
    found = tl.where(level > first, nearest(above * scale, True), 0.0)
    return tl.where(lowest == area, first.to(tl.float32), found)


@triton.jit
def _equalized_as_pillow(counts, level):
    """Pillow's ImageOps.equalize as albumentations has it."""
    last = tl.max(tl.where(counts > 0, level, 0), axis=0)
    kinds = tl.sum((counts > 0).to(tl.int32), axis=0)
    step = (tl.sum(counts, axis=0) - tl.sum(tl.where(level == last, counts, 0), axis=0)) // 255
    by = tl.maximum(step, 1)
    found = tl.minimum((tl.cumsum(counts, axis=0) + by // 2) // by, 255)
    return tl.where((kinds <= 1) | (step == 0), level, found).to(tl.float32)


@triton.jit
def _stretched(counts, level, cutoff, stretch):
    """AutoContrast; as in the loops, levels below 255 alone are counted."""
    counts = tl.where(level == 255, 0, counts)
    low, high = _bounds(counts, level, cutoff)
    over = tl.cumsum(tl.where((level > low) & (level <= high), counts, 0), axis=0).to(tl.float64)
    all_ = tl.sum(tl.where((level > low) & (level <= high), counts, 0), axis=0).to(tl.float64)
    if stretch != 0:
        found = (level - low).to(tl.float64) * (255.0 / tl.maximum(high - low, 1).to(tl.float64))
    else:
        found = over * 255.0 / tl.maximum(all_, 1.0)
    found = nearest(found, True).to(tl.float32)
    found = tl.where(level < low, 0.0, tl.where(level > high, 255.0, found))
    return tl.where(high <= low, level.to(tl.float32), found)


@triton.jit
def _bounds(counts, level, cutoff):
    """The darkest and the brightest level that count when `cutoff` percent of the pixels are cut at either end."""
    if cutoff == 0:
        low = tl.minimum(tl.min(tl.where(counts > 0, level, 256), axis=0), 255)
        high = tl.max(tl.where(counts > 0, level, 0), axis=0)
    else:
        total = tl.sum(counts, axis=0)
        cut = total.to(tl.float64) * cutoff / 100.0
        up_to = tl.cumsum(counts, axis=0)
        low = tl.minimum(tl.min(tl.where(up_to.to(tl.float64) >= cut, level, 256), axis=0) + 1, 255)
        high = tl.max(tl.where((total - up_to + counts).to(tl.float64) >= cut, level, -1), axis=0)
        crossed = low > high
        low, high = tl.where(crossed, 127, low), tl.where(crossed, 127, high)
    return low, high
