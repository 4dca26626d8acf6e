"""Loads and stores at any address of an array: several pixels or channels at a time, where NumPy wants alignment.

None of them checks bounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

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


_BYTES = ir.VectorType(ir.IntType(8), 16)
_ZERO = 16  # the first byte of the second operand of a shuffle
_APART = [0, 1, 2, _ZERO, 3, 4, 5, _ZERO, 6, 7, 8, _ZERO, 9, 10, 11, _ZERO]
_TOGETHER = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, _ZERO, _ZERO, _ZERO, _ZERO]


def _shuffled(order: list[int]) -> Any:
    """Move 16 bytes from one array to another in another order: one instruction of any vector unit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        addresses = [
            address(context, builder, signature.args[i], arguments[i], arguments[i + 1], _BYTES) for i in (0, 2)
        ]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), 16), order)
        zeros = ir.Constant(_BYTES, [0] * 16)
        builder.store(builder.shuffle_vector(builder.load(addresses[0], align=1), zeros, mask), addresses[1], align=1)
        return context.get_dummy_value()

    return generate


@intrinsic
def spread_four(_context: Any, pixels: Any, index: Any, row: Any, at: Any) -> Any:
    """Four pixels of three bytes to four uint32: from a flat uint8 array at `index` on to a flat uint32 array at `at`.

    Reads 16 bytes, the last four in vain.
    """
    return types.void(pixels, types.uint64, row, types.uint64), _shuffled(_APART)


@intrinsic
def close_four(_context: Any, row: Any, at: Any, pixels: Any, index: Any) -> Any:
    """Four uint32 to four pixels of three bytes: from a flat uint32 array at `at` on to a flat uint8 array at `index`.

    Writes 16 bytes, of which the last four are zeros.
    """
    return types.void(row, types.uint64, pixels, types.uint64), _shuffled(_TOGETHER)
