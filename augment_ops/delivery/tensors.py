"""Batches as tensors, for a torch training loop of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch.utils.data import IterableDataset

from augment_ops.delivery.batches import BatchSource

if TYPE_CHECKING:
    import torch


class EpochDataset(IterableDataset):  # type: ignore[type-arg]
    """The batches of one epoch as torch's `IterableDataset` of (images, labels).

    Images come as the source has them: uint8 (N, H, W, C), or float32 where its policy normalises. Labels come as int64
    (N,), or as the soft labels of mixtures, float32 (N, K), which torch's cross_entropy takes as well. Use it as it is,
    or as `DataLoader(EpochDataset(source, epoch), batch_size=None)`; the workers are the source's own, so keep
    num_workers=0.

    Args:
        source: where the batches come from.
        epoch: which epoch; start: the number of its first batch, to resume in the middle.
        device: where tensors go; to CUDA they travel from pinned memory, while the computation before them runs.
    """

    def __init__(
        self, source: BatchSource, epoch: int, start: int = 0, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        self._source, self._epoch, self._start, self._device = source, epoch, start, device

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        import torch

        device = torch.device(self._device) if self._device is not None else None
        for batch in self._source.epoch(self._epoch, self._start):
            wanted = batch.labels if batch.mixed is None else batch.mixed.labels
            images, labels = torch.from_numpy(batch.images), torch.from_numpy(wanted)
            if device is not None and device.type == "cuda":
                images, labels = images.pin_memory(), labels.pin_memory()
            if device is not None:
                images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            yield images, labels
