"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from augment_ops.modalities.base import Modality
from augment_ops.modalities.image.codec import CODEC


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"
    codec = CODEC


MODALITY: Modality = _Image()
