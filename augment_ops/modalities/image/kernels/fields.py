"""Random fields of whole batches: a value a pixel, a function of the sample's key and the pixel's place alone.

A value takes 16 bits of the stream `VALUES`; `index` separates the fields of one sample, as transforms are separated.
"""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.philox import VALUES, block
from augment_ops.engine.kernels.types import F32, U8, U32, U64

QUANTILES = 4096  # of a table of noise: upper 12 of the 16 bits
_EACH = 16  # values a block


@inner
def _bits(key: U64, index: int, number: int, out: U32) -> None:
    """The sixteen 16-bit numbers of a block of a field, into out (16,)."""
    words = block(number + 1, 0, index, VALUES, key[0], key[1])
    low = np.uint64(0xFFFF)
    for w in range(4):
        word = words[w]
        out[4 * w] = np.uint32(word & low)
        out[4 * w + 1] = np.uint32((word >> np.uint64(16)) & low)
        out[4 * w + 2] = np.uint32((word >> np.uint64(32)) & low)
        out[4 * w + 3] = np.uint32(word >> np.uint64(48))


@entry
def noisy_levels(images: U8, keys: U64, index: int, table: U8, out: U8) -> None:
    """Every value becomes what its level becomes at a quantile of its own.

    Args:
        images, out: uint8 (N, M).
        keys: uint64 (N, 2).
        table: uint8 (256, QUANTILES): level → what it becomes at each quantile, rising.
    """
    bits = np.empty(_EACH, np.uint32)
    flat = table.reshape(-1)
    drop, row = np.uint32(4), np.uint32(12)  # of 16 bits, the upper 12 choose one of the QUANTILES of a level
    for n in range(images.shape[0]):
        source, goal = images[n], out[n]
        count = len(source)
        for start in range(0, count, _EACH):
            _bits(keys[n], index, start // _EACH, bits)
            for i in range(min(_EACH, count - start)):
                goal[start + i] = flat[(np.uint32(source[start + i]) << row) | (bits[i] >> drop)]


@entry
def from_quantiles(keys: U64, index: int, quantiles: F32, out: F32) -> None:
    """A field of a distribution that is given by its 65,536 quantiles, into out (N, M)."""
    bits = np.empty(_EACH, np.uint32)
    for n in range(out.shape[0]):
        count = out.shape[1]
        for start in range(0, count, _EACH):
            _bits(keys[n], index, start // _EACH, bits)
            for i in range(min(_EACH, count - start)):
                out[n, start + i] = quantiles[bits[i]]


@inner
def _fill_uniforms(key: U64, index: int, first: int, out: F32) -> int:
    """Uniforms in (-1, 1) from block `first` on; the next block that is free."""
    bits = np.empty(_EACH, np.uint32)
    count = len(out)
    for start in range(0, count, _EACH):
        _bits(key, index, first + start // _EACH, bits)
        for i in range(min(_EACH, count - start)):
            out[start + i] = (np.float32(bits[i]) + np.float32(0.5)) * np.float32(2.0 / 65536.0) - np.float32(1.0)
    return first + (count + _EACH - 1) // _EACH


@entry
def plasma(keys: U64, index: int, decay: float, size: int, out: F32) -> None:
    """Plasma fractals from 0 to 1 by diamond and square on a torus, the upper left part of `size`² each.

    A step halves the grid; a new point is the mean of its four neighbours and a uniform number within ±r², where r is
    100 at first and is divided by `decay` a step.

    Args:
        size: a power of two, at least both sides of out.
        out: float32 (N, H, W).

    Source: Fournier, Fussell, Carpenter 1982, "Computer rendering of stochastic models"; in this form the fog of
    Hendrycks & Dietterich 2019.
    """
    height, width = out.shape[1], out.shape[2]
    field = np.empty((size, size), np.float32)
    random = np.empty(size * size // 4 + 1, np.float32)
    quarter = np.float32(0.25)
    for n in range(out.shape[0]):
        field[0, 0] = 0
        step, wibble, free = size, 100.0, 0
        while step >= 2:
            half, count = step // 2, size // step
            reach = np.float32(wibble * wibble)
            free = _fill_uniforms(keys[n], index, free, random[: count * count])
            for i in range(count):
                for j in range(count):
                    y, x = i * step, j * step
                    down, right = (y + step) % size, (x + step) % size
                    corners = field[y, x] + field[down, x] + field[y, right] + field[down, right]
                    field[y + half, x + half] = corners * quarter + reach * random[i * count + j]
            free = _fill_uniforms(keys[n], index, free, random[: count * count])
            for i in range(count):
                for j in range(count):
                    y, x = i * step, j * step
                    near = field[y + half, x + half] + field[(y - half) % size, x + half]
                    near += field[y, x] + field[y, (x + step) % size]
                    field[y, x + half] = near * quarter + reach * random[i * count + j]
            free = _fill_uniforms(keys[n], index, free, random[: count * count])
            for i in range(count):
                for j in range(count):
                    y, x = i * step, j * step
                    near = field[y + half, x + half] + field[y + half, (x - half) % size]
                    near += field[y, x] + field[(y + step) % size, x]
                    field[y + half, x] = near * quarter + reach * random[i * count + j]
            step, wibble = half, wibble / decay
        low, high = field[0, 0], field[0, 0]
        for y in range(size):
            for x in range(size):
                low = min(low, field[y, x])
                high = max(high, field[y, x])
        scale = np.float32(1.0) / max(high - low, np.float32(1e-20))
        for y in range(height):
            for x in range(width):
                out[n, y, x] = (field[y, x] - low) * scale
