from __future__ import annotations

import numpy as np
import pytest

from augment_ops.engine.cost import measure_cost
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError


class Counting:
    """Doubles numbers, and counts its calls."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def __call__(self, samples: np.ndarray, ids: SampleIds, epoch: int = 0) -> np.ndarray:
        self.epochs.append(epoch)
        return np.sort(samples * 2, axis=1)


def test_cost_is_measured_over_the_batches_asked_for():
    augment, samples = Counting(), np.random.default_rng(0).random((64, 500))
    cost = measure_cost(augment, samples, batches=9, warmup=2)
    assert cost.n == 9
    assert augment.epochs == list(range(11)), "each batch by a key of its own"
    assert 0 < cost.p50_ms <= cost.p95_ms


def test_no_sample_costs_nothing_that_could_be_measured():
    with pytest.raises(InputError, match="at least one sample"):
        measure_cost(Counting(), np.empty((0, 3)))
