"""The pass that writes the pixels: warp, colour, noise and holes of each image while it is in the cache."""

from __future__ import annotations

from functools import cache

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F32, F64, I16, I32, I64, U8, U64
from augment_ops.modalities.image.kernels.colour import colour, look, table_of
from augment_ops.modalities.image.kernels.holes import fill_holes
from augment_ops.modalities.image.kernels.hsv import shift_hsv
from augment_ops.modalities.image.kernels.noise import add_noise, add_salt
from augment_ops.modalities.image.kernels.operations import COLOUR, HSV, LOOK, NOISE, SHIFT, WARP
from augment_ops.modalities.image.kernels.warp import shift, shifts, span, warp

APART = {SHIFT: shift, WARP: warp, COLOUR: colour, LOOK: look, HSV: shift_hsv, NOISE: add_noise}
_shift, _warp, _colour, _add_noise = shift.call, warp.call, colour.call, add_noise.call


@cache
def loops() -> U64:
    """Where `run_segment` finds what is compiled apart from it."""
    return np.array([APART[at].address() for at in sorted(APART)], np.uint64)


@entry
def run_segment(
    loops: U64,
    source: U8,
    target: U8,
    in_place: bool,
    moved: U8,
    inverse: F64,
    border: int,
    nearest: bool,
    border_fill: U8,
    codes: I64,
    coloured: U8,
    arguments: F32,
    noisy: U8,
    noise: F64,
    kind: int,
    shared: bool,
    noise_transform: int,
    keys: U64,
    pool: I16,
    rectangles: I32,
    hole_fill: U8,
) -> None:
    """Run one segment on a batch.

    Args:
        loops: uint64 (6,), what `loops()` returns.
        source: uint8 (N, H, W, C).
        target: uint8 (N, H', W', C); `source` itself where `in_place`.
        moved: uint8 (N,), which images are warped; the others are copied, or stay, and need H' = H, W' = W.
        inverse: float64 (N, 3, 3), from target to source; (0, 3, 3) where nothing is moved.
        border, nearest, border_fill: of the warp.
        codes: int64 (T,), the colour operations in order.
        coloured: uint8 (N, T), which of them an image gets.
        arguments: float32 (N, T, A).
        noisy: uint8 (N,), or (0,) without noise; noise: float64 (N, 3); kind: GAUSS, …
        shared, noise_transform, keys, pool: of the noise.
        rectangles: int32 (N, K, 4), filled with hole_fill (C,).
    """
    count, height, width, channels = target.shape
    table = np.empty((channels, 256), np.uint8)
    with_geometry = len(inverse) > 0
    packed = np.empty((source.shape[1] + 3 if with_geometry else 1, source.shape[2] + 3), np.uint32)
    many = span(width)
    scratch, pairs = np.empty((4, many), np.uint32), np.empty((2, many), np.uint64)
    coordinates = np.empty((2, many), np.float32)
    kept = np.empty((1, *source.shape[1:]) if in_place and with_geometry else (1, 0, 0, channels), np.uint8)
    for i in range(count):
        if with_geometry and moved[i]:
            image = source[i], target[i], inverse[i]
            if not shifts(inverse[i], source[i], target[i], border):
                _warp(loops[WARP], (*image, border, border_fill, nearest, packed, scratch, pairs, coordinates))
            elif in_place:
                copy(source[i].reshape(-1), kept[0].reshape(-1))
                _shift(loops[SHIFT], (kept[0], target[i], inverse[i], border_fill))
            else:
                _shift(loops[SHIFT], (*image, border_fill))
        elif not in_place:
            copy(source[i].reshape(-1), target[i].reshape(-1))
        pixels = target[i].reshape((height * width, channels))
        if len(codes) > 0:
            _colour(loops[COLOUR], (loops, pixels, codes, coloured[i], arguments[i], table))
        if len(noisy) > 0 and noisy[i]:
            _add_noise(loops[NOISE], (pixels, kind, noise[i], shared, keys[i], noise_transform, pool))
        if rectangles.shape[1] > 0:
            fill_holes(target[i], rectangles[i], hole_fill)


@inner
def copy(source: U8, target: U8) -> None:
    """A loop that becomes memcpy; assignment of arrays does not."""
    for i in range(len(target)):
        target[i] = source[i]


@entry
def histogram_tables(code: int, rows: F32, histograms: I64, total: int, tables: U8) -> None:
    """Tables (N, C, 256) of an operation from histograms (N, C, 256) of `total` values each, which are used up."""
    for i in range(tables.shape[0]):
        for c in range(tables.shape[1]):
            table_of(code, rows[i], histograms[i, c], total, tables[i, c])


@entry
def salt_marks(noise: F64, keys: U64, transform: int, marks: U8) -> None:
    """Where salt and pepper falls on images: marks (N, pixels, 1) of 255, 0, and 128 for neither."""
    for i in range(len(marks)):
        marks[i] = 128
        add_salt(marks[i], noise[i, 0], noise[i, 1], keys[i], transform)
