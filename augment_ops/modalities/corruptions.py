"""The seam of stress suites: what corrupts the samples of a modality, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.source import Samples, Schema

SEVERITIES = (1, 2, 3, 4, 5)  # of a corruption; 0 is the untouched sample
Strengths = Mapping[str, Sequence[float]]  # each parameter of a corruption → five strengths, one for each severity


class Corrupter(Protocol):
    """The corruptions as they are for one data set."""

    def __call__(
        self, name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
    ) -> Samples:
        """Corrupt a batch. Every draw is keyed by (corruption, severity, sample id), so that no batch matters.

        Args:
            name: of the corruption; severity: 1 to 5.
            samples: (N, *shape) of the modality's dtype; not modified.
            ids: N sample ids; equal ids draw alike.
            params: the strengths that a suite gives; None for the published ones.

        Returns:
            A new array of that shape and dtype.

        Raises:
            TransformError: unknown corruption or severity, strengths that do not fit it, or samples that it cannot
                work on.
        """
        ...


class Corruptions(Protocol):
    """The nuisances that stress suites of a modality are made of, one at a time, at five severities."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every corruption; the other methods take one of them."""
        ...

    @property
    def causes(self) -> tuple[str, ...]:
        """How a corruption can destroy a sample, a word each; up to 255."""
        ...

    def parameters(self, name: str) -> Mapping[str, str]:
        """Each parameter → its unit in words."""
        ...

    def fault(self, name: str, params: Strengths) -> str:
        """What is expected of explicit strengths, where these are wrong; else empty. Strengths rise with severity."""
        ...

    def in_levels(self, name: str) -> bool:
        """Whether its strengths are shares of a range of values, which a suite may bind to what a data set has."""
        ...

    def published(self, name: str, shape: tuple[int, ...]) -> Strengths:
        """The strengths that samples of a shape meet where a suite gives none."""
        ...

    def published_content(self, name: str) -> object:
        """All that decides `published`, as plain values: it enters the digest of suites that give no strengths."""
        ...

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        """What it needs that samples of a shape do not have; empty where it works on them."""
        ...

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        """What corrupts a data set: strengths that are relative to it are measured here, once.

        Args:
            batches: all of its samples that are corrupted, a part at a time; read only where something is measured.
            schema: of the data set, where its modality has one.
            of_levels: the corruptions whose strengths are shares of the range of values that this data set has.
        """
        ...

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        """Why nothing is left of each sample: uint8 (N,), 0 where something is, else the place in `causes`, from 1.

        Each sample by itself, from nothing but these two, so that it is found again from frozen ones.

        Args:
            clean, corrupted: (N, *shape), sample by sample.
        """
        ...
