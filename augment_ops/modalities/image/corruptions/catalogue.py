"""The corruptions of images as stress suites ask for them: see `augment_ops.modalities.corruptions.Corruptions`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.corruptions import Corrupter, Corruptions, Strengths
from augment_ops.modalities.image.corruptions import CORRUPTIONS, SEVERITIES, Image, apply, remains, shape_fault
from augment_ops.modalities.source import Schema


class _ImageCorruptions:
    """The corruptions of `CORRUPTIONS`."""

    names = tuple(CORRUPTIONS)
    causes = remains.CAUSES

    def parameters(self, name: str) -> Mapping[str, str]:
        return {parameter: strength.unit for parameter, strength in CORRUPTIONS[name].parameters.items()}

    def fault(self, name: str, params: Strengths) -> str:
        return CORRUPTIONS[name].fault(params)

    def in_levels(self, name: str) -> bool:
        return all(strength.in_levels for strength in CORRUPTIONS[name].parameters.values())

    def published(self, name: str, shape: tuple[int, ...]) -> Strengths:
        corruption, side = CORRUPTIONS[name], min(shape[:2])
        by_severity = (corruption.published(severity, side) for severity in SEVERITIES)
        return dict(zip(corruption.parameters, zip(*by_severity, strict=True), strict=True))

    def published_content(self, name: str) -> object:
        return {"small": CORRUPTIONS[name].small, "large": CORRUPTIONS[name].large}

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        fault = shape_fault(name, shape)
        return fault and f"{fault} (the suite invariances serves all images)"

    def bound(self, batches: Iterable[Image], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        share = _levels(batches) / 255 if of_levels else 1.0

        def corrupt(
            name: str, severity: int, samples: Image, ids: Sequence[str], params: Strengths | None = None
        ) -> Image:
            if name in of_levels:
                whole = params or self.published(name, samples.shape[1:])
                params = {parameter: tuple(share * value for value in values) for parameter, values in whole.items()}
            return apply(name, severity, samples, ids, params=params)

        return corrupt

    def remains(self, name: str, clean: Image, corrupted: Image) -> NDArray[np.uint8]:
        return remains.destroyed(CORRUPTIONS[name], clean, corrupted)


def _levels(batches: Iterable[NDArray[Any]]) -> float:
    """The levels that images have: the median of an image's highest less its lowest."""
    return float(np.median([int(image.max()) - int(image.min()) for batch in batches for image in batch]))


IMAGE_CORRUPTIONS: Corruptions = _ImageCorruptions()
