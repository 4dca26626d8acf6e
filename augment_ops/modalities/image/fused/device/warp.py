"""Reading other pixels than one's own: the warp of the compiled loops and their convolutions, in Triton."""

from __future__ import annotations

import triton
import triton.language as tl

from augment_ops.modalities.image.fused.device.levels import nearest, number, per_channel, single, whole

_CONSTANT, _REPLICATE, _REFLECT = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
_WRAP, _REFLECT_101 = tl.constexpr(3), tl.constexpr(4)
MATRIX, FILL = tl.constexpr(4), tl.constexpr(13)  # where a warp's numbers lie: size, border, nearest; matrix; fill


@triton.jit
def fetch(images, scratch, cur, place, offset, mask, MANY: tl.constexpr):
    """Values of a sample's picture as float32: its image where `cur` is below 0, else what lies at that place."""
    if MANY:
        if cur < 0:
            x = tl.load(images + offset, mask=mask, other=0).to(tl.float32)
        else:
            x = tl.load(scratch + cur * place + offset, mask=mask, other=0.0)
    else:
        x = tl.load(images + offset, mask=mask, other=0).to(tl.float32)
    return x


@triton.jit
def inside(i, n, border):
    """Index inside 0 … n - 1 that a border mode puts at i, at most one image outside."""
    if border == _WRAP:
        i = tl.where(i < 0, i + n, tl.where(i >= n, i - n, i))
    elif border == _REFLECT:
        i = tl.where(i < 0, -1 - i, tl.where(i >= n, 2 * n - 1 - i, i))
    elif border == _REFLECT_101:
        i = tl.where(i < 0, -i, tl.where(i >= n, 2 * n - 2 - i, i))
    return tl.minimum(tl.maximum(i, 0), n - 1)


@triton.jit
def _folded(c, n, border):
    """Coordinates into -1 … n by the border mode; not a number comes to the low end."""
    edge = (border == _REPLICATE) | ((n == 1) & (border != _CONSTANT))
    low, high = tl.where(edge, 0.0, -1.0), tl.where(edge, n - 1, n).to(tl.float32)
    period = n.to(tl.float32)
    if border == _WRAP:
        c = c - tl.floor(tl.div_rn(c, period)) * period
    elif border == _REFLECT:
        c = c + 0.5
        c = tl.abs(c - tl.floor(tl.div_rn(c, 2.0 * period) + 0.5) * (2.0 * period)) - 0.5
    elif (border == _REFLECT_101) & (n > 1):
        period = 2.0 * period - 2.0
        c = tl.abs(c - tl.floor(tl.div_rn(c, period) + 0.5) * period)
    c = tl.where(c > low, c, low)
    return tl.where(c < high, c, high)


@triton.jit
def _coordinates(table, at, y, x):
    """Where pixels come from: float32 of x and of y; float64 in perspective, as in the loops."""
    m0, m1, m2 = number(table, at), number(table, at + 1), number(table, at + 2)
    m3, m4, m5 = number(table, at + 3), number(table, at + 4), number(table, at + 5)
    m6, m7, m8 = number(table, at + 6), number(table, at + 7), number(table, at + 8)
    row = y.to(tl.float64)
    if (m6 == 0) & (m7 == 0):
        step = x.to(tl.float32)
        sx = m0.to(tl.float32) * step + (m1 * row + m2).to(tl.float32)
        sy = m3.to(tl.float32) * step + (m4 * row + m5).to(tl.float32)
    else:
        column = x.to(tl.float64)
        far = 1.0 / (m6 * column + (m7 * row + m8))
        sx = ((m0 * column + (m1 * row + m2)) * far).to(tl.float32)
        sy = ((m3 * column + (m4 * row + m5)) * far).to(tl.float32)
    return sx, sy


@triton.jit
def warped(
    table,
    at,
    images,
    scratch,
    cur,
    place,
    y,
    x,
    c,
    valid,
    h,
    w,
    C: tl.constexpr,
    WHOLE: tl.constexpr,
    MANY: tl.constexpr,
):
    """Pixels (y, x) of a warp's result, float32 (P, C).

    Args:
        at: where the warp's numbers lie.
        y, x: int32 (P, 1); c: int32 (1, C); valid: bool (P, C).
        h, w: of the source.
    """
    border, simple = whole(table, at + 2), whole(table, at + 3)
    fill = per_channel(table, at + FILL, c, C)
    sx, sy = _coordinates(table, at + MATRIX, y, x)
    tx = ((_folded(sx, w, border) + 1.0) * 256.0 + 0.5).to(tl.int32)
    ty = ((_folded(sy, h, border) + 1.0) * 256.0 + 0.5).to(tl.int32)
    if simple != 0:
        tx, ty = (tx + 128) & -256, (ty + 128) & -256
    fx, fy = (tx & 255).to(tl.float32), (ty & 255).to(tl.float32)
    left, top = (tx >> 8) - 1, (ty >> 8) - 1
    above, below = fill, fill
    for side in tl.static_range(2):
        rows = inside(top + side, h, border) * w
        lies = (top + side >= 0) & (top + side < h)
        first, second = inside(left, w, border), inside(left + 1, w, border)
        a = fetch(images, scratch, cur, place, (rows + first) * C + c, valid, MANY)
        b = fetch(images, scratch, cur, place, (rows + second) * C + c, valid, MANY)
        if border == _CONSTANT:
            a = tl.where(lies & (left >= 0) & (left < w), a, fill)
            b = tl.where(lies & (left + 1 >= 0) & (left + 1 < w), b, fill)
        mixed = _mixed(a, b, fx, WHOLE)
        if side == 0:
            above = mixed
        else:
            below = mixed
    return _mixed(above, below, fy, WHOLE)


@triton.jit
def _mixed(a, b, weight, WHOLE: tl.constexpr):
    mixed = a * (256.0 - weight) + b * weight
    return tl.floor((mixed + 128.0) * 0.00390625) if WHOLE else mixed * 0.00390625


@triton.jit
def convolved(
    table,
    at,
    images,
    scratch,
    cur,
    place,
    y,
    x,
    c,
    valid,
    h,
    w,
    C: tl.constexpr,
    WHOLE: tl.constexpr,
    MANY: tl.constexpr,
):
    """Pixels of a convolution with a square kernel: its numbers are its side and its weights, added in their order."""
    side = whole(table, at)
    total = valid.to(tl.float32) * 0.0
    for k in range(0, side * side):
        weight = single(table, at + 1 + k)
        if weight != 0.0:
            rows = inside(y + (k // side - side // 2), h, _REFLECT_101) * w
            column = inside(x + (k % side - side // 2), w, _REFLECT_101)
            total += fetch(images, scratch, cur, place, (rows + column) * C + c, valid, MANY) * weight
    return nearest(total, WHOLE)


@triton.jit
def along(table, at, images, scratch, cur, place, y, x, down, c, valid, h, w, C: tl.constexpr, MANY: tl.constexpr):
    """Pixels of one of the two halves of a separable convolution, not rounded: along rows, or down columns."""
    side = whole(table, at)
    total = valid.to(tl.float32) * 0.0
    for k in range(0, side):
        weight = single(table, at + 1 + k)
        if weight != 0.0:
            far = k - side // 2
            rows = inside(y + far * down, h, _REFLECT_101) * w
            column = inside(x + far * (1 - down), w, _REFLECT_101)
            total += fetch(images, scratch, cur, place, (rows + column) * C + c, valid, MANY) * weight
    return total
