"""Convolutions in place, borders reflected without the edge (OpenCV's default)."""

from __future__ import annotations

import numpy as np
from numba import njit

from augment_ops.engine.kernels.colour import clip_rounded
from augment_ops.engine.kernels.types import F32, U8
from augment_ops.engine.kernels.warp import outside

_REFLECT_101 = 4


@njit(cache=True, nogil=True)
def convolve_separable(image: U8, kernel: F32, between_passes: F32) -> None:
    """Rows, then columns, in place; `between_passes` is float32, the shape of `image` flattened or larger."""
    height, width, channels = image.shape
    radius = len(kernel) // 2
    while radius > 0 and kernel[len(kernel) // 2 - radius] == 0:
        radius -= 1
    middle = len(kernel) // 2
    line = width * channels
    rows = between_passes[: height * line].reshape((height, line))
    extended = np.empty(line + 2 * radius * channels, np.float32)
    for y in range(height):
        source = image[y].reshape(-1)
        for x in range(-radius, width + radius):
            inside = outside(x, width, _REFLECT_101)
            for c in range(channels):
                extended[(x + radius) * channels + c] = source[inside * channels + c]
        target = rows[y]
        target[:] = 0
        for k in range(-radius, radius + 1):
            weight, offset = kernel[middle + k], (k + radius) * channels
            part = extended[offset : offset + line]
            for i in range(line):
                target[i] += weight * part[i]
    summed = np.empty(line, np.float32)
    for y in range(height):
        summed[:] = 0
        for k in range(-radius, radius + 1):
            weight, part = kernel[middle + k], rows[outside(y + k, height, _REFLECT_101)]
            for i in range(line):
                summed[i] += weight * part[i]
        target8 = image[y].reshape(-1)
        for i in range(line):
            target8[i] = clip_rounded(summed[i])


@njit(cache=True, nogil=True)
def convolve(image: U8, kernel: F32, copy: U8) -> None:
    """A square kernel, in place; `copy` is uint8, the shape of `image` flattened or larger."""
    height, width, channels = image.shape
    radius = kernel.shape[0] // 2
    line = width * channels
    kept = copy[: height * line].reshape((height, width, channels))
    kept[:] = image
    summed = np.empty(line, np.float32)
    extended = np.empty(line + 2 * radius * channels, np.float32)
    for y in range(height):
        summed[:] = 0
        for dy in range(-radius, radius + 1):
            source = kept[outside(y + dy, height, _REFLECT_101)]
            for x in range(-radius, width + radius):
                inside = outside(x, width, _REFLECT_101)
                for c in range(channels):
                    extended[(x + radius) * channels + c] = source[inside, c]
            for dx in range(-radius, radius + 1):
                weight = kernel[radius + dy, radius + dx]
                if weight != 0:
                    part = extended[(dx + radius) * channels : (dx + radius) * channels + line]
                    for i in range(line):
                        summed[i] += weight * part[i]
        target = image[y].reshape(-1)
        for i in range(line):
            target[i] = clip_rounded(summed[i])
