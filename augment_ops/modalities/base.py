"""The seam of what a sample looks like. A modality holds all that knows it; everything else asks the modality.

N samples are an array (N, *shape) of one dtype, and what a dimension means only the modality knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities import source
from augment_ops.modalities.codec import Codec

if TYPE_CHECKING:
    from augment_ops.quality.checks import Checks

Samples = NDArray[Any]  # (N, *shape)
Schema = source.Schema  # what there is to know of a data set's samples beside their arrays


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

    # Words for rules, reports and pages.

    @property
    def plural(self) -> str:
        """What samples are called in rules and reports: `images`, `rows`."""
        ...

    # What suites are made of, and what samples are measured by.

    @property
    def corruptions(self) -> Corruptions:
        """What stress suites do to samples."""
        ...

    @property
    def checks(self) -> Checks:
        """What samples are measured by before augmentation and after it."""
        ...
