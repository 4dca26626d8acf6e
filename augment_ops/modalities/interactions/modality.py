"""Interactions: int32 (N, H, 2), what a user did before a moment; the class is the item that came next."""

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
from augment_ops.modalities.interactions import drift_features, show
from augment_ops.modalities.interactions.catalogue import CATALOGUE
from augment_ops.modalities.interactions.checks import CHECKS
from augment_ops.modalities.interactions.codec import CODEC
from augment_ops.modalities.interactions.corruptions import HISTORY_CORRUPTIONS
from augment_ops.modalities.interactions.histories import AGE, ITEM, Histories
from augment_ops.modalities.source import Samples, Schema
from augment_ops.policy.spec import Policy
from augment_ops.quality.checks import Checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.modalities.base import Factory

_INVENTED_ITEMS = 1_000
_INVENTED_GAP_S = 86_400  # at most, between two items


class _Interactions:
    """See `augment_ops.modalities.base.Modality`."""

    name = "interactions"

    plural = shown_as = "histories"
    one = "a history"
    axes = ("items", "item and age")
    properties = drift_features.PROPERTIES
    codec = CODEC
    catalogue = CATALOGUE
    corruptions: Corruptions = HISTORY_CORRUPTIONS
    checks: Checks = CHECKS
    trainer = "torch"
    network = "augment_ops.modalities.interactions.networks:pooled"

    def imported(self, path: Path, *, name: str, owner: str, domain: str) -> Imported:
        raise PolicyError(
            str(path),
            "a saved pipeline",
            "a pipeline of images: no library's pipelines of interactions are known",
            "write the policy by hand; docs/your-own-data.md has one",
        )

    def augmenter(self, policy: Policy, seed: int, population: Population | None = None) -> BatchAugmenter:
        from augment_ops.modalities.interactions.augmenter import HistoryAugmenter, known_of

        return HistoryAugmenter(policy, seed, None if population is None else known_of(population))

    def invented(self, n: int, shape: tuple[int, ...], key: Key) -> Histories:
        """Items drawn with frequencies that fall as those of a catalogue do, in full histories: int32 (n, H, 2)."""
        rng, room = generator(key), shape[0]
        ranks = np.arange(1, _INVENTED_ITEMS + 1)
        out = np.empty((n, room, 2), np.int32)
        out[..., ITEM] = rng.choice(ranks, (n, room), p=(1 / ranks) / (1 / ranks).sum())
        gaps = rng.integers(1, _INVENTED_GAP_S, (n, room))
        out[..., AGE] = gaps[:, ::-1].cumsum(axis=1)[:, ::-1]
        return out

    def shape_faults(self, policy: Policy, before: tuple[int, ...], after: tuple[int, ...]) -> list[Fault]:
        return []

    def features(self, samples: Samples, schema: Schema | None = None) -> Mapping[str, NDArray[Any]]:
        return drift_features.features(samples)

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
        return show.show(samples, alt, against, schema, css_class, exact)

    def draw(
        self, axes: Axes, sample: Samples, *, against: Samples | None = None, schema: Schema | None = None
    ) -> None:
        show.draw(axes, sample, against, schema)

    def change(self, before: Samples, after: Samples) -> float:
        return show.share_changed(before, after)

    def with_input(
        self, factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Factory:
        found, expected = "input_size or normalise, for histories", "neither: they are of images"
        raise InputError("recipe: torch.network", found, expected, "leave them out of the recipe")

    def as_network(self, net: nn.Module) -> nn.Module:
        from augment_ops.modalities.interactions.networks import with_history_input

        return with_history_input(net)

    def baselines(self, population: Population) -> Mapping[str, Scores]:
        from augment_ops.modalities.interactions.item_knn import item_knn

        return {"item-kNN": item_knn(population)}

    def categorical(self, schema: Schema | None, shape: tuple[int, ...]) -> tuple[bool, ...]:
        """None: a history is no row of features."""
        return ()

    def pasted(
        self, own: Samples, other: Samples, weights: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[Samples, NDArray[np.float64]]:
        raise InputError("mixing", "cutmix", "no mixing of histories", "remove it from the policy")


MODALITY: Modality = _Interactions()
