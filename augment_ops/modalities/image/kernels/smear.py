"""Blurs that no separable filter gives: along a line, through frosted glass, out of focus."""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.philox import VALUES, block
from augment_ops.engine.kernels.types import F32, I32, I64, U8, U64


@entry
def smear(images: U8, offsets: I32, weights: F32, out: U8) -> None:
    """Every pixel becomes a weighted sum of pixels at given offsets; the border repeats outwards.

    Args:
        images, out: uint8 (N, H, W, C); not the same.
        offsets: int32 (N, K, 2) of dy, dx in pixels.
        weights: float32 (K,).
    """
    many, height, width, channels = images.shape
    taps = len(weights)
    half = np.float32(0.5)
    for n in range(many):
        left, right = 0, 0
        for k in range(taps):
            left = max(left, -offsets[n, k, 1])
            right = max(right, offsets[n, k, 1])
        left, right = min(left, width), min(right, width)
        padded = np.empty((height, (left + width + right) * channels), np.float32)
        line, before = width * channels, left * channels
        image, goal = images[n].reshape(-1), out[n].reshape(-1)
        for y in range(height):
            row, middle = image[y * line : (y + 1) * line], padded[y, before : before + line]
            for i in range(len(middle)):
                middle[i] = row[i]
            for x in range(left):
                for c in range(channels):
                    padded[y, x * channels + c] = middle[c]
            for x in range(right):
                for c in range(channels):
                    padded[y, before + line + x * channels + c] = middle[line - channels + c]
        total = np.empty(line, np.float32)
        for y in range(height):
            total[:] = half
            for k in range(0, taps - 3, 4):  # four at a time, in the same order: the sums stay in registers
                one = _reached(padded, y, offsets[n, k], left, right, line, channels)
                two = _reached(padded, y, offsets[n, k + 1], left, right, line, channels)
                three = _reached(padded, y, offsets[n, k + 2], left, right, line, channels)
                four = _reached(padded, y, offsets[n, k + 3], left, right, line, channels)
                a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                for i in range(line):
                    total[i] = total[i] + a * one[i] + b * two[i] + c * three[i] + d * four[i]
            for k in range(taps // 4 * 4, taps):
                source, weight = _reached(padded, y, offsets[n, k], left, right, line, channels), weights[k]
                for i in range(line):
                    total[i] += weight * source[i]
            flat = goal[y * line : (y + 1) * line]
            for i in range(line):
                flat[i] = np.uint8(min(max(total[i], np.float32(0)), np.float32(255)))


@inner
def _reached(padded: F32, y: int, offset: I32, left: int, right: int, line: int, channels: int) -> F32:
    """The row of pixels at an offset from those of row y."""
    row = min(max(y + offset[0], 0), len(padded) - 1)
    first = (left + min(max(offset[1], -left), right)) * channels
    return padded[row, first : first + line]


@entry
def shuffle(images: U8, keys: U64, reach: int, times: int) -> None:
    """Give every pixel, from the last to the first, the colour of one at most `reach` away; in place.

    Args:
        images: uint8 (N, H, W, C).
        keys: uint64 (N, 2).

    Source: glass blur of Hendrycks & Dietterich 2019. Its code means to exchange the two pixels; on colour images
    NumPy's views make it copy, and that is how the published images were made.
    """
    many, height, width, channels = images.shape
    span = np.uint64(2 * reach)
    word = np.uint64(0)
    for n in range(many):
        drawn = 0
        for _ in range(times):
            for y in range(height - reach, reach, -1):
                for x in range(width - reach, reach, -1):
                    if drawn % 8 == 0:
                        words = block(drawn // 8 + 1, 0, 0, VALUES, keys[n, 0], keys[n, 1])
                    if drawn % 2 == 0:
                        word = words[drawn % 8 // 2]
                    dx = np.int64(((word & np.uint64(0xFFFF)) * span) >> np.uint64(16)) - reach
                    dy = np.int64((((word >> np.uint64(16)) & np.uint64(0xFFFF)) * span) >> np.uint64(16)) - reach
                    word = word >> np.uint64(32)
                    drawn += 1
                    for c in range(channels):
                        images[n, y, x, c] = images[n, y + dy, x + dx, c]


@inner
def _mirror(i: int, size: int) -> int:
    """The place inside 0 … size - 1 that a mirror without a seam shows at i: 2 1 0 1 2."""
    if size == 1:
        return 0
    period = 2 * (size - 1)
    i = i % period
    return i if i < size else period - i


@entry
def discs(images: U8, reaches: I32, scale: float, out: F32) -> None:
    """Mean over a disc around every pixel, by sums over its rows; the border is mirrored, its own pixel once.

    Args:
        images: uint8 (N, H, W, C).
        reaches: int32 (2·R + 1,): how far the disc reaches to either side in each of its rows.
        scale: one over the number of pixels of the disc.
        out: float32 (N, H, W, C).
    """
    many, height, width, channels = images.shape
    radius = len(reaches) // 2
    wide = width + 2 * radius
    columns = np.empty(wide, np.int64)
    for x in range(wide):
        columns[x] = _mirror(x - radius, width)
    sums = np.zeros((height, (wide + 1) * channels), np.int32)
    total = np.empty(width * channels, np.int32)
    line = width * channels
    for n in range(many):
        image, goal = images[n].reshape(-1), out[n].reshape(-1)
        for y in range(height):
            _running(image[y * line : (y + 1) * line], columns, channels, sums[y])
        for y in range(height):
            total[:] = 0
            for k in range(0, 2 * radius, 2):  # two rows at a time, and the last one by itself
                first, first_low = _ends(sums, _mirror(y + k - radius, height), radius, reaches[k], channels)
                second, second_low = _ends(sums, _mirror(y + k + 1 - radius, height), radius, reaches[k + 1], channels)
                for i in range(line):
                    total[i] += (first[i] - first_low[i]) + (second[i] - second_low[i])
            last, last_low = _ends(sums, _mirror(y + radius, height), radius, reaches[2 * radius], channels)
            flat = goal[y * line : (y + 1) * line]
            for i in range(line):
                flat[i] = np.float32(np.int32(total[i] + (last[i] - last_low[i]))) * np.float32(scale)


@inner
def _running(row: U8, columns: I64, channels: int, sums: I32) -> None:
    """Sums of the values of a row, up to each of its columns, into what follows the first `channels` of `sums`."""
    if channels == 3:  # three sums that do not wait for each other
        red, green, blue = np.int32(0), np.int32(0), np.int32(0)
        for x in range(len(columns)):
            at = 3 * columns[x]
            red += np.int32(row[at])
            green += np.int32(row[at + 1])
            blue += np.int32(row[at + 2])
            sums[3 * x + 3], sums[3 * x + 4], sums[3 * x + 5] = red, green, blue
        return
    for c in range(channels):
        running = np.int32(0)
        for x in range(len(columns)):
            running += np.int32(row[channels * columns[x] + c])
            sums[(x + 1) * channels + c] = running


@inner
def _ends(sums: I32, row: int, radius: int, reach: int, channels: int) -> tuple[I32, I32]:
    """What was summed up to the right and to the left end of a disc's row, for all pixels of a row of the image."""
    line = sums[row]
    return line[(radius + reach + 1) * channels :], line[(radius - reach) * channels :]
