"""Which rows the batches of an epoch have, and which of them one of several processes gets.

Both are a function of (seed, epoch) and of the share alone: the batch of any number is the same for any number of
processes, which split each batch among them. So they make the steps of one process that has the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.arguments import check_place
from augment_ops.delivery.batches import WHOLE, Share, batch_rows, in_batches
from augment_ops.engine.key import generator, sample_key
from augment_ops.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Order:
    """The order of a split's epochs.

    Attributes:
        seed: decides it, with the number of the epoch.
        labels: int64 (N,), of the samples.
        batch_size: samples of a batch, of all processes together.
        balanced: whether every class comes equally often. An epoch has N samples then too: of a rare class each comes
            several times, with the same augmentation within one epoch; of a frequent one some do not come.
    """

    seed: int
    labels: NDArray[np.int64]
    batch_size: int
    balanced: bool = False

    def __len__(self) -> int:
        """Batches of an epoch, which every process has, whatever its share."""
        return len(in_batches(np.empty(len(self.labels), np.int64), self.batch_size))

    @property
    def complete(self) -> bool:
        """Whether an epoch has every sample once."""
        return not self.balanced

    def rows(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> list[NDArray[np.int64]]:
        """The rows of the batches of an epoch from number `start` on, every `step`-th, as far as they are the share's.

        Raises:
            InputError: a place that counts from the end, or batches of fewer samples than there are processes.
        """
        check_place(start, step)
        if share.world_size > self.batch_size:
            raise InputError(
                "epoch: batch_size",
                f"batches of {self.batch_size} for {share.world_size} processes",
                "a sample for each process at least",
                "make the batches larger, or start fewer processes",
            )
        if self.balanced:
            whole = in_batches(balanced_order(self.seed, epoch, self.labels), self.batch_size)
        else:
            whole = batch_rows(self.seed, epoch, len(self.labels), self.batch_size)
        return [share.of(rows) for rows in whole[start::step]]


def balanced_order(seed: int, epoch: int, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """As many rows as there are labels, of each class that occurs the same number or one more.

    Of a class, every row comes before one comes again; which come once more is drawn anew for each epoch, as is which
    classes get one more.

    Args:
        labels: int64 (N,).

    Returns:
        int64 (N,), a function of seed, epoch and labels alone.
    """
    draw = generator(sample_key("balanced order", seed, epoch))
    classes = draw.permutation(np.unique(labels))
    each, more = divmod(len(labels), len(classes))
    chosen = []
    for place, of in enumerate(classes):
        rows, wanted = np.flatnonzero(labels == of), each + (place < more)
        times, rest = divmod(wanted, len(rows))
        chosen += [np.tile(rows, times), draw.permutation(rows)[:rest]]
    return draw.permutation(np.concatenate(chosen)).astype(np.int64)
