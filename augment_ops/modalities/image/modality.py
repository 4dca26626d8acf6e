"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from augment_ops.modalities.base import Corruptions, Modality
from augment_ops.modalities.image.checks import CHECKS
from augment_ops.modalities.image.codec import CODEC
from augment_ops.modalities.image.corruptions.catalogue import IMAGE_CORRUPTIONS
from augment_ops.quality.checks import Checks


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"
    plural = "images"
    codec = CODEC
    corruptions: Corruptions = IMAGE_CORRUPTIONS
    checks: Checks = CHECKS


MODALITY: Modality = _Image()
