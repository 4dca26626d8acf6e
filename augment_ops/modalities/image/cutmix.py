"""CutMix: a box of one image in another. Source: Yun et al. 2019, arXiv:1905.04899."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def boxes_pasted(
    own: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64], u: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A box of `other` in `own`, of the area 1 - weight before the frame cuts it; the weights after.

    Args:
        own, other: (N, H, W, C); not modified.
        weights: float64 (N,), 0 to 1; u: float64 (N, 2), the centre of the box in shares of the height and width.
    """
    height, width = own.shape[1:3]
    half = np.sqrt(1 - weights)[:, None] * [height, width] / 2
    centre = u * [height, width]
    low = np.clip(np.rint(centre - half), 0, [height, width]).astype(int)
    high = np.clip(np.rint(centre + half), 0, [height, width]).astype(int)
    out = own.copy()
    for i, ((top, left), (bottom, right)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        out[i, top:bottom, left:right] = other[i, top:bottom, left:right]
    return out, 1 - (high - low).prod(axis=1) / (height * width)
