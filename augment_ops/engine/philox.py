"""Philox4x64-10, the counter-based generator behind every random number of the engine, in NumPy, numba and torch.

A block of four uint64 words is a function of a 256-bit counter and a 128-bit key, so any number of any stream can be
computed alone, in any order and on any processor. The layout of the counter is

    word 0   block of draws, from 1 (NumPy's own Philox increments it before use, and so its streams are ours)
    word 1   0
    word 2   index of the transform in its policy
    word 3   what the numbers are for: `PARAMETERS`, `DECISIONS` or `VALUES`

and the key is the sample's. Draw d is word d % 4 of block d // 4 + 1. A double in [0, 1) is the upper 53 bits of a word
times 2^-53, as NumPy does it.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; its constants and its known answers
(Random123's kat_vectors) are in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.kernels.philox import (
    DECISIONS,
    DOUBLE,
    M0,
    M1,
    PARAMETERS,
    ROUNDS,
    VALUES,
    W0,
    W1,
    fill_derived,
    fill_uniforms,
    fill_words,
)

__all__ = [
    "DECISIONS",
    "PARAMETERS",
    "VALUES",
    "blocks",
    "derive",
    "torch_uniforms",
    "torch_words",
    "uniforms",
    "words",
]

if TYPE_CHECKING:
    from torch import Tensor


def words(keys: NDArray[np.uint64], transform: int, purpose: int, draws: int) -> NDArray[np.uint64]:
    """The first draws of one stream of every sample.

    Args:
        keys: uint64 (N, 2), the samples' keys.
        transform: index of the transform.
        purpose: `PARAMETERS`, `DECISIONS` or `VALUES`.
        draws: how many words a sample.

    Returns:
        uint64 (N, draws).
    """
    out = np.empty((len(keys), draws), np.uint64)
    fill_words(keys, transform, purpose, out)
    return out


def uniforms(keys: NDArray[np.uint64], transform: int, purpose: int, draws: int) -> NDArray[np.float64]:
    """As `words`, as float64 (N, draws) in [0, 1)."""
    out = np.empty((len(keys), draws))
    fill_uniforms(keys, transform, purpose, out)
    return out


def derive(key: tuple[int, int], ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A key for every id under `key`: Philox as a pseudo-random function.

    Args:
        key: two uint64 words.
        ids: uint64 (N, 2).

    Returns:
        uint64 (N, 2).
    """
    out = np.empty_like(ids)
    fill_derived(np.uint64(key[0]), np.uint64(key[1]), ids, out)
    return out


def blocks(counter: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The generator in plain NumPy, for checking and for machines without a compiler.

    Args:
        counter: uint64 (..., 4).
        key: uint64 (..., 2), broadcast against the counters.

    Returns:
        uint64 (..., 4).
    """
    x0, x1, x2, x3 = np.moveaxis(counter.astype(np.uint64), -1, 0)
    a, b = np.moveaxis(key.astype(np.uint64), -1, 0)
    with np.errstate(over="ignore"):
        for _ in range(ROUNDS):
            high0, low0 = _numpy_multiply_high(np.uint64(M0), x0), np.uint64(M0) * x0
            high1, low1 = _numpy_multiply_high(np.uint64(M1), x2), np.uint64(M1) * x2
            x0, x1, x2, x3 = high1 ^ x1 ^ a, low1, high0 ^ x3 ^ b, low0
            a, b = a + np.uint64(W0), b + np.uint64(W1)
    result: NDArray[np.uint64] = np.stack(np.broadcast_arrays(x0, x1, x2, x3), axis=-1)
    return result


def _numpy_multiply_high(a: np.uint64, b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + (a0 * b0 >> half)
    other = a0 * b1 + (middle & low)
    high: NDArray[np.uint64] = a1 * b1 + (middle >> half) + (other >> half)
    return high


def torch_words(keys: Tensor, transform: int, purpose: int, draws: int) -> Tensor:
    """`words` on the device of `keys`.

    torch has no uint64 arithmetic; int64 holds the same bits, and products are made of 32-bit halves.

    Args:
        keys: int64 (N, 2), the bits of the samples' keys.

    Returns:
        int64 (N, draws) with the bits of the words.
    """
    import torch

    count = -(-draws // 4)
    x0 = torch.arange(1, count + 1, device=keys.device).expand(len(keys), count)
    x1 = torch.zeros_like(x0)
    x2, x3 = torch.full_like(x0, transform), torch.full_like(x0, purpose)
    a, b = keys[:, :1], keys[:, 1:]
    for _ in range(ROUNDS):
        high0, low0 = _torch_multiply(M0, x0)
        high1, low1 = _torch_multiply(M1, x2)
        x0, x1, x2, x3 = high1 ^ x1 ^ a, low1, high0 ^ x3 ^ b, low0
        a, b = a + _signed(W0), b + _signed(W1)
    return torch.stack([x0, x1, x2, x3], dim=-1).flatten(1)[:, :draws]


def torch_uniforms(keys: Tensor, transform: int, purpose: int, draws: int) -> Tensor:
    """`uniforms` on the device of `keys` (int64 (N, 2)): float64 (N, draws) in [0, 1), the same numbers."""
    import torch

    top = (torch_words(keys, transform, purpose, draws) >> 11) & ((1 << 53) - 1)
    return top.to(torch.float64) * DOUBLE


def _torch_multiply(constant: int, x: Tensor) -> tuple[Tensor, Tensor]:
    low = 0xFFFFFFFF
    a0, a1 = constant & low, constant >> 32
    b0, b1 = x & low, (x >> 32) & low
    middle = a1 * b0 + _shifted(a0 * b0)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + _shifted(middle) + _shifted(other), x * _signed(constant)


def _shifted(x: Tensor) -> Tensor:
    return (x >> 32) & 0xFFFFFFFF  # without the sign that `>>` drags along


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
