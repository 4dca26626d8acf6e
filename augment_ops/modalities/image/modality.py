"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augment_ops.modalities.base import Modality

if TYPE_CHECKING:
    from torch import nn


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"

    trainer = "torch"
    network = "augment_ops.modalities.image.networks:small_cnn"

    def as_network(self, net: nn.Module) -> nn.Module:
        from augment_ops.modalities.image.networks import with_pixel_input

        return with_pixel_input(net)

    def categorical(self, manifest: Any) -> tuple[bool, ...]:
        return ()


MODALITY: Modality = _Image()
