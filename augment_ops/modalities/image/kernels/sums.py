"""Sums over the channels of whole batches of images, exact: whole numbers."""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry
from augment_ops.engine.kernels.types import F64, I64, U8

_TOGETHER = 64  # pixels whose sums are kept apart, and so do not wait for each other
_ADDED = 65536  # squares of levels that a sum of 32 bits holds: 255² is less than 2**16


@entry
def channel_means(images: U8, out: F64) -> None:
    """Mean of every channel of images (N, M, C) into out (N, C)."""
    many, count, channels = images.shape
    each = _TOGETHER * channels
    sums = np.empty(each, np.uint32)
    for n in range(many):
        source = images[n].reshape(-1)
        sums[:] = 0
        for start in range(0, len(source), each):
            part = source[start : start + each]
            for i in range(len(part)):
                sums[i] += np.uint32(part[i])
        for c in range(channels):
            total = np.uint64(0)
            for i in range(c, each, channels):
                total += np.uint64(sums[i])
            out[n, c] = np.float64(total) / count


@entry
def moments(first: U8, second: U8, out: I64) -> None:
    """Sums over every channel of two batches of images: of a, b, a · a, b · b and a · b.

    Args:
        first, second: uint8 (N, M, C).
        out: int64 (N, 5, C).
    """
    many, count, channels = first.shape
    each = _TOGETHER * channels
    sums = np.empty((5, each), np.uint32)
    a_sum, b_sum, aa_sum, bb_sum, ab_sum = sums[0], sums[1], sums[2], sums[3], sums[4]
    out[:] = 0
    for n in range(many):
        one, two = first[n].reshape(-1), second[n].reshape(-1)
        for begin in range(0, count * channels, each * _ADDED):
            sums[:] = 0
            for start in range(begin, min(begin + each * _ADDED, count * channels), each):
                a_part, b_part = one[start : start + each], two[start : start + each]
                for i in range(len(a_part)):
                    a, b = np.uint32(a_part[i]), np.uint32(b_part[i])
                    a_sum[i] += a
                    b_sum[i] += b
                    aa_sum[i] += np.uint32(a * a)
                    bb_sum[i] += np.uint32(b * b)
                    ab_sum[i] += np.uint32(a * b)
            for k in range(5):
                for i in range(each):
                    out[n, k, i % channels] += np.int64(sums[k, i])
