"""The seam of what a sample looks like. A modality holds all that knows it; everything else asks the modality.

N samples are an array (N, *shape) of one dtype, and what a dimension means only the modality knows.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.codec import Codec

Samples = NDArray[Any]  # (N, *shape)


class Payload(Protocol):
    """N samples of one shape, wherever they lie and however they are kept.

    Safe to read from several threads. A pickle of it says where the samples lie rather than what they are, so that
    worker processes can have it.
    """

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        ...

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """The samples at `rows`, in that order: (n, *shape) in C order, a copy that belongs to the caller.

        Args:
            rows: int64 (n,), 0 to N - 1; any order, and a row more than once.

        Raises:
            IndexError: a row beyond the last.
            StoreError: the samples are missing or altered.
        """
        ...


class Modality(Protocol):
    """All that knows what a sample looks like."""

    @property
    def name(self) -> str:
        """As policies and manifests name it."""
        ...

    @property
    def codec(self) -> Codec:
        """What its data sets are read by."""
        ...
