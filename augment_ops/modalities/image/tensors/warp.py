"""The warp of the compiled loops on tensors: the same coordinates, borders and weights of 1/256."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.modalities.image.tensors.levels import Levels, put, take
from augment_ops.modalities.image.transforms.geometry import CONSTANT, Size

_REPLICATE, _REFLECT, _WRAP, REFLECT_101 = 1, 2, 3, 4
_RIM = 3  # rows and columns added: one before, two after
_PARTS = 256  # of a pixel


def outside(n: int, before: int, after: int, border: int) -> NDArray[np.int64]:
    """Indices inside 0 … n - 1 for -before … n - 1 + after, as a border mode puts them."""
    i = np.arange(-before, n + after)
    if border == _WRAP:
        return i % n
    if border == _REFLECT:
        i = np.where(i < 0, -1 - i, np.where(i >= n, 2 * n - 1 - i, i))
    elif border == REFLECT_101:
        i = np.where(i < 0, -i, np.where(i >= n, 2 * n - 2 - i, i))
    return i.clip(0, n - 1)


def extended(x: Tensor, before: int, after: int, border: int) -> Tensor:
    """(N, H, W, C) with more pixels on every side, as a border mode has them (a constant one: the edge)."""
    rows = torch.from_numpy(outside(x.shape[1], before, after, border)).to(x.device)
    columns = torch.from_numpy(outside(x.shape[2], before, after, border)).to(x.device)
    return x[:, rows][:, :, columns]


def warp(
    x: Tensor, inverse: NDArray[np.float64], size: Size, border: int, fill: Tensor, nearest: bool, levels: Levels
) -> Tensor:
    """Warp a batch.

    Args:
        x: float32 (N, H, W, C); not modified.
        inverse: float64 (N, 3, 3), from pixels of the result to pixels of the source.
        size: of the result.
        border: OpenCV's border mode.
        fill: float32 (C,) of a constant border.
        nearest: no interpolation.

    Returns:
        float32 (N, *size, C).
    """
    n, height, width, channels = x.shape
    source = extended(x, 1, _RIM - 1, border if border != CONSTANT else _REPLICATE)
    if border == CONSTANT:
        source[:, 0], source[:, height + 1 :] = fill, fill
        source[:, :, 0], source[:, :, width + 1 :] = fill, fill
    sx, sy = _coordinates(inverse, size, x)
    tx, ty = _parts(_folded(sx, width, border)), _parts(_folded(sy, height, border))
    if nearest:
        tx, ty = (tx + _PARTS // 2) & -_PARTS, (ty + _PARTS // 2) & -_PARTS
    stride = width + _RIM
    at = ((ty >> 8) * stride + (tx >> 8)).flatten(1)
    first = torch.arange(n, device=x.device)[:, None] * ((height + _RIM) * stride)
    at = (at + first).flatten()
    fx, fy = ((t & (_PARTS - 1)).to(torch.float32).flatten()[:, None] for t in (tx, ty))
    flat = source.reshape(-1, channels)
    above = _mix(flat[at], flat[at + 1], fx, levels)
    below = _mix(flat[at + stride], flat[at + stride + 1], fx, levels)
    return _mix(above, below, fy, levels).view(n, *size, channels)


def _coordinates(inverse: NDArray[np.float64], size: Size, like: Tensor) -> list[Tensor]:
    """Where the pixels of a result come from: float32 (N, H', W') of x and of y."""
    m = torch.from_numpy(inverse).to(like.device)[:, :, :, None, None]
    y = torch.arange(size[0], device=like.device, dtype=torch.float64)[:, None]
    x = torch.arange(size[1], device=like.device, dtype=torch.float64)
    # float32 for maps that keep lines parallel, as in the loops: a sample's map decides, never its batch.
    found = [
        m[:, i, 0].to(torch.float32) * x.to(torch.float32) + (m[:, i, 1] * y + m[:, i, 2]).to(torch.float32)
        for i in range(2)
    ]
    rows = np.flatnonzero((inverse[:, 2, :2] != 0).any(axis=1))
    if len(rows):
        m = take(m, rows)
        far = 1 / (m[:, 2, 0] * x + (m[:, 2, 1] * y + m[:, 2, 2]))
        for i in range(2):
            bent = (m[:, i, 0] * x + (m[:, i, 1] * y + m[:, i, 2])) * far
            found[i] = put(found[i], rows, bent.to(torch.float32))
    return found


def _folded(coordinates: Tensor, n: int, border: int) -> Tensor:
    """Into -1 … n by the border mode; not a number comes to the low end."""
    low, high, c = -1.0, float(n), coordinates
    if border == _REPLICATE or (n == 1 and border != CONSTANT):
        low, high = 0.0, float(n - 1)
    elif border == _WRAP:
        c = c - torch.floor(c / n) * n
    elif border == _REFLECT:
        c = c + 0.5
        c = (c - torch.floor(c / (2 * n) + 0.5) * (2 * n)).abs() - 0.5
    elif border == REFLECT_101:
        period = 2 * n - 2
        c = (c - torch.floor(c / period + 0.5) * period).abs()
    return torch.nan_to_num(c, nan=low).clamp(low, high)


def _parts(coordinates: Tensor) -> Tensor:
    """In 256ths of a pixel, counted from the rim."""
    return ((coordinates + 1) * _PARTS + 0.5).to(torch.int64)


def _mix(a: Tensor, b: Tensor, weight: Tensor, levels: Levels) -> Tensor:
    mixed = a * (_PARTS - weight) + b * weight
    return ((mixed + _PARTS // 2) / _PARTS).floor_() if levels.whole else mixed / _PARTS
