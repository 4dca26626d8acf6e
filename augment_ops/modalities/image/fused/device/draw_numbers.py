"""Numbers of a sample's instructions, by kinds of steps; `fused/drawing.py` says what constants each has."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.engine.kernels import philox
from augment_ops.modalities.image import plan
from augment_ops.modalities.image.fused import codes, drawing
from augment_ops.modalities.image.fused.device.draw_streams import at_draw, cut_off, four, put, spread
from augment_ops.modalities.image.fused.device.levels import number, rounded, whole
from augment_ops.modalities.image.transforms import drawn, noise

_PARAMETERS = tl.constexpr(philox.PARAMETERS)
_LINEAR, _CONTRAST = tl.constexpr(codes.LINEAR), tl.constexpr(codes.CONTRAST)
_SATURATION = tl.constexpr(codes.SATURATION)
_WHOLE_SHARE, _CUT = tl.constexpr(drawn.WHOLE_SHARE), tl.constexpr(drawn.CUT)
_CUT_SINGLE, _POWER = tl.constexpr(drawn.CUT_SINGLE), tl.constexpr(drawn.POWER)
_NUMBER = tl.constexpr(drawing.NUMBER)
_MATRIX, _MATRIX_END = tl.constexpr(4), tl.constexpr(13)  # of a warp's numbers
_POOL_SCALE, _INT16 = tl.constexpr(noise.POOL_SCALE), tl.constexpr(float(noise.INT16))
_TINY = tl.constexpr(plan.TINY)
_EXPONENT, _BIAS = tl.constexpr(52), tl.constexpr(1023)  # of a float64: where it begins, what it has too much
LANES = tl.constexpr(32)


@triton.jit
def warp(goal, constants, wide, xx, xy, xt, yx, yy, yt):
    """Of a warp: its constants, among which the inverse of a matrix takes its place."""
    lane = tl.arange(0, LANES)
    for first in range(0, wide, LANES):
        i = first + lane
        fixed = (i < wide) & ((i < _MATRIX) | (i >= _MATRIX_END))
        tl.store(goal + i, tl.load(constants + i, mask=fixed, other=0), mask=fixed)
    # As `kernels/matrices.py` inverts what is affine.
    determinant = xx * yy - xy * yx
    put(goal, _MATRIX, yy / determinant)
    put(goal, _MATRIX + 1, -xy / determinant)
    put(goal, _MATRIX + 2, (xy * yt - xt * yy) / determinant)
    put(goal, _MATRIX + 3, -yx / determinant)
    put(goal, _MATRIX + 4, xx / determinant)
    put(goal, _MATRIX + 5, (xt * yx - xx * yt) / determinant)
    put(goal, _MATRIX + 6, determinant * 0.0)
    put(goal, _MATRIX + 7, determinant * 0.0)
    put(goal, _MATRIX + 8, determinant * 0.0 + 1.0)


@triton.jit
def numbers(goal, constants, wide, single, index, k0, k1):
    """What each `DrawnNumber` says, through float32 where `single`."""
    lane = tl.arange(0, LANES)
    for first in range(0, wide, LANES):
        i = first + lane
        valid = i < wide
        at = constants + i * _NUMBER
        steps = _constant(at + 6, valid).to(tl.int32)
        low, span = _constant(at + 1, valid), _constant(at + 2, valid)
        u = at_draw(_constant(at, valid).to(tl.int64), index, _PARAMETERS, k0, k1)
        share = span * u
        value = low + tl.where((steps & _WHOLE_SHARE) != 0, cut_off(share), share)
        value = value * _constant(at + 3, valid) + (1.0 - value) * _constant(at + 4, valid) + _constant(at + 5, valid)
        value = tl.where((steps & _CUT) != 0, cut_off(value), value)
        if single != 0:
            value = value.to(tl.float32).to(tl.float64)
        value = tl.where((steps & _CUT_SINGLE) != 0, cut_off(value), value)
        power = (tl.minimum(tl.maximum(value, 0.0), 62.0)).to(tl.int64)
        value = tl.where((steps & _POWER) != 0, (tl.full([LANES], 1, tl.int64) << power).to(tl.float64), value)
        tl.store(goal + i, value.to(tl.int64, bitcast=True), mask=valid)


@triton.jit
def factor(goal, constants, channels, hue, index, k0, k1):
    """The factor of ColorJitter at one place of its order: its instruction's code, and whether it changes anything.

    Constants: low and span of brightness, contrast, saturation and hue; then which is at this place, by orders.
    """
    u0, u1, u2, u3 = four(0, index, k0, k1)
    u4, _, _, _ = four(1, index, k0, k1)
    which = whole(constants, 8 + (u4 * 24.0).to(tl.int32))
    u = tl.where(which == 0, u0, tl.where(which == 1, u1, tl.where(which == 2, u2, u3)))
    value = spread(u, constants, 2 * which).to(tl.float32).to(tl.float64)
    changes = (value != tl.where(which == 3, 0.0, 1.0)) & ((which < 2) | (channels > 1))
    lane = tl.arange(0, LANES)
    held = tl.where(which == 0, channels, 1)
    wide = tl.where(which == 0, 2 * channels, tl.where(which == 3, 3, 1))
    numbers_ = tl.where(lane < held, tl.where(which == 3, 180.0 * value, value), 0.0)
    tl.store(goal + lane, numbers_.to(tl.int64, bitcast=True), mask=lane < wide)
    code = tl.where(which == 0, _LINEAR, tl.where(which == 1, _CONTRAST, tl.where(which == 2, _SATURATION, hue)))
    return code, changes.to(tl.int32)


@triton.jit
def gauss(goal, constants, index, k0, k1):
    """Of GaussNoise: gain, mean and factor in the fixed point of `transforms/noise.py`, then five constants.

    Constants: low and span of deviation and mean; the five.
    """
    u0, u1, _, _ = four(0, index, k0, k1)
    sigma, mean = spread(u0, constants, 0) * 255.0, spread(u1, constants, 2) * 255.0
    gain = sigma * 65536.0 / _POOL_SCALE
    fits = _INT16 / tl.maximum(tl.maximum(gain, 2.0 * tl.abs(mean)), 1.0)
    bits = (fits.to(tl.int64, bitcast=True) >> _EXPONENT) - _BIAS  # of log2, the whole part
    scale = (tl.full([], 1, tl.int64) << tl.minimum(tl.maximum(bits, 2), 14)).to(tl.float64)
    put(goal, 0, rounded(gain * scale))
    put(goal, 1, rounded(mean * scale))
    put(goal, 2, rounded(65536.0 / scale))
    for i in tl.static_range(5):
        tl.store(goal + 3 + i, tl.load(constants + 4 + i))


@triton.jit
def holes(goal, constants, channels, index, k0, k1):
    """Of CoarseDropout: how many, the fill, corners; whether there are any but empty ones in the corner.

    Constants: the most holes, the fill, height and width, the least holes, limits of heights and of widths as low and
    span, whether these are whole numbers.
    """
    lane = tl.arange(0, LANES)
    for first in range(0, 1 + channels, LANES):
        i = first + lane
        tl.store(goal + i, tl.load(constants + i, mask=i < 1 + channels, other=0), mask=i < 1 + channels)
    at, most = 1 + channels, whole(constants, 0)
    height, width, least = number(constants, at), number(constants, at + 1), number(constants, at + 2)
    pixels = number(constants, at + 7)
    u0, _, _, _ = four(0, index, k0, k1)
    count = least + cut_off(u0 * (number(constants, 0) - least + 1.0))
    found = tl.full([], 0, tl.int32)
    for first in range(0, most, LANES):
        hole = (first + lane).to(tl.int64)
        tall = _side(at_draw(1 + 4 * hole, index, _PARAMETERS, k0, k1), constants, at + 3, height, pixels)
        long = _side(at_draw(2 + 4 * hole, index, _PARAMETERS, k0, k1), constants, at + 5, width, pixels)
        top = cut_off((height - tall + 1.0) * at_draw(3 + 4 * hole, index, _PARAMETERS, k0, k1))
        left = cut_off((width - long + 1.0) * at_draw(4 + 4 * hole, index, _PARAMETERS, k0, k1))
        some = hole.to(tl.float64) < count
        corner, valid = goal + at + 4 * hole, hole < most
        x1, y1 = left + long, top + tall
        _corner(corner, left, some, valid)
        _corner(corner + 1, top, some, valid)
        _corner(corner + 2, x1, some, valid)
        _corner(corner + 3, y1, some, valid)
        any_ = valid & some & ((left != 0.0) | (top != 0.0) | (x1 != 0.0) | (y1 != 0.0))
        found = tl.maximum(found, tl.max(any_.to(tl.int32), axis=0))
    return found


@triton.jit
def _side(u, constants, at, length, pixels):
    low, span = number(constants, at), number(constants, at + 1)
    return tl.where(pixels != 0.0, low + cut_off(u * span), cut_off(length * (low + span * u)))


@triton.jit
def _corner(at, value, some, valid):
    tl.store(at, tl.where(some, value, 0.0).to(tl.int64, bitcast=True), mask=valid)


@triton.jit
def weight(goal, constants, index, k0, k1):
    """A weight of AugMix, as `plan.Mix` draws them. Constants: how many chains, and which weight: the image's first."""
    lane = tl.arange(0, LANES)
    chains, which = whole(constants, 0), whole(constants, 1)
    u = at_draw(lane.to(tl.int64), index, _PARAMETERS, k0, k1)
    shares = tl.where((lane > 0) & (lane <= chains), -tl.log(1.0 - u), 0.0)  # 1 - u is exact
    mixed = tl.sum(tl.where(lane == 0, u, 0.0), axis=0)
    by = mixed / tl.maximum(tl.sum(shares, axis=0), _TINY)
    chosen = tl.sum(tl.where(lane == which, shares, 0.0), axis=0) * by
    put(goal, 0, tl.where(which == 0, 1.0 - mixed, chosen).to(tl.float32))


@triton.jit
def _constant(at, valid):
    return tl.load(at, mask=valid, other=0).to(tl.float64, bitcast=True)
