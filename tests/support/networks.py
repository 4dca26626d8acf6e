"""Networks of images that nobody trained, and their exported programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from augment_ops.modalities import modality
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.training import loop
from augment_ops.training.export import exported

Shape = tuple[int, ...]


def like(shape: Shape) -> np.ndarray:
    """No image of that shape."""
    return np.empty((0, *shape), np.uint8)


def untrained(shape: Shape, classes: int = 10, seed: int = 7, factory: Callable[..., Any] = small_cnn) -> Any:
    """The initial network."""
    return loop.build(factory, modality("image"), like(shape), classes, seed)


def without_dropout(shape: Shape, classes: int) -> Any:
    """The small network, which draws nothing while it trains: `support.networks:without_dropout`."""
    from torch import nn

    return nn.Sequential(*(layer for layer in small_cnn(shape, classes) if not isinstance(layer, nn.Dropout)))


def write_program(model: Any, shape: Shape, path: Path) -> None:
    """The `.pt2` of a model that takes images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(exported(model, like(shape)))
