"""What processes that train one network together add up, so that all of them make the step of one with the whole batch.

Each has a share of every batch. A loss is a sum over samples divided by what all of them count for, so gradients are
added up, never averaged: shares differ in size, and an average would count the samples of a small one for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augment_ops.delivery.batches import Share

if TYPE_CHECKING:
    import torch


class PeerLost(Exception):  # noqa: N818 - of another process, which has the error
    """The others did not answer: what ended this process lies with one of them, and nowhere here."""


def _alone(_: torch.Tensor) -> None:
    """One process has the sum over all processes already."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """One of several processes that train together; by default the only one.

    All of them call the same methods in the same order, with tensors of the same sizes.

    Attributes:
        rank: number of this process, from 0; size: how many there are.
        device: where what is added up lies.
        add: puts into a tensor its sum over all processes, in an order that is always the same; raises `PeerLost`.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    add: Callable[[torch.Tensor], object] = _alone

    @property
    def share(self) -> Share:
        """What this process gets of every batch."""
        return Share(self.rank, self.size)

    @property
    def own(self) -> tuple[int, ...]:
        """What tells the draws of this process from those of the others, as further parts of a key: the first makes
        the draws of a process that is alone.
        """
        return (self.rank,) if self.rank else ()

    def sums(self, *values: float) -> tuple[float, ...]:
        """The sum of each over all processes."""
        if self.size == 1:
            return values
        import torch

        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        self.add(together)
        return tuple(together.tolist())

    def gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Put into each parameter's gradient its sum, in one message; where no process has one it stays None."""
        import torch

        trained = [one for one in parameters if one.requires_grad]
        if self.size == 1 or not trained:
            return
        there = torch.tensor([float(one.grad is not None) for one in trained], device=trained[0].device)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in trained]
        flat = torch.cat([*(part.flatten() for part in parts), there])
        self.add(flat)
        *sums, there = torch.split(flat, [*(part.numel() for part in parts), len(parts)])
        for one, part, found, of_any in zip(trained, parts, sums, there.tolist(), strict=True):
            if of_any:
                one.grad = part.copy_(found.view_as(part))

    def first(self, content: bytes) -> bytes:
        """What the first process has; of the others nothing is asked but to call it."""
        import torch

        own = np.frombuffer(b"" if self.rank else content, np.uint8)
        held = torch.zeros(int(*self.sums(len(own))), dtype=torch.uint8, device=self.device)
        if len(own):
            held.copy_(torch.from_numpy(own.copy()))
        self.add(held)
        return held.cpu().numpy().tobytes()


ALONE = Ranks()
