"""One side of a comparison: the samples of a window, or of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import Images, payload_of
from augment_ops.errors import DataError
from augment_ops.modalities.base import Payload

_NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """N samples; a part that the source does not have is None.

    Attributes:
        digest: of the snapshot or window.
        size: N.
        columns: of a table, by name: float (N,) with NaN for missing, or object (N,) of text with None for missing.
        images: M ≤ N pictures, those of the most frequent shape; read when they are asked for.
        pixels: float (N,), height × width of each picture before anything was left out; by default from `images`.
        embeddings: float32 (M, D), in the order of `images`.
        predictions, labels: object (N,) of class names; None where there is none (yet).
        confidence: float (N,), the largest probability of each answer; NaN where there is none.
    """

    digest: str
    size: int
    columns: Mapping[str, NDArray[Any]] = field(default_factory=lambda: _NOTHING)
    images: Payload | None = None
    pixels: NDArray[Any] | None = None
    embeddings: NDArray[Any] | None = None
    predictions: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        parts = {"predictions": self.predictions, "labels": self.labels, "confidence": self.confidence}
        # A list, because a column may be called `predictions`.
        for name, values in [*parts.items(), ("pixels", self.pixels), *self.columns.items()]:
            if values is not None and len(values) != self.size:
                raise DataError(
                    f"drift check, {name}",
                    f"{len(values)} values for {self.size} samples",
                    "one value a sample (None or NaN where there is none), or no such column at all",
                    "build the window again from one source",
                )

    @classmethod
    def of_images(cls, digest: str, images: Images, labels: NDArray[Any] | None = None) -> Sample:
        """Pictures of one shape, with or without labels."""
        return cls(digest=digest, size=len(images), images=payload_of(images), labels=labels)

    @property
    def picture_sizes(self) -> NDArray[Any] | None:
        """Height × width of each picture, or None without pictures."""
        if self.pixels is not None or self.images is None:
            return self.pixels
        height, width, _ = self.images.shape
        return np.full(len(self.images), height * width, dtype=np.float64)
