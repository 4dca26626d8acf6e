"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key, generator
from augment_ops.errors import Fault
from augment_ops.modalities.base import BatchAugmenter, Html, Modality, Population, Samples, Schema
from augment_ops.modalities.image import features, show
from augment_ops.modalities.image.catalogue import CATALOGUE
from augment_ops.modalities.image.codec import CODEC
from augment_ops.policy.spec import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"
    codec = CODEC
    catalogue = CATALOGUE
    plural, shown_as, axes = "images", "pictures", features.AXES

    properties = features.PROPERTIES

    def features(self, samples: Samples, schema: Schema | None = None) -> Mapping[str, NDArray[Any]]:
        return features.features(samples)

    def size(self, shape: tuple[int, ...]) -> float:
        return features.size(shape)

    def check(self, samples: object, where: str) -> None:
        features.check(samples, where)

    def show(
        self,
        samples: Samples,
        alt: Sequence[str],
        *,
        against: Samples | None = None,
        schema: Schema | None = None,
        css_class: str = "",
        exact: bool = False,
    ) -> list[Html]:
        return show.show(samples, alt, css_class, exact=exact)

    def draw(
        self, axes: Axes, sample: Samples, *, against: Samples | None = None, schema: Schema | None = None
    ) -> None:
        show.draw(axes, sample)

    def change(self, before: Samples, after: Samples) -> float:
        return show.change(before, after)

    def augmenter(self, policy: Policy, seed: int, population: Population | None = None) -> BatchAugmenter:
        """No transform of a policy looks at other images."""
        from augment_ops.modalities.image.augmenter import Augmenter  # reads compiled loops: half a second

        return Augmenter(policy, seed)

    def invented(self, n: int, shape: tuple[int, ...], key: Key) -> NDArray[np.uint8]:
        """Noise: uint8 (n, H, W, C)."""
        return generator(key).integers(0, 256, (n, *shape), dtype=np.uint8)

    def shape_faults(self, policy: Policy, before: tuple[int, ...], after: tuple[int, ...]) -> list[Fault]:
        """Images of another size."""
        if after == before:
            return []
        return [
            Fault(
                f"policy {policy.name}",
                f"images of {after[0]}x{after[1]} from {before[0]}x{before[1]}",
                "augmented images of the size of the data set's",
                f"let its last transform bring them back (Resize: {{height: {before[0]}, width: {before[1]}, p: 1.0}})",
            )
        ]


MODALITY: Modality = _Image()
