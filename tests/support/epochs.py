"""Several epochs of the same samples in one batch, as every augmenter takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples


def check_epochs_of_each(augment: BatchAugmenter, samples: Samples, ids: Sequence[str]) -> None:
    """See that they are the bytes of batches of one epoch each, in whatever order; and what is refused."""
    epochs = (5, 0, 3)
    wanted = np.concatenate([augment(samples, ids, epoch) for epoch in epochs])
    of_each = np.repeat(epochs, len(samples))
    repeated, hashed = np.concatenate([samples] * 3), SampleIds.of(ids).repeated(3)
    assert augment(repeated, hashed, of_each).tobytes() == wanted.tobytes()
    assert wanted[: len(samples)].tobytes() != wanted[len(samples) : 2 * len(samples)].tobytes()
    for odd in (of_each[1:], of_each.astype(np.float64), of_each[:, None]):
        with pytest.raises(TransformError, match="epoch"):
            augment(repeated, hashed, odd)
