"""Noise."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import numpy as np

from augment_ops.modalities.image.transforms.noise import POOL_SCALE
from support.truths import SIZE, Compared, Drawn, arguments


def _gauss(operation: Any, u: np.ndarray) -> np.ndarray:
    """Standard deviation and mean in grey levels from fixed point."""
    gain, mean, back = operation.arguments(u, SIZE).T
    return np.stack([gain * back / (1 << 32) * POOL_SCALE, mean * back / (1 << 16)], axis=1)


def _per_channel(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    return A.MultiplicativeNoise(per_channel=True).apply(image, multiplier=arguments(node, u)[:3])


COMPARED = {
    "MultiplicativeNoise: {per_channel: true, p: 1}": Compared(theirs=_per_channel),
}
DRAWN = {
    "GaussNoise: {std_range: [0.02, 0.1], mean_range: [-0.1, 0.2]}": Drawn(
        _gauss,
        lambda p: [float(p["noise_map"].std()), float(p["noise_map"].mean())],
    ),
    "ISONoise: {}": Drawn(lambda o, u: o.arguments(u, SIZE)[:, :2], lambda p: [p["color_shift"], p["intensity"]]),
    "MultiplicativeNoise: {multiplier: [0.5, 1.5], per_channel: true}": Drawn(
        lambda o, u: o.arguments(u, 3)[:, :3],
        lambda p: list(map(float, p["multiplier"])),
    ),
    "MultiplicativeNoise: {multiplier: [0.5, 1.5]}": Drawn(
        lambda o, u: o.arguments(u, 3)[:, :1],
        lambda p: [float(np.ravel(p["multiplier"])[0])],
    ),
    "SaltAndPepper: {amount: [0.01, 0.1]}": Drawn(
        lambda o, u: np.stack(
            [o.arguments(u, SIZE)[:, 1], (o.arguments(u, SIZE)[:, 0] - o.arguments(u, SIZE)[:, 1])], 1
        ),
        lambda p: [float(p["salt_mask"].sum()), float(p["pepper_mask"].sum())],
    ),
}
