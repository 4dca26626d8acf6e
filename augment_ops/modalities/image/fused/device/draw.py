"""Drawing a plan's parameters: each program takes one sample and writes the instructions that `run_plan` runs of it.

One program a sample and not a lane: what a sample does not get costs nothing then, where lanes of a warp would wait for
whichever of them does something else, and a OneOf of fourteen would be drawn fourteen times.
"""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.engine.kernels import applies, philox
from augment_ops.modalities.image.fused import codes, drawing
from augment_ops.modalities.image.fused.device.draw_geometry import matrix
from augment_ops.modalities.image.fused.device.draw_numbers import factor, gauss, holes, numbers, warp, weight
from augment_ops.modalities.image.fused.device.draw_streams import at_draw

_DECISIONS = tl.constexpr(philox.DECISIONS)
_SOME, _SOME_AGAIN = tl.constexpr(applies.SOME), tl.constexpr(applies.SOME_AGAIN)
_HEAD, _COPY = tl.constexpr(codes.HEAD), tl.constexpr(codes.COPY)
_BREAKS, _ENDS = tl.constexpr(codes.kinds(set(codes.BREAKS))), tl.constexpr(codes.kinds(set(codes.ENDS)))
_STEP, _REQUIREMENT = tl.constexpr(drawing.STEP), tl.constexpr(drawing.REQUIREMENT)
_CHOICE, _WARP = tl.constexpr(codes.DRAW_CHOICE), tl.constexpr(codes.DRAW_WARP)
_NUMBERS, _FACTOR = tl.constexpr(codes.DRAW_NUMBERS), tl.constexpr(codes.DRAW_FACTOR)
_GAUSS, _HOLES, _WEIGHT = (
    tl.constexpr(codes.DRAW_GAUSS),
    tl.constexpr(codes.DRAW_HOLES),
    tl.constexpr(codes.DRAW_WEIGHT),
)
LANES = tl.constexpr(32)  # steps of which it is asked at once whether they are taken: a warp

# What differs from plan to plan: one kernel serves them all.
_VARIES = ["samples", "steps", "depth", "most", "passes", "instructions", "room"]


@triton.jit(do_not_specialize=_VARIES)
def draw_plan(recipe, keys, table, samples, steps, depth, most, passes, instructions, room):
    """Draw the table of a batch; a program a sample.

    Args:
        recipe: int64, the words of a `Drawing`; steps, depth, most, passes, instructions, room: as it has them.
        keys: int64 (samples, 2), the bits of the samples' keys.
        table: int64, written: what `Instructions` packs, with the same room for every sample.
    """
    sample = tl.program_id(0)
    key0, key1 = tl.load(keys + 2 * sample), tl.load(keys + 2 * sample + 1)
    k0, k1 = key0.to(tl.uint64, bitcast=True), key1.to(tl.uint64, bitcast=True)
    at_passes = _HEAD + 2 * samples
    at_ops = at_passes + samples * (passes + 1)
    at_keys = at_ops + 2 * samples * instructions
    mine = at_keys + 2 * samples + sample * room
    if sample == 0:
        tl.store(table, at_passes.to(tl.int64))
        tl.store(table + 1, at_ops.to(tl.int64))
        tl.store(table + 2, at_keys.to(tl.int64))
        tl.store(table + 3, samples.to(tl.int64))
    tl.store(table + at_keys + 2 * sample, key0)
    tl.store(table + at_keys + 2 * sample + 1, key1)
    first_pass, first_op = sample * (passes + 1), sample * instructions
    pass_, op, ended = first_pass, first_op, 1
    one, nothing = tl.full([], 1.0, tl.float64), tl.full([], 0.0, tl.float64)
    xx, xy, xt, yx, yy, yt, moved = one, nothing, nothing, nothing, one, nothing, 0
    for begin in range(0, steps, LANES):
        taken = _taken(recipe, steps, begin, depth, most, k0, k1)
        for step in range(begin, tl.minimum(begin + LANES, steps)):
            if (taken >> (step - begin)) & 1 != 0:
                record = recipe + step * _STEP
                kind, index = tl.load(record), tl.load(record + 1)
                code, place = tl.load(record + 2).to(tl.int32), mine + tl.load(record + 3).to(tl.int32)
                constants, wide = recipe + tl.load(record + 4), tl.load(record + 5).to(tl.int32)
                flag, goal = tl.load(record + 6).to(tl.int32), table + place
                written = 1
                if kind <= _CHOICE:
                    a, b, c, d, e, f = matrix(kind, constants, index, k0, k1)
                    # The matrix of a transform times that of all before it, whose last row is 0 0 1.
                    xx, yx, xy, yy, xt, yt = (
                        a * xx + b * yx, d * xx + e * yx, a * xy + b * yy, d * xy + e * yy,
                        a * xt + b * yt + c, d * xt + e * yt + f,
                    )  # fmt: skip
                    moved, written = 1, 0
                elif kind == _WARP:
                    if moved != 0:
                        warp(goal, constants, wide, xx, xy, xt, yx, yy, yt)
                    written, moved = moved, 0
                    xx, xy, xt, yx, yy, yt = one, nothing, nothing, nothing, one, nothing
                elif kind == _NUMBERS:
                    numbers(goal, constants, wide, flag, index, k0, k1)
                elif kind == _FACTOR:
                    code, written = factor(goal, constants, flag, code, index, k0, k1)
                elif kind == _GAUSS:
                    gauss(goal, constants, index, k0, k1)
                elif kind == _HOLES:
                    written = holes(goal, constants, flag, index, k0, k1)
                elif kind == _WEIGHT:
                    weight(goal, constants, index, k0, k1)
                if written != 0:
                    pass_, op, ended = _written(table, at_passes, at_ops, pass_, op, ended, code, place)
    if op == first_op:
        pass_, op, ended = _written(table, at_passes, at_ops, pass_, op, ended, _COPY, mine)
    tl.store(table + at_passes + pass_, op.to(tl.int64))
    tl.store(table + _HEAD + 2 * sample, first_pass.to(tl.int64))
    tl.store(table + _HEAD + 2 * sample + 1, pass_.to(tl.int64))


