"""The kernel: each program takes one sample and runs its instructions, a pass over the picture for those that fit one.

A pass reads pixels (where they lie, or warped, or convolved), runs the instructions that look at one pixel at a time
in registers, and writes them once. What has to see the whole picture first, a mean or a histogram, reduces it within
the program; barriers stand between passes. So a whole plan is one launch, whatever each sample gets of it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.colour import coloured
from augment_ops.modalities.image.fused.device.levels import has, nearest, per_channel, single, whole
from augment_ops.modalities.image.fused.device.noise import noisy, offsets
from augment_ops.modalities.image.fused.device.statistics import level_tables, statistic
from augment_ops.modalities.image.fused.device.warp import along, convolved, fetch, warped

_WARP, _CONVOLVE = tl.constexpr(codes.WARP), tl.constexpr(codes.CONVOLVE)
_ROWS, _COLUMNS = tl.constexpr(codes.ROWS), tl.constexpr(codes.COLUMNS)
_GAUSS, _ISO, _HOLES = tl.constexpr(codes.GAUSS), tl.constexpr(codes.ISO), tl.constexpr(codes.HOLES)
_SPLIT, _JOIN, _BLEND = tl.constexpr(codes.SPLIT), tl.constexpr(codes.JOIN), tl.constexpr(codes.BLEND)
_LINEAR_OF_MEAN, _CONTRAST = tl.constexpr(codes.LINEAR_OF_MEAN), tl.constexpr(codes.CONTRAST)
_EQUALIZE, _EQUALIZE_PIL = tl.constexpr(codes.EQUALIZE), tl.constexpr(codes.EQUALIZE_PIL)
_AUTOCONTRAST = tl.constexpr(codes.AUTOCONTRAST)
_KEPT, _TOTAL, _LINES = tl.constexpr(codes.KEPT), tl.constexpr(codes.TOTAL), tl.constexpr(codes.LINES)
IMAGE = tl.constexpr(-1)  # the place of what came in


# What differs from batch to batch; triton compiles anew where such a number comes to be 1 or a multiple of 16.
_VARIES = ["height", "width", "most", "places", "slots", "out_height", "out_width"]


@triton.jit(do_not_specialize=_VARIES, do_not_specialize_on_alignment=["images"])
def run_plan(
    table, images, out, scratch, tables, starts, marks, pool, scale,
    height, width, most, places, slots, out_height, out_width,
    KINDS: tl.constexpr, C: tl.constexpr, CP: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr,
    SCALED: tl.constexpr, PLANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Run a plan on a batch; a program a sample.

    Args:
        table: int64, what `instructions.Table` packs.
        images: uint8 or float32 (N, height, width, C); out: (N, out_height, out_width, C), or C first where PLANES.
        scratch: float32 (N, places, most), the pictures between passes; unused unless MANY.
        tables: float32 (N, C, 256); starts: int32 (N, slots), offsets into the pool.
        marks: uint8, of salt and pepper; pool: int16, of normal numbers.
        scale: float32, a gain, then means and inverse deviations of channels, of results that are SCALED.
        KINDS: which instructions there are, a bit each; CP: C to the next power of two; WHOLE: uint8 images.
    """
    sample = tl.program_id(0)
    at_ops, at_keys = tl.load(table + 1).to(tl.int32), tl.load(table + 2).to(tl.int32)
    first_pass, last_pass = tl.load(table + 4 + sample).to(tl.int32), tl.load(table + 5 + sample).to(tl.int32)
    at_passes = tl.load(table).to(tl.int32)
    k0 = tl.load(table + at_keys + 2 * sample).to(tl.uint64, bitcast=True)
    k1 = tl.load(table + at_keys + 2 * sample + 1).to(tl.uint64, bitcast=True)
    row = sample.to(tl.int64)
    images += row * (height * width * C)
    out += row * (out_height * out_width * C)
    scratch += row * (places * most)
    tables += row * (C * 256)
    starts += row * slots
    if has(KINDS, _GAUSS, _ISO):
        begin = tl.load(table + at_passes + first_pass).to(tl.int32)
        end = tl.load(table + at_passes + last_pass).to(tl.int32)
        _draw_offsets(table, at_ops, begin, end, starts, k0, k1, BLOCK)
        tl.debug_barrier()
    h, w, cur, kept = height, width, IMAGE, IMAGE
    c = tl.arange(0, CP)[None, :]
    for number in range(first_pass, last_pass):
        begin = tl.load(table + at_passes + number).to(tl.int32)
        end = tl.load(table + at_passes + number + 1).to(tl.int32)
        code = tl.load(table + at_ops + 2 * begin).to(tl.int32)
        at = tl.load(table + at_ops + 2 * begin + 1).to(tl.int32)
        last = number == last_pass - 1
        known = _known(
            code,
            table,
            at,
            images,
            scratch=scratch,
            cur=cur,
            place=most,
            area=h * w,
            tables=tables,
            c=c,
            BLOCK=BLOCK,
            KINDS=KINDS,
            C=C,
            WHOLE=WHOLE,
            MANY=MANY,
        )
        new_h, new_w = h, w
        if has(KINDS, _WARP):
            if code == _WARP:
                new_h, new_w = whole(table, at), whole(table, at + 1)
        goal = tl.where((cur != 0) & (kept != 0), 0, tl.where((cur != 1) & (kept != 1), 1, _KEPT))
        area = new_h * new_w
        for start in range(0, area, BLOCK):
            pixel = (start + tl.arange(0, BLOCK))[:, None]
            valid = (pixel < area) & (c < C)
            y, x = pixel // new_w, pixel % new_w
            value = _read(
                code,
                table,
                at,
                images,
                scratch=scratch,
                cur=cur,
                place=most,
                pixel=pixel,
                y=y,
                x=x,
                c=c,
                valid=valid,
                h=h,
                w=w,
                KINDS=KINDS,
                C=C,
                WHOLE=WHOLE,
                MANY=MANY,
            )
            for op in range(begin, end):
                code_ = tl.load(table + at_ops + 2 * op).to(tl.int32)
                at_ = tl.load(table + at_ops + 2 * op + 1).to(tl.int32)
                value = coloured(
                    value,
                    code_,
                    table,
                    at_,
                    statistic=known,
                    tables=tables,
                    c=c,
                    valid=valid,
                    KINDS=KINDS,
                    C=C,
                    WHOLE=WHOLE,
                )
                value = noisy(
                    value,
                    code_,
                    table,
                    at_,
                    rate=known,
                    marks=marks,
                    pool=pool,
                    starts=starts + _slot(code_, table, at_, KINDS),
                    pixel=pixel,
                    c=c,
                    valid=valid,
                    k0=k0,
                    k1=k1,
                    KINDS=KINDS,
                    C=C,
                    WHOLE=WHOLE,
                )
                if has(KINDS, _HOLES):
                    if code_ == _HOLES:
                        value = _holed(value, table, at_, y, x, c, C)
            if MANY:
                _keep(
                    code,
                    table,
                    at,
                    value,
                    scratch=scratch,
                    goal=goal,
                    place=most,
                    offset=pixel * C + c,
                    valid=valid,
                    last=last,
                    KINDS=KINDS,
                )
            if last:
                _write(
                    value,
                    out,
                    scale,
                    pixel,
                    c=c,
                    valid=valid,
                    area=area,
                    C=C,
                    WHOLE=WHOLE,
                    SCALED=SCALED,
                    PLANES=PLANES,
                )
        h, w = new_h, new_w
        if MANY:
            kept = tl.where(code == _SPLIT, cur, tl.where(code == _BLEND, IMAGE, kept))
            still = (code == _SPLIT) | (code == _ROWS)
            cur = tl.where(still, cur, tl.where(code == _JOIN, kept, goal))
            tl.debug_barrier()


