"""One side of a comparison: the samples of a window, or of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import chunks, payload_of
from augment_ops.errors import DataError
from augment_ops.modalities import UNNAMED, modality
from augment_ops.modalities.base import Modality, Payload
from augment_ops.modalities.source import Samples, Schema

_NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """N samples; a part that the source does not have is None.

    Attributes:
        digest: of the snapshot or window.
        size: N.
        columns: of a table, by name: float (N,) with NaN for missing, or object (N,) of text with None for missing.
        payload: M ≤ N of the samples themselves, those of the most frequent shape; read when they are asked for.
        sizes: float (N,), the size of each sample before anything was left out; by default that of those in `payload`.
        embeddings: float32 (M, D), in the order of `payload`.
        predictions, labels: object (N,) of class names; None where there is none (yet).
        confidence: float (N,), the largest probability of each answer; NaN where there is none.
        modality: name of that of the samples; schema: of their data set, where its modality has one.
    """

    digest: str
    size: int
    columns: Mapping[str, NDArray[Any]] = field(default_factory=lambda: _NOTHING)
    payload: Payload | None = None
    sizes: NDArray[Any] | None = None
    embeddings: NDArray[Any] | None = None
    predictions: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None
    modality: str = UNNAMED
    schema: Schema | None = None

    def __post_init__(self) -> None:
        parts = {"predictions": self.predictions, "labels": self.labels, "confidence": self.confidence}
        # A list, because a column may be called `predictions`.
        for name, values in [*parts.items(), ("sizes", self.sizes), *self.columns.items()]:
            if values is not None and len(values) != self.size:
                raise DataError(
                    f"drift check, {name}",
                    f"{len(values)} values for {self.size} samples",
                    "one value a sample (None or NaN where there is none), or no such column at all",
                    "build the window again from one source",
                )

    @classmethod
    def of_payload(
        cls,
        digest: str,
        samples: Samples | Payload,
        labels: NDArray[Any] | None = None,
        *,
        modality: str = UNNAMED,
        schema: Schema | None = None,
    ) -> Sample:
        """Samples of one shape, with or without labels."""
        payload = payload_of(samples)
        return cls(digest=digest, size=len(payload), payload=payload, labels=labels, modality=modality, schema=schema)

    @property
    def kind(self) -> Modality:
        """What knows the samples."""
        return modality(self.modality)

    @property
    def all_sizes(self) -> NDArray[Any] | None:
        """The size of each sample, or None without samples."""
        if self.sizes is not None or self.payload is None:
            return self.sizes
        return np.full(len(self.payload), self.kind.size(self.payload.shape))

    @cached_property
    def features(self) -> Mapping[str, NDArray[Any]]:
        """What the modality makes of `payload`, (M,) each; none without samples. Read once, in order."""
        if self.payload is None:
            return {}
        parts = [self._of(batch) for _, batch in chunks(self.payload)]
        parts = parts or [self._of(self.payload.take(np.zeros(0, np.int64)))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @property
    def table(self) -> Mapping[str, NDArray[Any]]:
        """The columns that are compared: `columns`, or what samples that are rows of a table hold."""
        return self.columns if self.columns or self.kind.properties else self.features

    def _of(self, batch: Samples) -> Mapping[str, NDArray[Any]]:
        return self.kind.features(batch, self.schema)
