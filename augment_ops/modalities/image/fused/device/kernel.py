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
from augment_ops.modalities.image.fused.device.levels import has, whole
from augment_ops.modalities.image.fused.device.noise import noisy, offsets
from augment_ops.modalities.image.fused.device.passes import holed, keep, known, read, write

_WARP, _ROWS = tl.constexpr(codes.WARP), tl.constexpr(codes.ROWS)
_GAUSS, _ISO, _HOLES = tl.constexpr(codes.GAUSS), tl.constexpr(codes.ISO), tl.constexpr(codes.HOLES)
_SPLIT, _JOIN, _BLEND = tl.constexpr(codes.SPLIT), tl.constexpr(codes.JOIN), tl.constexpr(codes.BLEND)
_KEPT, _HEAD = tl.constexpr(codes.KEPT), tl.constexpr(codes.HEAD)
IMAGE = tl.constexpr(-1)  # the place of what came in


# What differs from batch to batch; triton compiles anew where such a number comes to be 1 or a multiple of 16.
_VARIES = ["height", "width", "most", "places", "slots", "out_height", "out_width"]


@triton.jit(do_not_specialize=_VARIES, do_not_specialize_on_alignment=["images"])
def run_plan(
    table, images, out, scratch, tables, starts, marks, pool, scale,
    height, width, most, places, slots, out_height, out_width,
    KINDS: tl.constexpr, C: tl.constexpr, CP: tl.constexpr, WHOLE: tl.constexpr, MANY: tl.constexpr,
    SCALED: tl.constexpr, PLANES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """Run a plan on a batch; a program a sample.

    Args:
        table: int64, what `instructions.Table` packs, or `draw_plan` draws.
        images: uint8 or float32 (N, height, width, C); out: (N, out_height, out_width, C), or C first where PLANES.
        scratch: float32 (N, places, most), the pictures between passes; unused unless MANY.
        tables: float32 (N, C, 256); starts: int32 (N, slots), offsets into the pool.
        marks: uint8, of salt and pepper; pool: int16, of normal numbers.
        scale: float32, a gain, then means and inverse deviations of channels, of results that are SCALED.
        KINDS: which instructions there are, a bit each; CP: C to the next power of two; WHOLE: uint8 images.
    """
    sample = tl.program_id(0)
    at_ops, at_keys = tl.load(table + 1).to(tl.int32), tl.load(table + 2).to(tl.int32)
    first_pass, last_pass = _pass_of(table, sample, 0), _pass_of(table, sample, 1)
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
        found = known(
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
            value = read(
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
                    statistic=found,
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
                    rate=found,
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
                        value = holed(value, table, at_, y, x, c, C)
            if MANY:
                keep(
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
                write(
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
def _pass_of(table, sample, end):
    """A sample's first pass, or where its passes end."""
    return tl.load(table + _HEAD + 2 * sample + end).to(tl.int32)


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
