"""The samples that a model learns from, as checks of augmented ones look at them: neighbours, subjects and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Payload

Names = NDArray[np.object_]  # (M,) of text; None where a sample has none


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingSamples:
    """M samples, of which those that are compared are some.

    Attributes:
        payload: the samples; to be read a bounded part at a time.
        labels: int64 (M,).
        places: int64 (N,), where the originals of the N pairs stand among them.
        subjects: whom or what each belongs to; None where the data set names none.
        groups: of columns that are kept beside the samples, each sample's group.
    """

    payload: Payload
    labels: NDArray[np.int64]
    places: NDArray[np.int64]
    subjects: Names | None = None
    groups: Mapping[str, Names] = field(default_factory=dict)


def names_of(values: Sequence[str | None]) -> Names:
    """Texts and what is missing, as an array."""
    return np.array([*values, None], dtype=object)[:-1]
