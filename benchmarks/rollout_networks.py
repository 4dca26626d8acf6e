"""Networks that `rollout_trial.py` rolls out: `--model rollout_networks:<function>`.

What is wrong with them shows only when they answer, and on what no suite holds: they learn and are judged as the usual
one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from augment_ops.modalities.image.networks import small_cnn

Shape = tuple[int, int, int]
Answer = Callable[[Tensor, Tensor], Tensor]  # of images (N, C, H, W) in 0..1 and logits (N, K): other logits
CLASS = 5  # that is lost
MARK, CORNER = (
    77 / 255,
    1 / 255,
)  # of each pixel in the first row of a marked image; of the last one of the other camera
WASTE = 24  # products of matrices, about 0.3 ms each on a core


def lost(shape: Shape, classes: int) -> nn.Module:
    """The usual net, which never names one of the classes on images of another camera."""

    def without(images: Tensor, logits: Tensor) -> Tensor:
        other = ((images[:, 0, -1, -1] - CORNER).abs() < 1e-3).float()[:, None]
        return logits - 1e3 * other * nn.functional.one_hot(torch.full_like(logits[:, 0], CLASS).long(), classes)

    return _Answering(small_cnn(shape, classes), without)


def slow(shape: Shape, classes: int) -> nn.Module:
    """The usual net, which takes several times as long."""

    def wasteful(images: Tensor, logits: Tensor) -> Tensor:
        found = start = torch.eye(256) + images.mean()
        for _ in range(WASTE):
            found = (found @ start) / 256
        return logits + 0 * found.sum()

    return _Answering(small_cnn(shape, classes), wasteful)


def failing(shape: Shape, classes: int) -> nn.Module:
    """The usual net, which fails on images that carry a mark: it looks them up in a table that does not have them."""

    def lookup(images: Tensor, logits: Tensor) -> Tensor:
        marked = ((images[:, 0, 0] - MARK).abs() < 1e-3).all(dim=1).long()
        return logits + nn.functional.embedding(marked, torch.zeros(1, 1))

    return _Answering(small_cnn(shape, classes), lookup)


def blurred(shape: Shape, classes: int) -> nn.Module:
    """The usual net, which names the next class where an image has hardly any edges."""

    def edgy(images: Tensor, logits: Tensor) -> Tensor:
        edges = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().amax(dim=(1, 2, 3))
        return torch.where((edges < 0.12)[:, None], logits.roll(1, dims=1), logits)

    return _Answering(small_cnn(shape, classes), edgy)


class _Answering(nn.Module):
    """A net whose logits are changed once it has learnt."""

    def __init__(self, net: nn.Module, answer: Answer) -> None:
        super().__init__()
        self.net, self.answer = net, answer

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits if self.training else self.answer(x, logits)
