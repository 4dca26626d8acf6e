"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from augment_ops.modalities.base import Modality


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"


MODALITY: Modality = _Image()
