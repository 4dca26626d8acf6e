"""One pass of the kernel over a picture: what it has to know before, where its pixels come from, where they go."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.levels import has, nearest, per_channel, single, whole
from augment_ops.modalities.image.fused.device.statistics import level_tables, statistic
from augment_ops.modalities.image.fused.device.warp import along, convolved, fetch, warped

_WARP, _CONVOLVE = tl.constexpr(codes.WARP), tl.constexpr(codes.CONVOLVE)
_ROWS, _COLUMNS = tl.constexpr(codes.ROWS), tl.constexpr(codes.COLUMNS)
_ISO = tl.constexpr(codes.ISO)
_SPLIT, _JOIN, _BLEND = tl.constexpr(codes.SPLIT), tl.constexpr(codes.JOIN), tl.constexpr(codes.BLEND)
_LINEAR_OF_MEAN, _CONTRAST = tl.constexpr(codes.LINEAR_OF_MEAN), tl.constexpr(codes.CONTRAST)
_EQUALIZE, _EQUALIZE_PIL = tl.constexpr(codes.EQUALIZE), tl.constexpr(codes.EQUALIZE_PIL)
_AUTOCONTRAST = tl.constexpr(codes.AUTOCONTRAST)
_TOTAL, _LINES = tl.constexpr(codes.TOTAL), tl.constexpr(codes.LINES)


@triton.jit
def known(
    code, table, at, images, scratch, cur, place, area, tables, c, BLOCK: tl.constexpr,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr
):  # fmt: skip
    """What the first operation of a pass has to know of the picture, float64; tables of histograms go into memory."""
    found = tl.full([], 0.0, tl.float64)
    if has(KINDS, _LINEAR_OF_MEAN, _CONTRAST, _ISO):
        if (code == _LINEAR_OF_MEAN) | (code == _CONTRAST) | (code == _ISO):
            found = statistic(
                code,
                table,
                at,
                images,
                scratch=scratch,
                cur=cur,
                place=place,
                area=area,
                c=c,
                BLOCK=BLOCK,
                KINDS=KINDS,
                C=C,
                WHOLE=WHOLE,
                MANY=MANY,
            )
    if has(KINDS, _EQUALIZE, _EQUALIZE_PIL, _AUTOCONTRAST):
        if (code == _EQUALIZE) | (code == _EQUALIZE_PIL) | (code == _AUTOCONTRAST):
            level_tables(
                code,
                table,
                at,
                images,
                scratch=scratch,
                cur=cur,
                place=place,
                area=area,
                tables=tables,
                BLOCK=BLOCK,
                C=C,
                WHOLE=WHOLE,
                MANY=MANY,
            )
            tl.debug_barrier()
    return found


@triton.jit
def read(
    code, table, at, images, scratch, cur, place, pixel, y, x, c, valid, h, w,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr
):  # fmt: skip
    """The pixels that a pass begins with."""
    value = valid.to(tl.float32) * 0.0
    if (code != _WARP) & (code != _CONVOLVE) & (code != _ROWS) & (code != _COLUMNS) & (code != _BLEND):
        value = fetch(images, scratch, cur, place, pixel * C + c, valid, MANY)
    if has(KINDS, _WARP):
        if code == _WARP:
            value = warped(
                table,
                at,
                images,
                scratch,
                cur=cur,
                place=place,
                y=y,
                x=x,
                c=c,
                valid=valid,
                h=h,
                w=w,
                C=C,
                WHOLE=WHOLE,
                MANY=MANY,
            )
    if has(KINDS, _CONVOLVE):
        if code == _CONVOLVE:
            value = convolved(
                table,
                at,
                images,
                scratch,
                cur=cur,
                place=place,
                y=y,
                x=x,
                c=c,
                valid=valid,
                h=h,
                w=w,
                C=C,
                WHOLE=WHOLE,
                MANY=MANY,
            )
    if has(KINDS, _ROWS):
        if code == _ROWS:
            value = along(
                table,
                at,
                images,
                scratch,
                cur=cur,
                place=place,
                y=y,
                x=x,
                down=0,
                c=c,
                valid=valid,
                h=h,
                w=w,
                C=C,
                MANY=MANY,
            )
        if code == _COLUMNS:
            value = along(
                table,
                at,
                images,
                scratch,
                cur=_LINES,
                place=place,
                y=y,
                x=x,
                down=1,
                c=c,
                valid=valid,
                h=h,
                w=w,
                C=C,
                MANY=MANY,
            )
            value = nearest(value, WHOLE)
    if has(KINDS, _BLEND):
        if code == _BLEND:
            value = nearest(fetch(images, scratch, _TOTAL, place, pixel * C + c, valid, MANY), WHOLE)
    return value


@triton.jit
def holed(x, table, at, down, across, c, C: tl.constexpr):
    """Pixels in rows `down` and columns `across`, filled where a hole is."""
    fill = per_channel(table, at + 1, c, C)
    for k in range(0, whole(table, at)):
        hole = at + 1 + C + 4 * k
        inside = (across >= whole(table, hole)) & (down >= whole(table, hole + 1))
        inside = inside & (across < whole(table, hole + 2)) & (down < whole(table, hole + 3))
        x = tl.where(inside, fill, x)
    return x


@triton.jit
def keep(code, table, at, x, scratch, goal, place, offset, valid, last, KINDS: tl.constexpr):
    """Write what another pass will read: the picture, or AugMix's sum of them."""
    if has(KINDS, _SPLIT):
        total = scratch + _TOTAL * place + offset
        if code == _SPLIT:
            tl.store(total, x * single(table, at), mask=valid)
        if code == _JOIN:
            tl.store(total, tl.load(total, mask=valid, other=0.0) + x * single(table, at), mask=valid)
    passing = (code != _SPLIT) & (code != _JOIN) & (last == 0)
    if passing:
        place_ = tl.where(code == _ROWS, _LINES, goal)
        tl.store(scratch + place_ * place + offset, x, mask=valid)


@triton.jit
def write(
    x,
    out,
    scale,
    pixel,
    c,
    valid,
    area,
    C: tl.constexpr,
    WHOLE: tl.constexpr,
    SCALED: tl.constexpr,
    PLANES: tl.constexpr,
):
    """Write pixels of the result, in the numbers and layout that are wanted."""
    offset = c * area + pixel if PLANES else pixel * C + c
    if SCALED:
        mean = tl.load(scale + 1 + c, mask=c < C, other=0.0)
        inverse = tl.load(scale + 1 + C + c, mask=c < C, other=0.0)
        x = (x * tl.load(scale) - mean) * inverse
    elif out.dtype.element_ty == tl.uint8:
        x = x if WHOLE else nearest(x * 255.0, True)
    tl.store(out + offset, x.to(out.dtype.element_ty), mask=valid)
