"""The keys of samples: what a policy draws from, of (policy digest, seed, epoch, sample id)."""

from __future__ import annotations

from operator import index

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.errors import TransformError

Epoch = int | NDArray[np.int64]  # of all samples of a batch, or int64 (N,), of each


def checked_epoch(epoch: Epoch, count: int) -> Epoch:
    """An epoch as it may be part of keys.

    Args:
        count: samples of the batch.

    Raises:
        TypeError: what is no integer: 3.0 would be another key than 3.
        TransformError: not one a sample.
    """
    if not isinstance(epoch, np.ndarray):
        return index(epoch)
    if epoch.dtype != np.int64 or epoch.shape != (count,):
        found, expected = f"{epoch.dtype} {epoch.shape}", f"an integer, or int64 ({count},)"
        raise TransformError("epoch", found, expected, "give one for all samples, or one for each")
    return epoch


def keys_of(digest: str, seed: int, epoch: Epoch, ids: SampleIds) -> NDArray[np.uint64]:
    """Keys of samples, uint64 (N, 2).

    Args:
        digest: of the policy.
        epoch: as `checked_epoch` gives it.
    """
    if not isinstance(epoch, np.ndarray):
        return philox.derive(sample_key(digest, seed, epoch), ids.words)
    found = np.empty_like(ids.words)
    for one in np.unique(epoch).tolist():
        rows = np.flatnonzero(epoch == one)
        found[rows] = philox.derive(sample_key(digest, seed, one), ids.words[rows])
    return found
