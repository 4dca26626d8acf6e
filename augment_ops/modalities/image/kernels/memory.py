"""Loads and stores at any address of an array: several pixels or channels at a time, where NumPy wants alignment.

None of them checks bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from augment_ops.engine.kernels.compiled import FEATURES

_WORD, _PAIR = ir.IntType(32), ir.IntType(64)


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    """Where element `index` of a flat array is, as a pointer to what LLVM calls `kind`: a wider integer, a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


@intrinsic
def load32(_context: Any, array: Any, index: Any) -> Any:
    """Four bytes of a flat uint8 array from `index` (uint64) on, as uint32, lowest byte first."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, signature.args[0], *arguments, _WORD), align=1)

    return types.uint32(array, types.uint64), generate


@intrinsic
def load_pair(_context: Any, array: Any, index: Any) -> Any:
    """Elements `index` and `index` + 1 of a flat uint32 array as uint64, the first below."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, signature.args[0], *arguments, _PAIR), align=4)

    return types.uint64(array, types.uint64), generate


@intrinsic
def store32(_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a uint32 over four bytes of a flat uint8 array from `index` (uint64) on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(
            arguments[2], address(context, builder, signature.args[0], arguments[0], arguments[1], _WORD), align=1
        )
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint32), generate


# Pixels that one instruction moves: a vector of all its bytes, where the processor permutes so many (AVX-512 VBMI).
AT_ONCE = 16 if "avx512vbmi" in FEATURES else 4


def _shuffled(order: Sequence[int]) -> Any:
    """Move bytes from one array to another in another order; a number beyond them stands for a zero."""
    kind = ir.VectorType(ir.IntType(8), len(order))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        addresses = [address(context, builder, signature.args[i], arguments[i], arguments[i + 1], kind) for i in (0, 2)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        zeros = ir.Constant(kind, [0] * len(order))
        builder.store(builder.shuffle_vector(builder.load(addresses[0], align=1), zeros, mask), addresses[1], align=1)
        return context.get_dummy_value()

    return generate


def _spreading(many: int) -> Any:
    zero = 4 * many
    order = [byte for pixel in range(many) for byte in (3 * pixel, 3 * pixel + 1, 3 * pixel + 2, zero)]

    def spread(_context: Any, pixels: Any, index: Any, row: Any, at: Any) -> Any:
        return types.void(pixels, types.uint64, row, types.uint64), _shuffled(order)

    return intrinsic(spread)


def _closing(many: int) -> Any:
    zero = 4 * many
    order = [4 * pixel + channel for pixel in range(many) for channel in range(3)] + [zero] * many

    def close(_context: Any, row: Any, at: Any, pixels: Any, index: Any) -> Any:
        return types.void(row, types.uint64, pixels, types.uint64), _shuffled(order)

    return intrinsic(close)


def _turning(many: int) -> Any:
    zero = 4 * many
    order = [3 * pixel + channel for pixel in reversed(range(many)) for channel in range(3)] + [zero] * many

    def turn(_context: Any, source: Any, index: Any, target: Any, at: Any) -> Any:
        return types.void(source, types.uint64, target, types.uint64), _shuffled(order)

    return intrinsic(turn)


# So many pixels of three bytes to as many uint32: from a flat uint8 array at `index` on to a flat uint32 array at `at`.
# Reads a byte a pixel more than there are, in vain.
spread_four, spread_many = _spreading(4), _spreading(AT_ONCE)

# Back: from a flat uint32 array at `at` on to a flat uint8 array at `index`. Writes a byte a pixel more, zeros.
close_four, close_many = _closing(4), _closing(AT_ONCE)

# So many pixels of three bytes in the opposite order, from one flat uint8 array to another. Reads a byte a pixel more,
# and writes a byte a pixel more, zeros.
turn_four, turn_many = _turning(4), _turning(AT_ONCE)
