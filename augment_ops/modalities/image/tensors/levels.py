"""What the numbers of a tensor stand for, and the rows of a batch that an operation works on.

Pixels are float32 in every operation. Those of uint8 images stay whole numbers from 0 to 255, rounded after every
operation as the compiled loops round; those of float images run from 0 to 1 and are never rounded. Levels that a policy
names count in 255ths either way, so that a policy means the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FIXED = 1 << 36  # parts of one: a hundred million of them still add up in int64


@dataclass(frozen=True)
class Levels:
    """The range of the pixels: `top` is white, `whole` whether there is nothing between two levels."""

    top: float
    whole: bool

    @property
    def step(self) -> float:
        """One of 255 levels."""
        return self.top / 255

    def cut(self, x: Tensor) -> Tensor:
        """Into the range, in place; fractions dropped where levels are whole."""
        x.clamp_(0, self.top)
        return x.floor_() if self.whole else x

    def nearest(self, x: Tensor) -> Tensor:
        """Into the range, in place; to the nearest level where levels are whole, halves to even."""
        x.clamp_(0, self.top)
        return x.round_() if self.whole else x

    def floor(self, x: Tensor) -> Tensor:
        """What integer arithmetic leaves of a quotient."""
        return x.floor() if self.whole else x


WHOLE = Levels(255.0, True)
UNIT = Levels(1.0, False)


def take(x: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """A copy of some samples of (N, ...)."""
    return x.clone() if len(rows) == len(x) else x[torch.from_numpy(rows).to(x.device)]


def put(x: Tensor, rows: NDArray[np.int64], part: Tensor) -> Tensor:
    """`x` with some samples replaced, in place where a part of them is."""
    if len(rows) == len(x):
        return part
    x[torch.from_numpy(rows).to(x.device)] = part
    return x


def on(x: Tensor, values: NDArray[np.generic]) -> Tensor:
    """Numbers of the parameters on the device of `x`; float64 becomes float32."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(x.device)


def wide(values: Tensor, x: Tensor) -> Tensor:
    """(N,) or (N, C), to multiply (N, H, W, C) by."""
    return values.view(len(x), 1, 1, -1)


def mean(x: Tensor, levels: Levels) -> Tensor:
    """Mean of each sample, float64 (N,).

    The sum is one of integers: whatever order a device adds in, the result is the same.
    """
    parts = 1 if levels.whole else _FIXED
    total = (x.flatten(1).to(torch.float64) * parts).round_().to(torch.int64).sum(dim=1)
    return total.to(torch.float64) / (parts * x[0].numel())
