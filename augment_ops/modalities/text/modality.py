"""Texts: uint8 (N, L), UTF-8 with zeros after the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key, generator
from augment_ops.errors import Fault, InputError, PolicyError
from augment_ops.modalities.base import Html, Modality, Population, Scores
from augment_ops.modalities.catalogue import BatchAugmenter, Imported
from augment_ops.modalities.corruptions import Corruptions
from augment_ops.modalities.source import Samples, Schema
from augment_ops.modalities.text import drift_features, show
from augment_ops.modalities.text.catalogue import CATALOGUE
from augment_ops.modalities.text.checks import CHECKS
from augment_ops.modalities.text.codec import CODEC
from augment_ops.modalities.text.corruptions import TEXT_CORRUPTIONS
from augment_ops.modalities.text.lexicon import ABBREVIATIONS
from augment_ops.modalities.text.texts import written
from augment_ops.policy.spec import Policy
from augment_ops.quality.checks import Checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.modalities.base import Factory

_INVENTED = sorted(word for word in ABBREVIATIONS if word.isalpha())
_WORD_BYTES = 10  # of the longest of them, with the blank after it
_MOST_WORDS = 12  # the average question of banking77


class _Text:
    """See `augment_ops.modalities.base.Modality`."""

    name = "text"

    plural = shown_as = "texts"
    one = "a text"
    axes = ("bytes",)
    properties = drift_features.PROPERTIES
    codec = CODEC
    catalogue = CATALOGUE
    corruptions: Corruptions = TEXT_CORRUPTIONS
    checks: Checks = CHECKS
    trainer = "torch"
    network = "augment_ops.modalities.text.networks:ngrams"

    def imported(self, path: Path, *, name: str, owner: str, domain: str) -> Imported:
        raise PolicyError(
            str(path),
            "a saved pipeline",
            "a pipeline of images: no library's pipelines of texts are known",
            "write the policy by hand; docs/your-own-data.md has one",
        )

    def augmenter(self, policy: Policy, seed: int, population: Population | None = None) -> BatchAugmenter:
        """No transform of a policy looks at other texts."""
        from augment_ops.modalities.text.augmenter import TextAugmenter

        return TextAugmenter(policy, seed)

    def invented(self, n: int, shape: tuple[int, ...], key: Key) -> NDArray[np.uint8]:
        """Common words in any order: uint8 (n, L)."""
        words = max(1, min(_MOST_WORDS, shape[0] // _WORD_BYTES))
        drawn = generator(key).integers(0, len(_INVENTED), (n, words)).tolist()
        texts = [" ".join(_INVENTED[place] for place in places)[: shape[0]] for places in drawn]
        return written(texts, shape[0])

    def shape_faults(self, policy: Policy, before: tuple[int, ...], after: tuple[int, ...]) -> list[Fault]:
        return []

    def features(self, samples: Samples, schema: Schema | None = None) -> Mapping[str, NDArray[Any]]:
        return drift_features.features(samples, schema)

    def size(self, shape: tuple[int, ...]) -> float:
        return float(shape[0])

    def check(self, samples: object, where: str) -> None:
        drift_features.check(samples, where)

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
        return show.show(samples, alt, against, css_class)

    def draw(
        self, axes: Axes, sample: Samples, *, against: Samples | None = None, schema: Schema | None = None
    ) -> None:
        show.draw(axes, sample, against)

    def change(self, before: Samples, after: Samples) -> float:
        return show.share_changed(before, after)

    def with_input(
        self, factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Factory:
        found, expected = "input_size or normalise, for texts", "neither: they are of images"
        raise InputError("recipe: torch.network", found, expected, "leave them out of the recipe")

    def as_network(self, net: nn.Module) -> nn.Module:
        from augment_ops.modalities.text.networks import with_byte_input

        return with_byte_input(net)

    def baselines(self, population: Population) -> Mapping[str, Scores]:
        return {}

    def categorical(self, schema: Schema | None, shape: tuple[int, ...]) -> tuple[bool, ...]:
        """None: a text is no row of features."""
        return ()

    def pasted(
        self, own: Samples, other: Samples, weights: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[Samples, NDArray[np.float64]]:
        raise InputError("mixing", "cutmix", "no mixing of texts", "remove it from the policy")


MODALITY: Modality = _Text()
