"""Normalize: from levels to the numbers that a model wants, at the end of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment_ops.modalities.image.declaration import Declaration


@dataclass(frozen=True)
class Normalise:
    """A normalisation with its parameters.

    Attributes:
        kind: `standard`, or from the image's own `image`, `image_per_channel`, `min_max`, `min_max_per_channel`.
        mean, std: of `standard`, in levels of 255; one value, or one a channel.
    """

    kind: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalize(values: Mapping[str, Any]) -> Normalise:
    """Normalize. Draws nothing."""
    most = values["max_pixel_value"] or 1.0
    mean, std = (tuple((np.atleast_1d(values[k]) * most).tolist()) for k in ("mean", "std"))
    return Normalise(values["normalization"], mean, std)


DECLARED = (
    Declaration(
        name="Normalize",
        compile=normalize,
        trains_on_nothing="it comes after everything that a corruption does",
        needs_colour=True,
        chance=False,
        not_compared="by a test of its own: its results are no levels",
    ),
)
