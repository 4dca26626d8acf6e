"""Matrices of a sample's geometry: `kernels/matrices.py` in Triton, operation by operation.

Sines and cosines are those of the GPU's library, whose last bit can differ from a processor's.
"""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.draw_streams import between, cut_off, four
from augment_ops.modalities.image.fused.device.levels import number

_AFFINE, _ROTATION, _SHIFT = (
    tl.constexpr(codes.DRAW_AFFINE),
    tl.constexpr(codes.DRAW_ROTATION),
    tl.constexpr(codes.DRAW_SHIFT),
)
_RADIANS = tl.constexpr(3.141592653589793 / 180)


@triton.jit
def matrix(kind, constants, index, k0, k1):
    """The first two rows of a transform's matrix from source to result, float64: xx, xy, x, yx, yy, y.

    Args:
        kind: DRAW_AFFINE, DRAW_ROTATION, DRAW_SHIFT or DRAW_CHOICE; constants: where its numbers lie.
        index: of its stream; k0, k1: the sample's key.
    """
    u0, u1, u2, u3 = four(0, index, k0, k1)
    if kind == _AFFINE:
        xx, xy, xt, yx, yy, yt = _affine(constants, u0, u1, u2, u3, index, k0, k1)
    elif kind == _ROTATION:
        nothing = u0 * 0.0
        one, angle = nothing + 1.0, between(u0, constants, 0)
        height, width = number(constants, 2), number(constants, 3)
        xx, xy, xt, yx, yy, yt = _about_centre(height, width, nothing, nothing, nothing, nothing, one, one, angle)
    elif kind == _SHIFT:
        xx, xy, yx, yy = u0 * 0.0 + 1.0, u0 * 0.0, u0 * 0.0, u0 * 0.0 + 1.0
        xt = number(constants, 0) * tl.floor(number(constants, 1) * u1)
        yt = number(constants, 0) * tl.floor(number(constants, 2) * u0)
    else:
        at = 1 + 6 * (u0 * number(constants, 0)).to(tl.int32)
        xx, xy, xt = number(constants, at), number(constants, at + 1), number(constants, at + 2)
        yx, yy, yt = number(constants, at + 3), number(constants, at + 4), number(constants, at + 5)
    return xx, xy, xt, yx, yy, yt


@triton.jit
def _affine(constants, u0, u1, u2, u3, index, k0, k1):
    """Limits (9, 2), then whether translations are shares, whether scales are one, whether balanced; height, width."""
    u4, u5, u6, u7 = four(1, index, k0, k1)
    u8, _, _, _ = four(2, index, k0, k1)
    percent, keep_ratio, balanced = number(constants, 18), number(constants, 19), number(constants, 20)
    height, width = number(constants, 21), number(constants, 22)
    if percent != 0:
        move_x = cut_off(between(u0, constants, 0) * width)
        move_y = cut_off(between(u1, constants, 2) * height)
    else:
        move_x, move_y = _integer(u0, constants, 0), _integer(u1, constants, 2)
    scale_x = _scale(u4, u6, constants, 8, balanced)
    scale_y = tl.where(keep_ratio != 0, scale_x, _scale(u5, u7, constants, 10, balanced))
    shear_x, shear_y = -between(u2, constants, 4), -between(u3, constants, 6)
    angle = between(u8, constants, 16)
    return _about_centre(height, width, move_x, move_y, shear_x, shear_y, scale_x, scale_y, angle)


@triton.jit
def _integer(u, constants, at):
    low = number(constants, at)
    return low + cut_off(u * (number(constants, at + 1) - low + 1.0))


@triton.jit
def _scale(u, side, constants, at, balanced):
    low, high = number(constants, at), number(constants, at + 1)
    if balanced != 0:
        smaller = (low < 1.0) & ((high <= 1.0) | (side < 0.5))
        low, high = tl.where(smaller, low, 1.0), tl.where(smaller, 1.0, tl.maximum(high, 1.0))
    return low + (high - low) * u


@triton.jit
def _about_centre(height, width, move_x, move_y, shear_x, shear_y, scale_x, scale_y, angle):
    """Centre · translation · shear · rotation · scale · centre⁻¹, angles in degrees."""
    centre_x, centre_y = width / 2.0 - 0.5, height / 2.0 - 0.5
    turn = angle * _RADIANS
    cos, sin = tl.cos(turn), tl.sin(turn)
    tan_x, tan_y = _tangent(shear_x * _RADIANS), _tangent(shear_y * _RADIANS)
    xx, xy = (cos - tan_x * sin) * scale_x, (sin + tan_x * cos) * scale_y
    yx, yy = (tan_y * cos - sin) * scale_x, (tan_y * sin + cos) * scale_y
    xt = centre_x + move_x - xx * centre_x - xy * centre_y
    yt = centre_y + move_y - yx * centre_x - yy * centre_y
    return xx, xy, xt, yx, yy, yt


@triton.jit
def _tangent(angle):
    return tl.sin(angle) / tl.cos(angle)
