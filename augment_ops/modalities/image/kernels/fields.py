"""Random fields of whole batches: a value a pixel, a function of the sample's key and the pixel's place alone.

A value takes 16 bits of the stream `VALUES`; `index` separates the fields of one sample, as transforms are separated.
"""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.philox import VALUES, block
from augment_ops.engine.kernels.types import F32, U8, U64

QUANTILES = 4096  # of a table of noise: upper 12 of the 16 bits
_EACH = 16  # values a block


@inner
def _words(key: tuple[int, int], index: int, number: int) -> tuple[int, int, int, int]:
    """The four words of a block of a field: each holds four of its sixteen numbers, the first in the lowest bits."""
    return block(number + 1, 0, index, VALUES, key[0], key[1])


@inner
def _sixteenth(word: int, place: int) -> int:
    """The 16-bit number at a place of a word, 0 to 3."""
    return (word >> np.uint64(16 * place)) & np.uint64(0xFFFF)


@entry
def noisy_levels(images: U8, keys: U64, index: int, table: U8, out: U8) -> None:
    """Every value becomes what its level becomes at a quantile of its own.

    Args:
        images, out: uint8 (N, M).
        keys: uint64 (N, 2).
        table: uint8 (256, QUANTILES): level → what it becomes at each quantile, rising.
    """
    flat = table.reshape(-1)
    drop, row = np.uint64(4), np.uint64(12)  # of 16 bits, the upper 12 choose one of the QUANTILES of a level
    for n in range(images.shape[0]):
        source, goal, key = images[n], out[n], (keys[n, 0], keys[n, 1])
        for b in range(len(source) // _EACH):  # whole blocks: LLVM writes out the loops over their words
            words = _words(key, index, b)
            for w in range(4):
                for i in range(4):
                    at = b * _EACH + 4 * w + i
                    goal[at] = flat[(np.uint64(source[at]) << row) | (_sixteenth(words[w], i) >> drop)]
        whole = len(source) // _EACH * _EACH
        words = _words(key, index, whole // _EACH)
        for at in range(whole, len(source)):
            place = at - whole
            quantile = _sixteenth(words[place // 4], place % 4) >> drop
            goal[at] = flat[(np.uint64(source[at]) << row) | quantile]


@entry
def from_quantiles(keys: U64, index: int, quantiles: F32, out: F32) -> None:
    """A field of a distribution that is given by its 65,536 quantiles, into out (N, M)."""
    for n in range(out.shape[0]):
        goal, key = out[n], (keys[n, 0], keys[n, 1])
        for b in range(len(goal) // _EACH):
            words = _words(key, index, b)
            for w in range(4):
                for i in range(4):
                    goal[b * _EACH + 4 * w + i] = quantiles[_sixteenth(words[w], i)]
        whole = len(goal) // _EACH * _EACH
        words = _words(key, index, whole // _EACH)
        for at in range(whole, len(goal)):
            place = at - whole
            goal[at] = quantiles[_sixteenth(words[place // 4], place % 4)]


@inner
def _uniform(number: int) -> float:
    """The middle of one of 65,536 equal parts of (-1, 1)."""
    return (np.float32(number) + np.float32(0.5)) * np.float32(2.0 / 65536.0) - np.float32(1.0)


@inner
def _fill_uniforms(key: tuple[int, int], index: int, first: int, out: F32) -> int:
    """Uniforms in (-1, 1) from block `first` on; the next block that is free."""
    for b in range(len(out) // _EACH):
        words = _words(key, index, first + b)
        for w in range(4):
            for i in range(4):
                out[b * _EACH + 4 * w + i] = _uniform(_sixteenth(words[w], i))
    whole = len(out) // _EACH * _EACH
    words = _words(key, index, first + whole // _EACH)
    for at in range(whole, len(out)):
        place = at - whole
        out[at] = _uniform(_sixteenth(words[place // 4], place % 4))
    return first + (len(out) + _EACH - 1) // _EACH


@entry
def uniforms(keys: U64, index: int, out: F32) -> None:
    """A field of uniform numbers in (-1, 1), into out (N, M)."""
    for n in range(out.shape[0]):
        _fill_uniforms((keys[n, 0], keys[n, 1]), index, 0, out[n])


@entry
def resampled(fields: F32, rows: F32, columns: F32, out: F32) -> None:
    """Products rows · field · columns of each field, one addition after the other.

    A library's product of matrices adds in an order that depends on the processor and on how many threads it has.

    Args:
        fields: float32 (N, H, W); rows: float32 (h, H); columns: float32 (W, w).
        out: float32 (N, h, w).
    """
    line = np.empty(fields.shape[2], np.float32)
    for n in range(fields.shape[0]):
        for y in range(rows.shape[0]):
            line[:] = 0
            for k in range(rows.shape[1]):
                weight, source = rows[y, k], fields[n, k]
                if weight != 0:  # most are: a row of a smoothing matrix looks at what is near
                    for x in range(len(line)):
                        line[x] += weight * source[x]
            goal = out[n, y]
            goal[:] = 0
            for k in range(len(line)):
                value, weights = line[k], columns[k]
                for x in range(len(goal)):
                    goal[x] += value * weights[x]


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
    # Grids as they are known so far lie close together. Lines of a grid end with their first value again, and those of
    # the centres of its cells begin with their last, so that no neighbour is looked for beyond an edge.
    grid, finer = np.empty((size, size + 1), np.float32), np.empty((size, size + 1), np.float32)
    centres = np.empty((size // 2, size // 2 + 1), np.float32)
    random = np.empty((3, size * size // 4), np.float32)  # of centres, of points to the right of those known, and below
    lows, highs = np.empty(size, np.float32), np.empty(size, np.float32)
    for n in range(out.shape[0]):
        grid[0, :2], key = 0, (keys[n, 0], keys[n, 1])
        count, wibble, free = 1, 100.0, 0
        while count < size:
            for kind in range(3):
                free = _fill_uniforms(key, index, free, random[kind, : count * count])
            reach = np.float32(wibble * wibble)
            _set_centres(grid, count, reach, random[0], centres)
            _refine(grid, centres, count, reach, random[1], random[2], finer)
            grid, finer = finer, grid
            count, wibble = 2 * count, wibble / decay
        lows[:], highs[:] = grid[0, 0], grid[0, 0]
        for y in range(size):
            line = grid[y]
            for x in range(size):  # of each column: least and greatest of all one after the other do not vectorise
                lows[x] = min(lows[x], line[x])
                highs[x] = max(highs[x], line[x])
        low, high = lows.min(), highs.max()
        scale = np.float32(1.0) / max(high - low, np.float32(1e-20))
        for y in range(height):
            line, goal = grid[y], out[n, y]
            for x in range(width):
                goal[x] = (line[x] - low) * scale


@inner
def _set_centres(grid: F32, count: int, reach: float, random: F32, centres: F32) -> None:
    """Diamond: the centres of the cells of a torus of `count`² points, from their four corners."""
    quarter = np.float32(0.25)
    for i in range(count):
        line, below = grid[i], grid[(i + 1) & (count - 1)]  # of a power of two: `% count` without a division
        centre, drawn = centres[i], random[i * count : (i + 1) * count]
        for j in range(count):
            corners = line[j] + below[j] + line[j + 1] + below[j + 1]
            centre[j + 1] = corners * quarter + reach * drawn[j]
        centre[0] = centre[count]


@inner
def _refine(grid: F32, centres: F32, count: int, reach: float, right: F32, down: F32, finer: F32) -> None:
    """Square: points between those known, from two of these and two centres; all of them as a grid twice as fine."""
    quarter = np.float32(0.25)
    for i in range(count):
        line, below = grid[i], grid[(i + 1) & (count - 1)]
        centre, above = centres[i], centres[(i - 1) & (count - 1)]
        to_right, to_below = right[i * count : (i + 1) * count], down[i * count : (i + 1) * count]
        upper, lower = finer[2 * i], finer[2 * i + 1]
        for j in range(count):
            near = centre[j + 1] + above[j + 1] + (line[j] + line[j + 1])
            upper[2 * j] = line[j]
            upper[2 * j + 1] = near * quarter + reach * to_right[j]
        for j in range(count):
            near = centre[j + 1] + centre[j] + (line[j] + below[j])
            lower[2 * j] = near * quarter + reach * to_below[j]
            lower[2 * j + 1] = centre[j + 1]
        upper[2 * count], lower[2 * count] = upper[0], lower[0]
