"""Masks as tensors, held against the images that they belong to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from augment_ops.errors import TransformError


def masks_of(given: Any, images: Tensor) -> Tensor:
    """The masks of a batch of images (N, H, W, C).

    Raises:
        TransformError: no tensor, another type, shape or device.
    """
    shape = tuple(images.shape[:3])
    if not isinstance(given, Tensor) or given.dtype not in (torch.uint8, torch.bool) or given.device != images.device:
        found = f"{given.dtype} on {given.device}" if isinstance(given, Tensor) else type(given).__name__
        raise TransformError(
            "masks", found, f"a tensor of uint8 or bool on {images.device}, as the images", "move the masks there"
        )
    if given.ndim != images.ndim or tuple(given.shape[:3]) != shape or 0 in given.shape:
        expected = f"({', '.join(map(str, shape))}, K)"
        raise TransformError("masks", str(tuple(given.shape)), expected, "give a mask of every image")
    return given