@triton.jit
def _draw_offsets(table, at_ops, begin, end, starts, k0, k1, BLOCK: tl.constexpr):
    for op in range(begin, end):
        code = tl.load(table + at_ops + 2 * op).to(tl.int32)
        at = tl.load(table + at_ops + 2 * op + 1).to(tl.int32)
        if (code == _GAUSS) | (code == _ISO):
            lane = tl.where(code == _ISO, 1, 0)
            goal = starts + whole(table, at + 7)
            offsets(goal, whole(table, at + 5), whole(table, at + 6), whole(table, at + 4), lane, k0, k1, BLOCK)


@triton.jit
def _slot(code, table, at, KINDS: tl.constexpr):
    """Where a noise's offsets begin."""
    slot = 0
    if has(KINDS, _GAUSS, _ISO):
        if (code == _GAUSS) | (code == _ISO):
            slot = whole(table, at + 7)
    return slot


@triton.jit
def _known(
    code, table, at, images, scratch, cur, place, area, tables, c, BLOCK: tl.constexpr,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr,
):  # fmt: skip
    """What the first operation of a pass has to know of the picture, float64; tables of histograms go into memory."""
    known = tl.full([], 0.0, tl.float64)
    if has(KINDS, _LINEAR_OF_MEAN, _CONTRAST, _ISO):
        if (code == _LINEAR_OF_MEAN) | (code == _CONTRAST) | (code == _ISO):
            known = statistic(
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
    return known


@triton.jit
def _read(
    code, table, at, images, scratch, cur, place, pixel, y, x, c, valid, h, w,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr,
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
def _holed(x, table, at, down, across, c, C: tl.constexpr):
    fill = per_channel(table, at + 1, c, C)
    for k in range(0, whole(table, at)):
        hole = at + 1 + C + 4 * k
        inside = (across >= whole(table, hole)) & (down >= whole(table, hole + 1))
        inside = inside & (across < whole(table, hole + 2)) & (down < whole(table, hole + 3))
        x = tl.where(inside, fill, x)
    return x


@triton.jit
def _keep(code, table, at, x, scratch, goal, place, offset, valid, last, KINDS: tl.constexpr):
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
def _write(
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
    offset = c * area + pixel if PLANES else pixel * C + c
    if SCALED:
        mean = tl.load(scale + 1 + c, mask=c < C, other=0.0)
        inverse = tl.load(scale + 1 + C + c, mask=c < C, other=0.0)
        x = (x * tl.load(scale) - mean) * inverse
    elif out.dtype.element_ty == tl.uint8:
        x = x if WHOLE else nearest(x * 255.0, True)
    tl.store(out + offset, x.to(out.dtype.element_ty), mask=valid)
