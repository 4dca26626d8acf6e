"""Augmentation where the training computes: originals travel, and the net's device makes of them what it trains on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Ids, SampleIds
from augment_ops.errors import InputError
from augment_ops.modalities.catalogue import BatchAugmenter

if TYPE_CHECKING:
    from torch import Tensor


class TensorAugmenter(BatchAugmenter, Protocol):
    """One that works on tensors as well, on their device."""

    def tensors(self, images: Tensor, ids: Ids | SampleIds, epoch: int = 0) -> Tensor:
        """Augment a batch (N, *shape) on the device where it is, from the same keys as a call."""
        ...


def works_on_tensors(augmenter: BatchAugmenter) -> TypeGuard[TensorAugmenter]:
    """Whether it is one. An `isinstance` of the protocol would ask for each of its properties before Python 3.12, and
    `engine` may be of all samples of a training part.
    """
    return hasattr(augmenter, "tensors")


@dataclass(frozen=True, kw_only=True)
class OnDevice:
    """What makes a batch of originals into what a source with this augmenter would have delivered.

    Attributes:
        augmenter: of a policy that is compiled as a whole: what is not would travel back to the processor.
        ids: of all samples of the split.

    Raises:
        InputError: a policy that is not, or an augmenter of no tensors.
    """

    augmenter: BatchAugmenter
    ids: SampleIds

    def __post_init__(self) -> None:
        of_tensors = works_on_tensors(self.augmenter)
        if not of_tensors or self.augmenter.holds_the_interpreter or self.augmenter.policy.mixing is not None:
            # What computes for other samples may name all of them, and would read them for this sentence.
            by = self.augmenter.engine if of_tensors else type(self.augmenter).__name__
            raise InputError(
                "OnDevice",
                f"the policy {self.augmenter.policy.name}, computed by {by}",
                "one that is compiled as a whole, without mixing, of samples that a device can augment",
                "let the source augment: OnlineBatches(…, augmenter, …)",
            )

    def __call__(self, samples: Tensor, rows: NDArray[np.int64], epoch: int) -> Tensor:
        """Augment a batch on its device.

        Args:
            samples: (N, *shape), the originals of `rows`; not modified.
            epoch: number of the epoch.
        """
        assert works_on_tensors(self.augmenter)
        if not len(rows):  # a process's share of the last batch, in the type and shape of the others
            return self(samples.new_zeros((1, *samples.shape[1:])), np.zeros(1, np.int64), epoch)[:0]
        return self.augmenter.tensors(samples, self.ids[rows], epoch)
