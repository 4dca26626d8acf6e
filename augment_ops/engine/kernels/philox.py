"""Philox4x64-10 in compiled loops; `augment_ops.engine.philox` documents it."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F64, U64

PARAMETERS, DECISIONS, VALUES = 0, 1, 2  # word 3 of the counter: what the numbers are for

M0, M1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157  # multipliers
W0, W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B  # key increments: the golden ratio and √3 − 1
ROUNDS = 10
DOUBLE = 2.0**-53


@intrinsic
def _multiply_high(_context: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of a 128-bit product; one instruction on most processors."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@inner
def block(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Four words from counter (c0 … c3) and key (k0, k1), all uint64; for use inside compiled loops."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        high0, low0 = _multiply_high(np.uint64(M0), x0), np.uint64(M0) * x0
        high1, low1 = _multiply_high(np.uint64(M1), x2), np.uint64(M1) * x2
        x0, x1, x2, x3 = high1 ^ x1 ^ a, low1, high0 ^ x3 ^ b, low0
        a += np.uint64(W0)
        b += np.uint64(W1)
    return x0, x1, x2, x3


@entry
def fill_words(keys: U64, transform: int, purpose: int, out: U64) -> None:
    """Words of one stream of every key (N, 2) into out (N, draws)."""
    n, draws = out.shape
    for i in range(n):
        for start in range(0, draws, 4):
            words = block(start // 4 + 1, 0, transform, purpose, keys[i, 0], keys[i, 1])
            for j in range(min(4, draws - start)):
                out[i, start + j] = words[j]


@entry
def fill_uniforms(keys: U64, transform: int, purpose: int, out: F64) -> None:
    """As `fill_words`, doubles in [0, 1)."""
    for i in range(len(out)):
        stream_uniforms(keys[i, 0], keys[i, 1], transform, purpose, out[i])


@inner
def stream_uniforms(key0: int, key1: int, transform: int, purpose: int, out: F64) -> None:
    """The first doubles in [0, 1) of one stream of one key, into out (draws,)."""
    for start in range(0, len(out), 4):
        words = block(start // 4 + 1, 0, transform, purpose, key0, key1)
        for j in range(min(4, len(out) - start)):
            out[start + j] = np.float64(words[j] >> np.uint64(11)) * DOUBLE


@entry
def fill_derived(key0: int, key1: int, ids: U64, out: U64) -> None:
    """The first two words of the block that every id (N, 2) counts, into out (N, 2)."""
    for i in range(len(ids)):
        words = block(ids[i, 0], ids[i, 1], 0, 0, key0, key1)
        out[i, 0], out[i, 1] = words[0], words[1]
