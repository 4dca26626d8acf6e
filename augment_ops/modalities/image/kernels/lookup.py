"""Tables of 256 levels, looked up: 64 values an instruction where the processor permutes bytes (AVX-512 VBMI).

Elsewhere value by value, three channels four pixels at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from augment_ops.engine.kernels.compiled import FEATURES, inner
from augment_ops.engine.kernels.types import U8
from augment_ops.modalities.image.kernels.memory import address, load32, store32

VECTORS = "avx512vbmi" in FEATURES

_BYTES = ir.VectorType(ir.IntType(8), 64)
_FLAGS = ir.VectorType(ir.IntType(1), 64)
_PERMUTE = "llvm.x86.avx512.vpermi2var.qi.512"  # by the lower seven bits of an index, of 128 bytes in two vectors


def _vectors(channels: int) -> Any:
    """64 pixels of so many channels, each vector of them by the tables of all, of which a lane keeps its own."""

    def look(_context: Any, tables: Any, pixels: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kinds = signature.args
            permute = builder.module.declare_intrinsic(_PERMUTE, (), ir.FunctionType(_BYTES, [_BYTES] * 3))

            def quarter(i: int) -> Any:
                at = ir.Constant(ir.IntType(64), 64 * i)
                return builder.load(address(context, builder, kinds[0], arguments[0], at, _BYTES), align=1)

            quarters = [quarter(i) for i in range(4 * channels)]

            def looked(levels: Any, table: int) -> Any:
                a, b, c, d = quarters[4 * table : 4 * table + 4]
                lower, upper = (builder.call(permute, [low, levels, high]) for low, high in ((a, b), (c, d)))
                dark = builder.icmp_signed(">=", levels, ir.Constant(_BYTES, [0] * 64))  # below 128
                return builder.select(dark, lower, upper)

            for vector in range(channels):
                at = builder.add(arguments[2], ir.Constant(ir.IntType(64), 64 * vector))
                place = address(context, builder, kinds[1], arguments[1], at, _BYTES)
                levels = builder.load(place, align=1)
                found = looked(levels, 0)
                for table in range(1, channels):
                    own = ir.Constant(_FLAGS, [(64 * vector + lane) % channels == table for lane in range(64)])
                    found = builder.select(own, looked(levels, table), found)
                builder.store(found, place, align=1)
            return context.get_dummy_value()

        return types.void(tables, pixels, types.uint64), generate

    return intrinsic(look)


# Look up 64 pixels of a flat uint8 array from `index` (uint64) on, in place, by flat tables of 256 a channel.
_look_one, _look_three = _vectors(1), _vectors(3)


@inner
def _one_by_vectors(flat: U8, table: U8) -> int:
    whole = len(flat) // 64 * 64
    for i in range(0, whole, 64):
        _look_one(table, flat, np.uint64(i))
    return whole


@inner
def _three_by_vectors(flat: U8, tables: U8) -> int:
    whole = len(flat) // 192 * 192
    for i in range(0, whole, 192):
        _look_three(tables.reshape(-1), flat, np.uint64(i))
    return whole


@inner
def _none_by_vectors(flat: U8, table: U8) -> int:
    return 0


_one = _one_by_vectors if VECTORS else _none_by_vectors
_three = _three_by_vectors if VECTORS else _none_by_vectors


@inner
def look_up(flat: U8, table: U8) -> None:
    """Look every value up in one table (256,), in place."""
    for i in range(_one(flat, table), len(flat)):
        flat[i] = table[flat[i]]


@inner
def look_up_three(flat: U8, tables: U8) -> None:
    """Look every value of pixels of three channels up in the table of its channel, (3, 256), in place."""
    start = _three(flat, tables)
    look_up_by_words(flat[start:], tables[0], tables[1], tables[2])


@inner
def look_up_by_words(flat: U8, red: U8, green: U8, blue: U8) -> None:
    """Four pixels at a time: twelve bytes are three loads and three stores. Written out, because as a function of four
    levels, what makes a word of them takes twice as long.
    """
    byte, eight, sixteen, most = np.uint32(255), np.uint32(8), np.uint32(16), np.uint32(24)
    fours = len(flat) // 12 * 12
    for i in range(0, fours, 12):
        first, second, third = np.uint64(i), np.uint64(i + 4), np.uint64(i + 8)
        a, b, c = load32(flat, first), load32(flat, second), load32(flat, third)
        a = (
            red[a & byte]
            | green[(a >> eight) & byte] << eight
            | blue[(a >> sixteen) & byte] << sixteen
            | red[a >> most] << most
        )
        b = (
            green[b & byte]
            | blue[(b >> eight) & byte] << eight
            | red[(b >> sixteen) & byte] << sixteen
            | green[b >> most] << most
        )
        c = (
            blue[c & byte]
            | red[(c >> eight) & byte] << eight
            | green[(c >> sixteen) & byte] << sixteen
            | blue[c >> most] << most
        )
        store32(flat, first, a)
        store32(flat, second, b)
        store32(flat, third, c)
    for i in range(fours, len(flat) - 2, 3):
        flat[i] = red[flat[i]]
        flat[i + 1] = green[flat[i + 1]]
        flat[i + 2] = blue[flat[i + 2]]
