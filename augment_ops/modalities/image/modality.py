"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key, generator
from augment_ops.errors import Fault
from augment_ops.modalities.base import Html, Modality, Population, Scores
from augment_ops.modalities.catalogue import BatchAugmenter, Imported
from augment_ops.modalities.corruptions import Corruptions
from augment_ops.modalities.image import features, show
from augment_ops.modalities.image.catalogue import CATALOGUE
from augment_ops.modalities.image.checks import CHECKS
from augment_ops.modalities.image.codec import CODEC
from augment_ops.modalities.image.corruptions.catalogue import IMAGE_CORRUPTIONS
from augment_ops.modalities.image.cutmix import boxes_pasted
from augment_ops.modalities.source import Samples, Schema
from augment_ops.policy.spec import Policy
from augment_ops.quality.checks import Checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.modalities.base import Factory


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"
    codec = CODEC
    catalogue = CATALOGUE
    plural, one, shown_as, axes = "images", "an image", "pictures", features.AXES
    corruptions: Corruptions = IMAGE_CORRUPTIONS
    checks: Checks = CHECKS
    trainer = "torch"
    network = "augment_ops.modalities.image.networks:small_cnn"

    properties = features.PROPERTIES

    def imported(self, path: Path, *, name: str, owner: str, domain: str) -> Imported:
        """A pipeline that albumentations saved."""
        from augment_ops.modalities.image.importer import import_pipeline

        return import_pipeline(path, name=name, owner=owner, domain=domain)

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

    def with_input(
        self, factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Factory:
        from augment_ops.modalities.image.networks import with_input

        return with_input(factory, size, mean, std)

    def as_network(self, net: nn.Module) -> nn.Module:
        from augment_ops.modalities.image.networks import with_pixel_input

        return with_pixel_input(net)

    def baselines(self, population: Population) -> Mapping[str, Scores]:
        return {}

    def categorical(self, schema: Schema | None, shape: tuple[int, ...]) -> tuple[bool, ...]:
        """None: a pixel is a number."""
        return ()

    def pasted(
        self, own: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """A box."""
        return boxes_pasted(own, other, weights, u)


MODALITY: Modality = _Image()
