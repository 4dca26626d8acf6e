"""Networks of histories: what comes next by what came before, by popularity alone, and what histories are made into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_NUMBERS = 48  # of the vector of an item
_DROPOUT = 0.2
_SPREAD = 0.1  # of embeddings at first: their products then are small beside the bias, which learns popularity first
_HOUR_S = 3600.0
_LEFT_OUT = -1e4  # of a place without an item, before softmax; infinity would be no number where all are empty


def pooled(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The average of what was had before, weighted by how long ago, against every item.

    Items have one table of vectors, as what was had and as what may come: an item that nobody had next is learnt from
    histories. One number is learnt for items that were had before, which are had again in a shop and hardly for films.
    A code beyond the catalogue counts as no item.

    Args:
        input_shape: (H, 2) of the histories.
        classes: number of items.

    Returns:
        A module from int64 (N, H, 2) to float32 logits (N, classes).

    Source: Covington et al. 2016, "Deep Neural Networks for YouTube Recommendations", doi 10.1145/2959100.2959190: the
    average of embeddings under a softmax over all items. Full softmax rather than drawn negatives: Klenitskiy & Vasilev
    2023, arXiv:2309.07602.
    """
    import torch
    from torch import nn

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = nn.Embedding(classes + 1, _NUMBERS)
            nn.init.normal_(self.items.weight, std=_SPREAD)
            self.place = nn.Parameter(torch.zeros(input_shape[0]))
            self.fading = nn.Parameter(torch.zeros(1))
            self.turn = nn.Linear(_NUMBERS, _NUMBERS)
            self.drop = nn.Dropout(_DROPOUT)
            self.again = nn.Parameter(torch.zeros(1))
            self.popularity = nn.Parameter(torch.zeros(classes))

        def forward(self, histories: Tensor) -> Tensor:
            items = _known(histories[:, :, 0], classes)
            hours = histories[:, :, 1].to(torch.float32) / _HOUR_S
            weights = self.place - self.fading * torch.log1p(hours)
            weights = torch.where(items > 0, weights, torch.full_like(weights, _LEFT_OUT))
            shares = torch.softmax(weights, dim=1) * (items > 0)
            had = (shares.unsqueeze(2) * self.items(items)).sum(dim=1)
            wanted = self.turn(self.drop(had))
            logits: Tensor = wanted @ self.items.weight[1:].t() + self.popularity
            return logits + self.again * _seen(items, classes)

    return Pooled()


def popularity(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """How often each item is had, whatever came before: the least that a recommender has to beat.

    Args:
        input_shape: (H, 2) of the histories.
        classes: number of items.

    Returns:
        A module from int64 (N, H, 2) to float32 logits (N, classes).
    """
    import torch
    from torch import nn

    class Popularity(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.again = nn.Parameter(torch.zeros(1))
            self.popularity = nn.Parameter(torch.zeros(classes))

        def forward(self, histories: Tensor) -> Tensor:
            seen = _seen(_known(histories[:, :, 0], classes), classes)
            logits: Tensor = self.popularity + self.again * seen
            return logits

    return Popularity()


def _known(items: Tensor, classes: int) -> Tensor:
    """Codes of items; 0 for those beyond the catalogue."""
    import torch

    return torch.where(items <= classes, items, torch.zeros_like(items))


def _seen(items: Tensor, classes: int) -> Tensor:
    """1 for each item that was had before, else 0: float32 (N, classes)."""
    import torch

    seen = items.new_zeros((items.shape[0], classes + 1), dtype=torch.float32)
    return seen.scatter(1, items, 1.0)[:, 1:]


def with_history_input(net: nn.Module) -> nn.Module:
    """A net that takes int32 (N, H, 2), around one of int64 (N, H, 2): torch looks up and adds numbers of that type."""
    import torch
    from torch import nn

    class HistoryInput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, histories: Tensor) -> Tensor:
            logits: Tensor = self.net(histories.to(torch.int64))
            return logits

    return HistoryInput()
