"""Uniform numbers of a sample's streams, where parameters are drawn: those of `augment_ops.engine.philox`."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.engine.kernels import philox
from augment_ops.modalities.image.fused.device.levels import number
from augment_ops.modalities.image.fused.device.philox import block, chosen, uniform

_PARAMETERS = tl.constexpr(philox.PARAMETERS)


@triton.jit
def at_draw(draw, index, purpose, k0, k1):
    """Draws of streams, float64; draw: int64, a tensor or not; index: of the stream, one or a draw its own."""
    words = block(draw // 4 + 1, 0, index.to(tl.uint64), purpose, k0, k1)
    return uniform(chosen(words, draw % 4))


@triton.jit
def four(which, index, k0, k1):
    """The four parameters' draws of block `which`, from 0."""
    w0, w1, w2, w3 = block(tl.full([], 1, tl.int64) + which, 0, index.to(tl.uint64), _PARAMETERS, k0, k1)
    return uniform(w0), uniform(w1), uniform(w2), uniform(w3)


@triton.jit
def between(u, constants, at):
    """A number in the limits that lie at `at`, the lower and the upper one."""
    low = number(constants, at)
    return low + (number(constants, at + 1) - low) * u


@triton.jit
def spread(u, constants, at):
    """A number from the lower limit, which lies at `at`, over the span behind it."""
    return number(constants, at) + number(constants, at + 1) * u


@triton.jit
def cut_off(x):
    """Without the fraction, towards zero."""
    return tl.where(x < 0.0, tl.ceil(x), tl.floor(x))


@triton.jit
def put(goal, at, value):
    """Write a number of the table."""
    tl.store(goal + at, value.to(tl.float64).to(tl.int64, bitcast=True))
