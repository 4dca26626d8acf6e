"""PlanckianJitter."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import numpy as np
from albumentations.augmentations.pixel import functional as pixel

from support.truths import Compared, Drawn, arguments

KELVINS = np.arange(3000, 15001)
# Red and blue against green at each temperature, as the library makes them of a pixel of one; to turn factors back.
_WHITE = np.ones((1, 1, 3), np.float32) / 8  # so that no factor is cut
FACTORS = np.array([8 * pixel.planckian_jitter(_WHITE, int(k), "blackbody")[0, 0] for k in KELVINS])


def _kelvin(factors: np.ndarray) -> int:
    return int(KELVINS[np.abs(FACTORS[:, [0, 2]] - factors[[0, 2]]).sum(axis=1).argmin()])


def _theirs(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    return A.PlanckianJitter().apply(image, temperature=_kelvin(arguments(node, u)[:3]))


def _drawn(operation: Any, u: np.ndarray) -> np.ndarray:
    """Temperatures, from the factors of red and blue."""
    return np.array([[_kelvin(row[:3])] for row in operation.arguments(u, 3)], float)


COMPARED = {"PlanckianJitter: {p: 1}": Compared(theirs=_theirs)}
DRAWN = {
    "PlanckianJitter: {}": Drawn(_drawn, lambda p: [p["temperature"]]),
    "PlanckianJitter: {sampling_method: gaussian}": Drawn(_drawn, lambda p: [p["temperature"]]),
    "PlanckianJitter: {temperature_limit: [4000, 9000]}": Drawn(_drawn, lambda p: [p["temperature"]]),
}
