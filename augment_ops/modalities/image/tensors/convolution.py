"""Convolutions on tensors: shifted pictures, weighted and added, in the order of the kernel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.modalities.image.tensors.levels import Levels, on
from augment_ops.modalities.image.tensors.warp import REFLECT_101, extended


def convolve(x: Tensor, levels: Levels, kernels: NDArray[np.float32]) -> Tensor:
    """Convolve every sample with its own kernel.

    Library convolutions may compute in less than float32 on a GPU; sums in a fixed order are the same everywhere.

    Args:
        x: float32 (N, H, W, C); not modified.
        kernels: (N, K), rows and then columns; or (N, K, K).
    """
    weights = on(x, kernels)
    radius = kernels.shape[1] // 2
    source = extended(x, radius, radius, REFLECT_101)
    if kernels.ndim == 2:
        return levels.nearest(_along(_along(source, weights, 2), weights, 1))
    height, width = x.shape[1:3]
    total = torch.zeros_like(x)
    for dy, dx in np.argwhere((kernels != 0).any(axis=0)).tolist():
        total += source[:, dy : dy + height, dx : dx + width] * weights[:, dy, dx].view(-1, 1, 1, 1)
    return levels.nearest(total)


def _along(source: Tensor, weights: Tensor, axis: int) -> Tensor:
    size = weights.shape[1]
    length = source.shape[axis] - size + 1
    total = torch.zeros_like(source.narrow(axis, 0, length))
    for k in range(size):
        total += source.narrow(axis, k, length) * weights[:, k].view(-1, 1, 1, 1)
    return total
