"""Loads and stores at any address of an array: several pixels or channels at a time, where NumPy wants alignment."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, bits: int) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(bits).as_pointer())


@intrinsic
def load32(_context: Any, array: Any, index: Any) -> Any:
    """Four bytes of a flat uint8 array from `index` (uint64) on, as uint32, lowest byte first; no bounds check."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments, 32), align=1)

    return types.uint32(array, types.uint64), generate


@intrinsic
def load_pair(_context: Any, array: Any, index: Any) -> Any:
    """Elements `index` and `index` + 1 of a flat uint32 array as uint64, the first below; no bounds check."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments, 64), align=4)

    return types.uint64(array, types.uint64), generate


@intrinsic
def store32(_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a uint32 over four bytes of a flat uint8 array from `index` (uint64) on; no bounds check."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(
            arguments[2], _address(context, builder, signature.args[0], arguments[0], arguments[1], 32), align=1
        )
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint32), generate
