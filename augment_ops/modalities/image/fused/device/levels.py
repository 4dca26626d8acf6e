"""What the numbers of an image stand for inside the kernel: `tensors/levels.py` in Triton.

float32; whole numbers from 0 to 255 for uint8 images (WHOLE), 0 to 1 for float images, which are never rounded.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Added and taken off again, these leave a float32 or a float64 without its fraction, halves to even.
_ROUND_32, _ROUND_64 = tl.constexpr(1.5 * 2**23), tl.constexpr(1.5 * 2**52)
_RED, _GREEN, _BLUE = tl.constexpr(9798.0), tl.constexpr(19235.0), tl.constexpr(3735.0)  # of 2^15 (ITU-R BT.601)
_ALL, _HALF = tl.constexpr(32768.0), tl.constexpr(16384.0)


@triton.constexpr_function
def has(kinds, *wanted):
    """Whether a plan has any of some instructions: what it has none of is not compiled."""
    return any(kinds >> code & 1 for code in wanted)


@triton.jit
def rounded(x):
    """To the nearest whole number, halves to even; float32 below 2^22, float64 below 2^51."""
    return (x + _ROUND_64) - _ROUND_64 if x.dtype == tl.float64 else (x + _ROUND_32) - _ROUND_32


@triton.jit
def cut(x, WHOLE: tl.constexpr):
    """Into the range; fractions dropped where levels are whole."""
    x = tl.minimum(tl.maximum(x, 0.0), 255.0 if WHOLE else 1.0)
    return tl.floor(x) if WHOLE else x


@triton.jit
def nearest(x, WHOLE: tl.constexpr):
    """Into the range; to the nearest level where levels are whole."""
    x = tl.minimum(tl.maximum(x, 0.0), 255.0 if WHOLE else 1.0)
    return rounded(x) if WHOLE else x


@triton.jit
def in_levels(x, WHOLE: tl.constexpr):
    """Whole levels of 255."""
    return x if WHOLE else rounded(x * 255.0)


@triton.jit
def channel(x, c, k):
    """Channel k of (P, C), as (P,)."""
    return tl.sum(tl.where(c == k, x, 0.0), axis=1)


@triton.jit
def luma(r, g, b, WHOLE: tl.constexpr):
    """Grey levels of colours."""
    weighted = r * _RED + g * _GREEN + b * _BLUE
    return tl.floor((weighted + _HALF) / _ALL) if WHOLE else weighted / _ALL


@triton.jit
def number(table, at):
    """A float64 of the table of parameters, whose words are int64."""
    return tl.load(table + at).to(tl.float64, bitcast=True)


@triton.jit
def single(table, at):
    """A number of the table as float32."""
    return tl.load(table + at).to(tl.float64, bitcast=True).to(tl.float32)


@triton.jit
def whole(table, at):
    """A number of the table as int32."""
    return tl.load(table + at).to(tl.float64, bitcast=True).to(tl.int32)


@triton.jit
def per_channel(table, at, c, C: tl.constexpr):
    """A number a channel, float32 (1, C)."""
    return tl.load(table + at + c, mask=c < C, other=0).to(tl.float64, bitcast=True).to(tl.float32)
