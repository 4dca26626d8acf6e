"""Bilinear interpolation of several pixels at a time, in lanes of 16 bits: a compiler would take 32, and twice as long.

A pixel is a uint32 of up to four channels, the first lowest. Weights are in 1/256; rows are blended first, and each of
the two steps rounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from augment_ops.engine.kernels.compiled import FEATURES
from augment_ops.modalities.image.kernels.memory import address

PIXELS = 16 if "avx512bw" in FEATURES else 8  # at a time: as many as a vector of the processor has words

_WORDS = ir.VectorType(ir.IntType(32), PIXELS)
_PAIRS = ir.VectorType(ir.IntType(32), 2 * PIXELS)
_LANES = ir.VectorType(ir.IntType(16), 2 * PIXELS)
_Weights = tuple[Any, Any]


def _all(vector: Any, value: int) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _mix(builder: Any, a: Any, b: Any, weights: _Weights) -> Any:
    """Lanes of a and b, at most 255, in the ratio of the weights, rounded."""
    total = builder.add(builder.mul(a, weights[0]), builder.mul(b, weights[1]))
    return builder.lshr(builder.add(total, _all(_LANES, 128)), _all(_LANES, 8))


def _every_other(builder: Any, pixels: Any, first: int) -> Any:
    """Channels first and first + 2 of each pixel, a lane each."""
    shifted = builder.lshr(pixels, _all(_WORDS, 8 * first))
    return builder.bitcast(builder.and_(shifted, _all(_WORDS, 0x00FF00FF)), _LANES)


def _one_of_two_rows(builder: Any, upper: Any, lower: Any, channel: int) -> Any:
    """A channel of each pixel of two rows, a lane each."""
    above = builder.and_(builder.lshr(upper, _all(_WORDS, 8 * channel)), _all(_WORDS, 0xFF))
    below = builder.and_(builder.shl(lower, _all(_WORDS, 16 - 8 * channel)), _all(_WORDS, 0xFF0000))
    return builder.bitcast(builder.or_(above, below), _LANES)


def _blended(builder: Any, corners: list[Any], weight_x: Any, weight_y: Any, channels: int) -> Any:
    upper_left, upper_right, lower_left, lower_right = corners

    def twice(weight: Any) -> _Weights:
        both = builder.bitcast(builder.or_(weight, builder.shl(weight, _all(_WORDS, 16))), _LANES)
        return builder.sub(_all(_LANES, 256), both), both

    across, down = twice(weight_x), twice(weight_y)

    def two(first: int) -> Any:
        """Channels first and first + 2, where they are in a pixel that is shifted by `first`."""
        ul, ur, ll, lr = (_every_other(builder, corner, first) for corner in corners)
        rows = _mix(builder, ul, ur, across), _mix(builder, ll, lr, across)
        return builder.bitcast(_mix(builder, *rows, down), _WORDS)

    def one(channel: int) -> Any:
        """One channel, times 256: both rows are blended at once."""
        left = _one_of_two_rows(builder, upper_left, lower_left, channel)
        rows = _mix(builder, left, _one_of_two_rows(builder, upper_right, lower_right, channel), across)
        missing = builder.sub(_all(_WORDS, 256), weight_y)
        weights = builder.bitcast(builder.or_(missing, builder.shl(weight_y, _all(_WORDS, 16))), _LANES)
        products = builder.bitcast(builder.mul(rows, weights), _WORDS)
        total = builder.add(builder.and_(products, _all(_WORDS, 0xFFFF)), builder.lshr(products, _all(_WORDS, 16)))
        return builder.and_(builder.add(total, _all(_WORDS, 128)), _all(_WORDS, 0xFF00))

    if channels == 1:
        return builder.lshr(one(0), _all(_WORDS, 8))
    middle = one(1) if channels == 3 else builder.shl(two(1), _all(_WORDS, 8))
    return builder.or_(two(0), middle)


def _blending(channels: int) -> Any:
    def blend(_context: Any, upper: Any, lower: Any, weights_x: Any, weights_y: Any, row: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def here(i: int, vector: Any) -> Any:
                return address(context, builder, signature.args[i], arguments[i], arguments[5], vector)

            corners = []
            for i in (0, 1):
                pairs = builder.load(here(i, _PAIRS), align=4)
                for side in (0, 1):
                    order = ir.Constant(_WORDS, [2 * pixel + side for pixel in range(PIXELS)])
                    corners.append(builder.shuffle_vector(pairs, _all(_PAIRS, 0), order))
            weights = (builder.load(here(i, _WORDS), align=4) for i in (2, 3))
            builder.store(_blended(builder, corners, *weights, channels), here(4, _WORDS), align=4)
            return context.get_dummy_value()

        return types.void(upper, lower, weights_x, weights_y, row, at), generate

    return intrinsic(blend)


# PIXELS pixels from `at` (uint64) on, of flat arrays: upper and lower, uint64, the left pixel in the lower half and
# the right one in the upper; weights of right and of lower pixels, uint32; the row that takes the result, uint32.
blend_one = _blending(1)
blend_three = _blending(3)
blend_four = _blending(4)
