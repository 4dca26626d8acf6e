"""Networks that nobody should serve for long: one fails on some images, one is slow, one has lost a class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

BRIGHT = 250  # of the first pixel, from which on a `Failing` one fails


class Failing(nn.Module):
    """Looks a bright image up in a table that does not have it."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("table", torch.zeros(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.flatten(1)[:, 0] >= BRIGHT).long() * 7
        return self.net(x) + nn.functional.embedding(bright, self.table)


class Slow(nn.Module):
    """Multiplies matrices that nobody needs."""

    def __init__(self, net: Any, times: int = 8) -> None:
        super().__init__()
        self.net, self.times = net, times
        self.register_buffer("matrix", torch.eye(512))

    def forward(self, x: Tensor) -> Tensor:
        waste = self.matrix
        for _ in range(self.times):
            waste = waste @ self.matrix
        return self.net(x) + 0 * waste.sum()


class Lost(nn.Module):
    """Never names one of its classes."""

    def __init__(self, net: Any, place: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("never", -1e3 * nn.functional.one_hot(torch.tensor(place), 10).float())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + self.never
