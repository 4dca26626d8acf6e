"""Philox4x64-10 in Triton: the words of `augment_ops.engine.philox`, bit for bit."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.engine.kernels import philox

_M0, _M1 = tl.constexpr(philox.M0), tl.constexpr(philox.M1)
_W0, _W1 = tl.constexpr(philox.W0), tl.constexpr(philox.W1)
_ROUNDS = tl.constexpr(philox.ROUNDS)
_DOUBLE = tl.constexpr(philox.DOUBLE)
VALUES = tl.constexpr(philox.VALUES)


@triton.jit
def block(c0, c1, c2, c3, k0, k1):
    """Four words, uint64, of counters (c0 … c3) and a key.

    Args:
        c0: a tensor of integers, none negative; c1, c2, c3: the same for all of them, or of its shape.
        k0, k1: uint64.
    """
    x0 = c0.to(tl.uint64)
    nothing = x0 ^ x0
    x1, x2, x3 = nothing + c1, nothing + c2, nothing + c3
    m0, m1 = nothing + _M0, nothing + _M1
    a, b = nothing + k0, nothing + k1
    for _ in tl.static_range(_ROUNDS):
        high0, low0 = tl.umulhi(m0, x0), m0 * x0
        high1, low1 = tl.umulhi(m1, x2), m1 * x2
        x0 = high1 ^ x1 ^ a
        x1 = low1
        x2 = high0 ^ x3 ^ b
        x3 = low0
        a += _W0
        b += _W1
    return x0, x1, x2, x3


@triton.jit
def chosen(words, which):
    """Of four tensors of words the one that `which`, 0 to 3, names in each place."""
    w0, w1, w2, w3 = words
    return tl.where(which == 0, w0, tl.where(which == 1, w1, tl.where(which == 2, w2, w3)))


@triton.jit
def uniform(word):
    """Words as float64 in [0, 1)."""
    return (word >> 11).to(tl.int64).to(tl.float64) * _DOUBLE
