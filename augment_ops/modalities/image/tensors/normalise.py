"""Normalize on tensors; the one place that computes it, for arrays too."""

from __future__ import annotations

import torch
from torch import Tensor

from augment_ops.errors import TransformError
from augment_ops.modalities.image.tensors.levels import UNIT, Levels, mean
from augment_ops.modalities.image.transforms.normalise import Normalise

_NOT_ZERO, _FARTHEST = 1e-4, 20.0  # albumentations' own, in levels of 255


def normalise(x: Tensor, levels: Levels, operation: Normalise, where: str) -> Tensor:
    """Scale a batch.

    Args:
        x: (N, H, W, C) of any type; not modified.
        levels: what its numbers stand for.
        operation: how.
        where: as errors name it.

    Returns:
        float32 (N, H, W, C).

    Raises:
        TransformError: a mean or deviation for another number of channels.
    """
    x = x.to(torch.float32) / levels.step
    n, _, _, channels = x.shape
    if operation.kind == "standard":
        if not {len(operation.mean), len(operation.std)} <= {1, channels}:
            raise TransformError(
                where,
                f"mean of {len(operation.mean)} and std of {len(operation.std)} values, images of {channels} channels",
                f"1 or {channels} values, one a channel",
                "match the number of channels",
            )
        middle, width = (torch.tensor(v, dtype=torch.float32, device=x.device) for v in (operation.mean, operation.std))
        return (x - middle) * (1 / width)
    # Of the whole image, or of each channel: both as (N, parts, values).
    parts = x.movedim(3, 1).flatten(2) if operation.kind.endswith("per_channel") else x.flatten(1)[:, None]
    if operation.kind.startswith("image"):
        low, spread = _moments(parts)
        return ((x - low.view(n, 1, 1, -1)) / (spread.view(n, 1, 1, -1) + _NOT_ZERO)).clamp_(-_FARTHEST, _FARTHEST)
    low, high = parts.amin(dim=2), parts.amax(dim=2)
    return (x - low.view(n, 1, 1, -1)) / ((high - low).view(n, 1, 1, -1) + _NOT_ZERO)


def _moments(parts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (N, P, values), float32 (N, P)."""
    n, p, _ = parts.shape
    shares = parts.flatten(0, 1) / 255
    middle = mean(shares, UNIT)
    spread = mean((shares - middle[:, None]).square(), UNIT).sqrt() * 255
    middle = middle * 255
    return middle.view(n, p).to(torch.float32), spread.view(n, p).to(torch.float32)
