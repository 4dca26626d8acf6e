"""Rows of numbers and codes, and gradient-boosted trees that a trainer made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.batches import WHOLE, Batch, Share, batch_rows
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task, Trained
from augment_ops.training.declared import fitted

N, VALIDATION = 240, 60
CATEGORICAL = (False, False, False, True)


def rows(n: int = N, seed: int = 0) -> np.ndarray:
    """float64 (n, 4): three numbers, one in twenty missing, and a code from 0 to 4."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(n, 4))
    found[:, 3] = rng.integers(0, 5, n)
    found[rng.random(found.shape) < 0.05] = np.nan
    return found


def labels_of(table: np.ndarray, classes: int) -> np.ndarray:
    """What the first number and the code say: not the one without the other."""
    score = np.nan_to_num(table[:, 0]) + 2 * (np.nan_to_num(table[:, 3]) % 2)
    return np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)).astype(np.int64)


def task(classes: int = 2, **changes: Any) -> Task:
    """240 rows to learn from and 60 others."""
    learnt, held_out = rows(), rows(VALIDATION, 1)
    given: dict[str, Any] = {
        "modality": "tabular",
        "classes": tuple("abcdef"[:classes]),
        "train": Labelled(ArrayPayload(learnt), labels_of(learnt, classes)),
        "validation": Labelled(ArrayPayload(held_out), labels_of(held_out, classes)),
        "augmented": False,
        "categorical": CATEGORICAL,
    }
    return Task(**{**given, **changes})


class Shifted:
    """Every epoch the rows with another small number on top of the first column, in batches of any size and order."""

    def __init__(self, of: Task, batch_size: int = 32, seed: int = 7) -> None:
        self._of, self._batch_size, self._seed = of, batch_size, seed
        self.asked: list[int] = []

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """See `BatchSource`."""
        self.asked.append(epoch)
        train = self._of.train
        for whole in batch_rows(self._seed, epoch, len(train.labels), self._batch_size)[start::step]:
            chosen = share.of(whole)
            samples = train.samples.take(chosen)
            samples[:, 0] += 0.01 * (epoch + 1)
            yield Batch(samples, train.labels[chosen], chosen, 0.0)

    def __len__(self) -> int:
        return len(batch_rows(self._seed, 0, len(self._of.train.labels), self._batch_size))

    def ready(self) -> int | None:
        """See `BatchSource`."""
        return None

    def close(self) -> None:
        """See `BatchSource`."""


def trees(of: Task | None = None, *, copies: int = 2, seed: int = 7, source: Any = None) -> Trained:
    """What the trainer makes of a task."""
    asked = task() if of is None else of
    return fitted(trainer("sklearn"), asked, source or Shifted(asked), Budget(copies, 32, seed), "auto")
