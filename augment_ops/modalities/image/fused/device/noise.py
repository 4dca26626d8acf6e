"""Noise in Triton: the numbers of the compiled loops, drawn where they are needed from the sample's key."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.levels import channel, cut, has, in_levels, number, single, whole
from augment_ops.modalities.image.fused.device.philox import VALUES, block, chosen, uniform
from augment_ops.modalities.image.kernels import noise as loops
from augment_ops.modalities.image.transforms.noise import POOL_SCALE

_GAUSS, _SALT = tl.constexpr(codes.GAUSS), tl.constexpr(codes.SALT)
_MULTIPLY, _ISO = tl.constexpr(codes.MULTIPLY), tl.constexpr(codes.ISO)
_RUN, _POOL_SCALE = tl.constexpr(loops.RUN), tl.constexpr(POOL_SCALE)
_MOST = tl.constexpr(50)  # of a Poisson number: the rate is below 1


@triton.jit
def offsets(starts, run, length, transform, lane, k0, k1, BLOCK: tl.constexpr):
    """Where in the pool each run of values begins, into `starts`: the upper 16 bits of a word.

    Args:
        run: values that follow each other; length: values in all.
        lane: 0, where a run has a word of its own; 1, where it has a block, of which the first word counts.
    """
    runs = (length + run - 1) // run
    for first in range(0, runs, BLOCK):
        i = first + tl.arange(0, BLOCK)
        words = block((i if lane == 1 else i // 4) + 1, lane, transform, VALUES, k0, k1)
        word = chosen(words, i % 4 if lane == 0 else i * 0)
        tl.store(starts + i, (word >> 48).to(tl.int32), mask=i < runs)


@triton.jit
def noisy(
    x, code, table, at, rate, marks, pool, starts, pixel, c, valid, k0, k1,
    KINDS: tl.constexpr, C: tl.constexpr, WHOLE: tl.constexpr
):  # fmt: skip
    """What a noise makes of pixels; other instructions leave them.

    Args:
        x: float32 (P, C); pixel: int32 (P, 1), their places in the picture; c: int32 (1, C); valid: bool (P, C).
        rate: float64, of the Poisson numbers of ISONoise.
        starts: what `offsets` has written for this noise.
    """
    step = 1.0 if WHOLE else 1.0 / 255.0
    if has(KINDS, _GAUSS):
        if code == _GAUSS:
            shared, run = whole(table, at + 3), whole(table, at + 5)
            i = tl.where(shared != 0, pixel + c * 0, pixel * C + c)
            normal = tl.load(pool + tl.load(starts + i // run, mask=valid, other=0) + i % run, mask=valid, other=0)
            normal = normal.to(tl.int32)
            if WHOLE:  # the fixed point of the loops
                gain, mean, back = whole(table, at), whole(table, at + 1), whole(table, at + 2)
                added = (((((normal * gain) >> 16) + mean) * back) >> 16).to(tl.float32)
            else:
                gain, mean, back = single(table, at), single(table, at + 1), single(table, at + 2)
                added = (normal.to(tl.float32) * (gain / 65536.0) + mean) * (back / 65536.0 * step)
            x = tl.minimum(tl.maximum(x + added, 0.0), 255.0 if WHOLE else 1.0)
    if has(KINDS, _SALT):
        if code == _SALT:
            mark = tl.load(marks + whole(table, at) + pixel + c * 0, mask=valid, other=128)
            x = tl.where(mark == 0, 0.0, tl.where(mark == 255, 255.0 if WHOLE else 1.0, x))
    if has(KINDS, _MULTIPLY):
        if code == _MULTIPLY:
            i = tl.where(whole(table, at + 2) != 0, pixel + c * 0, pixel * C + c)
            words = block(i // 16 + 1, 0, whole(table, at + 3), VALUES, k0, k1)
            word = chosen(words, (i % 16) // 4)
            share = ((word >> ((i % 4) * 16).to(tl.uint64)) & 0xFFFF).to(tl.int32).to(tl.float32) + 0.5
            x = cut(x * (single(table, at) + share * single(table, at + 1)), WHOLE)
    if has(KINDS, _ISO):
        if code == _ISO:
            x = (
                _iso(
                    in_levels(x, WHOLE),
                    table,
                    at,
                    rate,
                    pool=pool,
                    starts=starts,
                    pixel=pixel,
                    c=c,
                    valid=valid,
                    k0=k0,
                    k1=k1,
                )
                * step
            )
    return x


@triton.jit
def _iso(x, table, at, rate, pool, starts, pixel, c, valid, k0, k1):
    """A camera's sensor on whole levels of three channels: Poisson in lightness, normal in hue."""
    shift, intensity = number(table, at), number(table, at + 1)
    words = block(pixel // 4 + 1, 0, whole(table, at + 4), VALUES, k0, k1)
    lighter = _poisson(uniform(chosen(words, pixel % 4)), rate) * intensity
    first = tl.load(starts + pixel // _RUN, mask=pixel >= 0, other=0)
    normal = tl.load(pool + first + pixel % _RUN).to(tl.float64)
    turn = normal / _POOL_SCALE * shift * intensity / 60.0  # degrees to sectors
    return _lit(x, c, lighter, turn)


@triton.jit
def _poisson(u, rate):
    """By inversion: Devroye 1986, chapter X."""
    chance = tl.exp(-rate) + u * 0.0
    many = u * 0.0
    for more in range(1, _MOST + 1):
        goes_on = (u > chance) & (many == more - 1)
        u = tl.where(goes_on, u - chance, u)
        many = tl.where(goes_on, many + 1.0, many)
        chance = chance * (rate / more)
    return many


@triton.jit
def _lit(x, c, lighter, turn):
    """Move lightness by `lighter` of what is missing to white and hue by `turn` sixths of a circle: (P, 1) each."""
    share = x.to(tl.float64) / 255.0
    r, g, b = channel(share, c, 0)[:, None], channel(share, c, 1)[:, None], channel(share, c, 2)[:, None]
    high, low = tl.maximum(tl.maximum(r, g), b), tl.minimum(tl.minimum(r, g), b)
    light, spread = (high + low) / 2.0, high - low
    some = spread > 0.0
    by = tl.where(some, spread, 1.0)
    both = tl.where(some, tl.where(light < 0.5, high + low, 2.0 - high - low), 1.0)
    saturation = tl.where(some, spread / both, 0.0)
    hue = tl.where(high == r, (g - b) / by, tl.where(high == g, 2.0 + (b - r) / by, 4.0 + (r - g) / by))
    hue = tl.where(some, hue, 0.0)
    light = tl.minimum(light + lighter * (1.0 - light), 1.0)
    top = tl.where(light < 0.5, light * (1.0 + saturation), light + saturation - light * saturation)
    bottom = 2.0 * light - top
    at = hue + turn + 2.0 - 2.0 * c.to(tl.float64)
    at = at - tl.floor(at / 6.0) * 6.0
    rising, falling = bottom + (top - bottom) * at, bottom + (top - bottom) * (4.0 - at)
    value = tl.where(at < 1.0, rising, tl.where(at < 3.0, top, tl.where(at < 4.0, falling, bottom)))
    return cut(value * 255.0 + 0.5, True).to(tl.float32)
