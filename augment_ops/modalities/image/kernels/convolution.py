"""Convolutions in place, borders reflected without the edge (OpenCV's default)."""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F32, F64, I64, U8
from augment_ops.modalities.image.kernels.warp import outside

_REFLECT_101 = 4


@inner
def _extend(row: U8, width: int, channels: int, radius: int, extended: F32) -> None:
    """A row (width · channels) as float32 with `radius` more pixels on either side."""
    line, left = width * channels, radius * channels
    middle = extended[left : left + line]
    for i in range(line):
        middle[i] = row[i]
    for x in range(radius):
        before, after = outside(-1 - x, width, _REFLECT_101), outside(width + x, width, _REFLECT_101)
        for c in range(channels):
            extended[left - (x + 1) * channels + c] = row[before * channels + c]
            extended[left + line + x * channels + c] = row[after * channels + c]


@inner
def _add(total: F32, part: F32, weight: float) -> None:
    for i in range(len(total)):
        total[i] += weight * part[i]


@inner
def _round(total: F32, target: U8) -> None:
    zero, most = np.float32(0), np.float32(255)
    for i in range(len(total)):
        value = np.rint(total[i])
        value = value if value > zero else zero
        target[i] = np.uint8(np.int32(value if value < most else most))


@inner
def _of_three_rows(above: F32, here: F32, below: F32, kernel: F32, channels: int, total: F32) -> None:
    """What `_add` makes of the nine weights one after the other, in one loop: sums stay in registers."""
    right, far = channels, 2 * channels
    a, b, c = kernel[0, 0], kernel[0, 1], kernel[0, 2]
    d, e, f = kernel[1, 0], kernel[1, 1], kernel[1, 2]
    g, h, k = kernel[2, 0], kernel[2, 1], kernel[2, 2]
    above1, above2, here1, here2, below1, below2 = (
        above[right:], above[far:], here[right:], here[far:], below[right:], below[far:],
    )  # fmt: skip
    for i in range(len(total)):
        value = a * above[i] + b * above1[i] + c * above2[i]
        value = value + d * here[i] + e * here1[i] + f * here2[i]
        total[i] = value + g * below[i] + h * below1[i] + k * below2[i]


@entry
def convolve_separable(images: U8, active: U8, kernels: F32) -> None:
    """Convolve the rows and then the columns of the active images (N, H, W, C) with kernels (N, K), in place."""
    count, height, width, channels = images.shape
    middle, line = kernels.shape[1] // 2, width * channels
    rows, total = np.empty((height, line), np.float32), np.empty(line, np.float32)
    extended = np.empty(line + 2 * middle * channels, np.float32)
    for i in range(count):
        if not active[i]:
            continue
        image, kernel, radius = images[i].reshape(-1), kernels[i], middle
        while radius > 0 and kernel[middle - radius] == 0:
            radius -= 1
        for y in range(height):
            _extend(image[y * line : (y + 1) * line], width, channels, radius, extended)
            rows[y, :] = 0
            for k in range(2 * radius + 1):
                _add(rows[y], extended[k * channels : k * channels + line], kernel[middle - radius + k])
        for y in range(height):
            total[:] = 0
            for k in range(-radius, radius + 1):
                _add(total, rows[outside(y + k, height, _REFLECT_101)], kernel[middle + k])
            _round(total, image[y * line : (y + 1) * line])


@entry
def convolve_square(images: U8, active: U8, kernels: F32) -> None:
    """Convolve the active images (N, H, W, C) with kernels (N, K, K), in place."""
    count, height, width, channels = images.shape
    size, radius, line = kernels.shape[1], kernels.shape[1] // 2, width * channels
    # The rows that a result needs are kept in a ring: row y lies at y % size, so the results may go into the image.
    ring, total = np.empty((size, line + 2 * radius * channels), np.float32), np.empty(line, np.float32)
    for i in range(count):
        if not active[i]:
            continue
        image, kernel = images[i].reshape(-1), kernels[i]
        for y in range(min(radius, height)):
            _extend(image[y * line : (y + 1) * line], width, channels, radius, ring[y])
        for y in range(height):
            if y + radius < height:
                below = y + radius
                _extend(image[below * line : (below + 1) * line], width, channels, radius, ring[below % size])
            if size == 3:
                above, below = outside(y - 1, height, _REFLECT_101) % 3, outside(y + 1, height, _REFLECT_101) % 3
                _of_three_rows(ring[above], ring[y % 3], ring[below], kernel, channels, total)
                _round(total, image[y * line : (y + 1) * line])
                continue
            total[:] = 0
            for dy in range(size):
                source = ring[outside(y + dy - radius, height, _REFLECT_101) % size]
                for dx in range(size):
                    if kernel[dy, dx] != 0:
                        _add(total, source[dx * channels : dx * channels + line], kernel[dy, dx])
            _round(total, image[y * line : (y + 1) * line])


@entry
def motion_lines(sizes: I64, angles: F64, directions: F64, shifts: F64, out: F32) -> None:
    """Albumentations' kernels of straight motions, each in the middle of a larger one, summing to 1.

    Args:
        sizes: int64 (N,), odd; angles: float64 (N,) in radians; directions: float64 (N,) in -1 … 1.
        shifts: float64 (N, 2) of x and y in -1 … 1, of half the reach.
        out: float32 (N, K, K), zeros.
    """
    largest = out.shape[1]
    for n in range(len(sizes)):
        size, reach = sizes[n], sizes[n] // 2
        start = -float(reach) * (1 - max(directions[n], 0.0))
        stop = float(reach) * (1 + min(directions[n], 0.0))
        rim, ones = (largest - size) // 2, 0
        for step in range(size):
            t = start + (stop - start) * step / (size - 1)
            x = np.rint(reach + np.cos(angles[n]) * t + shifts[n, 0] * reach / 2)
            y = np.rint(reach + np.sin(angles[n]) * t + shifts[n, 1] * reach / 2)
            column, row = np.int64(min(max(x, 0.0), size - 1.0)), np.int64(min(max(y, 0.0), size - 1.0))
            if out[n, rim + row, rim + column] == 0:
                out[n, rim + row, rim + column] = 1
                ones += 1
        for row in range(largest):
            for column in range(largest):
                out[n, row, column] /= ones
