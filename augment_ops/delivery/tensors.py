"""Batches as tensors, for a torch training loop of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.batches import BatchSource, Share
from augment_ops.delivery.on_device import OnDevice
from augment_ops.extras import missing

try:
    from torch.utils.data import IterableDataset
except ModuleNotFoundError as error:
    raise missing(error, __name__) or error from error

if TYPE_CHECKING:
    import torch


class EpochDataset(IterableDataset):  # type: ignore[type-arg]
    """The batches of one epoch as torch's `IterableDataset` of (samples, labels).

    Samples (N, *shape) come as the source has them. Labels come as int64
    (N,), or as the soft labels of mixtures, float32 (N, K), which torch's cross_entropy takes as well. Use it as it is,
    with the source's own workers, or as `DataLoader(EpochDataset(source, epoch), batch_size=None, num_workers=4)`
    around a source of workers=0: then every worker makes its share of the batches, and they come in the same order.

    Args:
        source: where the batches come from.
        epoch: which epoch; start: the number of its first batch, to resume in the middle.
        device: where tensors go; to CUDA they travel from pinned memory, while the computation before them runs.
        rank, world_size: of the process among those that train together, RANK and WORLD_SIZE under `torchrun`. It gets
            its share of every batch; all have as many batches, and the samples of an epoch are the same whatever
            their number.
        then: augments there what comes of a source that does not.

    Raises:
        InputError: no such rank.
    """

    def __init__(
        self,
        source: BatchSource,
        epoch: int,
        start: int = 0,
        device: torch.device | str | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        then: OnDevice | None = None,
    ) -> None:
        super().__init__()
        self._then = then
        self._source, self._epoch, self._start, self._device = source, epoch, start, device
        self._share = Share(rank, world_size)

    def __len__(self) -> int:
        """Batches that are still to come of the epoch, the same number for every process."""
        return max(0, len(self._source) - self._start)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        import torch
        from torch.utils.data import get_worker_info

        device = torch.device(self._device) if self._device is not None else None
        worker = get_worker_info()  # torch takes one batch of each worker in turn
        start, step = (self._start, 1) if worker is None else (self._start + worker.id, worker.num_workers)
        for batch in self._source.epoch(self._epoch, start, step, self._share):
            wanted = batch.labels if batch.mixed is None else batch.mixed.labels
            pin = device is not None and device.type == "cuda"
            samples, labels = (_pinned(a) if pin else torch.from_numpy(a) for a in (batch.samples, wanted))
            if device is not None:
                samples, labels = samples.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            yield samples if self._then is None else self._then(samples, batch.rows, self._epoch), labels


def _pinned(array: NDArray[Any]) -> torch.Tensor:
    """A copy in pinned memory, made by one thread.

    torch's own would share it out among as many threads as the machine has cores, and wait for those whose cores are
    busy augmenting: 2 ms for a batch that takes 0.1 ms.
    """
    import torch

    pinned = torch.empty_like(torch.from_numpy(array), pin_memory=True)
    np.copyto(pinned.numpy(), array)
    return pinned
