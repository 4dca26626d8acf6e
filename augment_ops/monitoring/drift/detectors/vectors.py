"""Vectors of any origin as something that two samples can be compared on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
_CLIP = 6.0  # robust deviations: beyond them all values are equally strange, and one of 1e6 cannot rule a distance
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_HUGE = 1e100


def comparable(reference: NDArray[Any], window: NDArray[Any], at_most: int, seed: int) -> tuple[Vectors, Vectors]:
    """Both sides scaled by the reference's median and spread, bounded, with what is missing marked.

    A component that is not finite becomes the reference's median, and a component of its own says so: a window that
    goes missing is a change, not silence.

    Args:
        reference: (N, D) or (N,).
        window: (M, D) or (M,).
        at_most: rows of each side; more are thinned by a seeded draw.
    """
    before, after = _rows(reference), _rows(window)
    if len(before) and len(after) and before.shape[1] != after.shape[1]:
        width = max(before.shape[1], after.shape[1])
        before, after = _widened(before, width), _widened(after, width)
    generator = np.random.default_rng(seed)
    before, after = (_thinned(side, at_most, generator) for side in (before, after))
    if not len(before) or not len(after):
        return before, after
    centre, spread = _centre(before)
    return _scaled(before, centre, spread), _scaled(after, centre, spread)


def _rows(values: NDArray[Any]) -> Vectors:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers.reshape(len(numbers), -1) if numbers.ndim != 2 else numbers


def _widened(values: Vectors, width: int) -> Vectors:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)


def _thinned(values: Vectors, at_most: int, generator: np.random.Generator) -> Vectors:
    if len(values) <= at_most:
        return values
    return values[np.sort(generator.choice(len(values), at_most, replace=False))]


def _centre(reference: Vectors) -> tuple[Vectors, Vectors]:
    # Bounded before sums and squares, which would be infinite.
    finite = np.where(np.isfinite(reference), np.clip(reference, -_HUGE, _HUGE), np.nan)
    finite[:, np.isnan(finite).all(axis=0)] = 0.0
    centre = np.nanmedian(finite, axis=0)
    near = finite - centre
    spread = np.nanmedian(np.abs(near), axis=0) * _MAD_TO_SIGMA
    # More than half of the values equal (an activation that is mostly zero, say): the standard deviation has to do.
    spread = np.where(spread > 0, spread, np.nanstd(near, axis=0))
    return centre, np.where(spread > 0, spread, 1.0)


def _scaled(values: Vectors, centre: Vectors, spread: Vectors) -> Vectors:
    missing = ~np.isfinite(values)
    with np.errstate(over="ignore"):  # infinite is as far as the bound
        scaled = np.clip((np.where(missing, centre, values) - centre) / spread, -_CLIP, _CLIP)
    share = missing.mean(axis=1, keepdims=True) * _CLIP
    return np.concatenate([scaled, share], axis=1)