@triton.jit
def _written(table, at_passes, at_ops, pass_, op, ended, code, place):
    """Write an instruction, and a pass where it begins one; what follows then, and whether the next begins one."""
    begins = ((_BREAKS >> code) & 1) | ended
    if begins != 0:
        tl.store(table + at_passes + pass_, op.to(tl.int64))
    tl.store(table + at_ops + 2 * op, tl.full([], 0, tl.int64) + code)
    tl.store(table + at_ops + 2 * op + 1, place.to(tl.int64))
    return pass_ + begins, op + 1, (_ENDS >> code) & 1


@triton.jit
def _taken(recipe, steps, begin, depth, most, k0, k1):
    """Which of LANES steps a sample takes, a bit each: those of which all requirements hold."""
    lane = tl.arange(0, LANES)
    step = begin + lane
    holds = step < steps
    for d in range(0, depth):
        need = recipe + steps * _STEP + d * _REQUIREMENT * steps + step
        index, kind = _field(need, 0, steps, step), _field(need, 1, steps, step)
        place = _field(need, 2, steps, step)
        low, high = _field(need, 3, steps, step), _field(need, 4, steps, step)
        some = (kind == _SOME) | (kind == _SOME_AGAIN)
        u = at_draw(tl.where(some, place + 1, place), index, _DECISIONS, k0, k1)
        within = (low.to(tl.float64, bitcast=True) <= u) & (u < high.to(tl.float64, bitcast=True))
        if most > 0:
            chosen = _chosen(kind, index, place, low, high, u, most, k0, k1)
            holds = holds & tl.where(some, chosen, within)
        else:
            holds = holds & within
    return tl.sum(tl.where(holds, tl.full([LANES], 1, tl.int64) << lane.to(tl.int64), 0), axis=0)


@triton.jit
def _chosen(kind, index, place, parts, takes, u, most, k0, k1):
    """Whether a SomeOf takes the child at `place`, whose draw is `u`: by rank, or by how often it is drawn."""
    before = place * 0
    again = place * 0
    for other in range(0, most):
        v = at_draw(place * 0 + (other + 1), index, _DECISIONS, k0, k1)
        ahead = (v < u) | ((v == u) & (other < place))
        before += tl.where((other < parts) & ahead, 1, 0)
        drawn = (v * parts.to(tl.float64)).to(tl.int64) == place // takes
        again += tl.where((other < takes) & drawn, 1, 0)
    return tl.where(kind == _SOME, before < takes, place % takes < again)


@triton.jit
def _field(need, which, steps, step):
    return tl.load(need + which * steps, mask=step < steps, other=1)
