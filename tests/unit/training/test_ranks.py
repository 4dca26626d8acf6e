"""Several processes make together the steps of one that has the whole batch: here threads, that gloo joins."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import torch
from torch import distributed, nn

from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.state import State, begun
from augment_ops.training.torch_settings import Optimizer, Schedule, TorchSettings

SIZE = 3
BATCHES = (7, 6, 2)  # of the last, the first process gets none
# Without Adam, to which a gradient that is nothing but rounding, of a bias before a normalisation, is as good as any.
PLAIN = {"optimizer": Optimizer(name="sgd", learning_rate=0.1, weight_decay=0.1), "schedule": Schedule(name="constant")}


def together(work: Callable[[Ranks], Any]) -> list[Any]:
    """What each of three threads makes, each with a group of gloo's of its own."""
    store = distributed.HashStore()

    def one(rank: int) -> Any:
        group = distributed.ProcessGroupGloo(store, rank, SIZE, timedelta(seconds=30))
        return work(Ranks(rank=rank, size=SIZE, add=lambda tensor: group.allreduce([tensor]).wait()))

    with ThreadPoolExecutor(SIZE) as pool:
        return list(pool.map(one, range(SIZE)))


class Net(nn.Module):
    """Normalises images and rows; one layer keeps what it is given, and one is used by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.rows = nn.Sequential(nn.LazyLinear(8), nn.BatchNorm1d(8, affine=False, momentum=None), nn.Tanh())
        self.out, self.unused = nn.Linear(8, 3), nn.Linear(2, 2)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return self.out(self.rows(self.images(samples)))


def trained(ranks: Ranks, net: nn.Module, settings: TorchSettings, weighted: bool, soft: bool) -> State:
    draw = torch.Generator().manual_seed(1)
    weights = torch.tensor([0.5, 1.0, 3.0]).numpy() if weighted else None
    state = begun(copy.deepcopy(net), settings, 1, len(BATCHES), "cpu", weights, ranks)
    for number, n in enumerate(BATCHES):
        samples = 5 + torch.randn((n, 1, 6, 6), generator=draw)
        labels = torch.randint(0, 3, (n,), generator=draw)
        wanted = nn.functional.one_hot(labels, 3).float() * 0.8 + 0.2 / 3 if soft else labels
        rows = torch.from_numpy(ranks.share.of(torch.arange(n).numpy()))
        _, value = state.stepper.take(number, samples[rows], wanted[rows])
        assert torch.isfinite(torch.tensor(value))
    return state


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    made = Net()
    made(torch.zeros(2, 1, 6, 6))  # which gives the lazy layer its size
    return made.train()


@pytest.mark.parametrize(
    ("settings", "weighted", "soft"),
    [
        (TorchSettings(**PLAIN), False, False),
        (TorchSettings(**PLAIN, label_smoothing=0.1, clip_norm=0.5), True, False),
        (TorchSettings(**PLAIN, accumulate=2, average=0.9), True, True),
    ],
    ids=["plain", "weighted", "soft"],
)
def test_the_step_is_that_of_the_whole_batch(net, settings: TorchSettings, weighted: bool, soft: bool) -> None:
    whole = trained(ALONE, net, settings, weighted, soft).states()
    parts = [state.states() for state in together(lambda ranks: trained(ranks, net, settings, weighted, soft))]
    for part in parts:
        for held in ("model", "average"):
            torch.testing.assert_close(part[held], whole[held], rtol=1e-4, atol=1e-5)
            assert part[held] is None or all(torch.equal(part[held][k], parts[0][held][k]) for k in part[held])
