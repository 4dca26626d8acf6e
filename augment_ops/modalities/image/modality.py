"""Images: uint8 (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from augment_ops.modalities.base import Html, Modality, Samples, Schema
from augment_ops.modalities.image import features, show
from augment_ops.modalities.image.codec import CODEC

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Image:
    """See `augment_ops.modalities.base.Modality`."""

    name = "image"
    codec = CODEC

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


MODALITY: Modality = _Image()
