"""Tables of 256 levels a channel: composed, and looked up; one operation alone goes by arithmetic.

What they compute on uint8 is what albumentations 2.0.8 computes.
"""

from __future__ import annotations

import math

import numpy as np

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.types import F32, U8
from augment_ops.modalities.image.kernels.lookup import VECTORS, look_up, look_up_three
from augment_ops.modalities.image.kernels.operations import GAMMA, LINEAR, POSTERIZE, SOLARIZE

_LONG = 4096  # values for which a table is worth making that is looked up faster than computed


@inner
def clip_truncated(value: float) -> int:
    """To uint8 as albumentations does: cut to 0 … 255, fraction dropped."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(value)


@inner
def clip_rounded(value: float) -> int:
    """To uint8 as OpenCV does: nearest, halves to even."""
    if value <= 0.0:
        return np.uint8(0)
    if value >= 255.0:
        return np.uint8(255)
    return np.uint8(np.rint(value))


@inner
def identity_table(table: U8) -> None:
    """Reset a table (channels, 256)."""
    for c in range(table.shape[0]):
        for v in range(256):
            table[c, v] = v


@inner
def compose(table: U8, code: int, row: F32) -> None:
    """Put a pointwise operation after what a table (channels, 256) does already."""
    channels = table.shape[0]
    for c in range(channels):
        if code == LINEAR:
            scale, offset = row[c], row[channels + c]
            for v in range(256):
                table[c, v] = clip_truncated(np.float32(table[c, v]) * scale + offset)
        elif code == GAMMA:
            for v in range(256):
                table[c, v] = np.uint8(math.pow(table[c, v] / 255.0, row[0]) * 255.0)
        elif code == SOLARIZE:
            for v in range(256):
                if table[c, v] >= row[0]:
                    table[c, v] = 255 - table[c, v]
        else:
            mask = np.uint8(256 - (1 << (8 - np.int64(row[c]))))
            for v in range(256):
                table[c, v] &= mask


@inner
def apply_table(pixels: U8, table: U8) -> None:
    """Look every value up; pixels is (pixels, channels)."""
    channels, flat = pixels.shape[1], pixels.reshape(-1)
    if _all_alike(table):
        look_up(flat, table[0])
    elif channels == 3:
        look_up_three(flat, table)
    else:
        for c in range(channels):
            for i in range(c, len(flat), channels):
                flat[i] = table[c, flat[i]]


@inner
def _all_alike(table: U8) -> bool:
    for c in range(1, table.shape[0]):
        for v in range(256):
            if table[c, v] != table[0, v]:
                return False
    return True


@inner
def apply_alone(pixels: U8, code: int, row: F32) -> bool:
    """Apply one pointwise operation by arithmetic, several times as fast as a table; False where it cannot be."""
    channels, flat = pixels.shape[1], pixels.reshape(-1)
    if code == SOLARIZE:
        threshold = np.uint8(min(max(math.ceil(row[0]), 0), 255))
        if row[0] > 255:
            return True
        for i in range(len(flat)):
            value = flat[i]
            flat[i] = np.uint8(255) - value if value >= threshold else value
        return True
    for c in range(1, channels):
        if row[c] != row[0] or (code == LINEAR and row[channels + c] != row[channels]):
            return False
    if code == POSTERIZE:
        mask = np.uint8(256 - (1 << (8 - np.int64(row[0]))))
        for i in range(len(flat)):
            flat[i] &= mask
        return True
    if code != LINEAR:
        return False
    linear(flat, row[0], row[channels])
    return True


@inner
def linear(flat: U8, scale: float, offset: float) -> None:
    """Levels times a float32 `scale` and a float32 `offset` more, as `clip_truncated` makes levels of them."""
    if VECTORS and len(flat) >= _LONG:
        table = np.empty(256, np.uint8)
        for v in range(256):
            table[v] = _linear(np.uint8(v), scale, offset)
        look_up(flat, table)
        return
    for i in range(len(flat)):
        flat[i] = _linear(flat[i], scale, offset)


@inner
def _linear(level: int, scale: float, offset: float) -> int:
    zero, most = np.float32(0), np.float32(255)
    value = np.float32(level) * scale + offset
    value = value if value > zero else zero
    return np.uint8(np.int32(value if value < most else most))
