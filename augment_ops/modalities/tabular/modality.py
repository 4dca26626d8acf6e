"""Tables: float64 (N, F), NaN for what is missing, categories as codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key, generator
from augment_ops.errors import DataError, Fault, InputError, PolicyError
from augment_ops.modalities.base import Html, Modality, Population, Scores
from augment_ops.modalities.catalogue import BatchAugmenter, Imported
from augment_ops.modalities.corruptions import Corruptions
from augment_ops.modalities.source import Samples, Schema
from augment_ops.modalities.tabular import drift_features, show
from augment_ops.modalities.tabular.catalogue import CATALOGUE
from augment_ops.modalities.tabular.checks import CHECKS
from augment_ops.modalities.tabular.codec import CODEC
from augment_ops.modalities.tabular.corruptions import TABLE_CORRUPTIONS
from augment_ops.modalities.tabular.schema import schema_of
from augment_ops.policy.spec import Policy
from augment_ops.quality.checks import Checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.modalities.base import Factory


class _Tabular:
    """See `augment_ops.modalities.base.Modality`."""

    name = "tabular"

    plural = shown_as = "rows"
    one = "a row"
    axes = ("columns",)
    properties: tuple[str, ...] = ()
    codec = CODEC
    catalogue = CATALOGUE
    corruptions: Corruptions = TABLE_CORRUPTIONS
    checks: Checks = CHECKS
    trainer = "sklearn"
    network = ""

    def imported(self, path: Path, *, name: str, owner: str, domain: str) -> Imported:
        raise PolicyError(
            str(path),
            "a saved pipeline",
            "a pipeline of images: no library's pipelines of tables are known",
            "write the policy by hand; docs/your-own-data.md has one",
        )

    def augmenter(self, policy: Policy, seed: int, population: Population | None = None) -> BatchAugmenter:
        from augment_ops.modalities.tabular.augmenter import TableAugmenter, table_of

        return TableAugmenter(policy, seed, None if population is None else table_of(population))

    def invented(self, n: int, shape: tuple[int, ...], key: Key) -> NDArray[np.float64]:
        """Normal numbers: float64 (n, F)."""
        return generator(key).standard_normal((n, *shape))

    def shape_faults(self, policy: Policy, before: tuple[int, ...], after: tuple[int, ...]) -> list[Fault]:
        return []

    def features(self, samples: Samples, schema: Schema | None = None) -> Mapping[str, NDArray[Any]]:
        return drift_features.features(schema_of(schema, samples.shape[1]), samples)

    def size(self, shape: tuple[int, ...]) -> float:
        return float(shape[0])

    def check(self, samples: object, where: str) -> None:
        if isinstance(samples, np.ndarray) and samples.dtype == np.float64 and samples.ndim == 2 and samples.shape[1]:
            return
        found = type(samples).__name__
        if isinstance(samples, np.ndarray):
            found = f"{samples.dtype} of shape {samples.shape}"
        raise DataError(where, found, "float64 (N, F)", "pass the rows that the model was given, NaN for missing")

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
        return show.show(schema_of(schema, samples.shape[1]), samples, alt, against, css_class)

    def draw(
        self, axes: Axes, sample: Samples, *, against: Samples | None = None, schema: Schema | None = None
    ) -> None:
        show.draw(axes, schema_of(schema, len(sample)), sample, against)

    def change(self, before: Samples, after: Samples) -> float:
        return show.share_changed(before, after)

    def with_input(
        self, factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Factory:
        found, expected = "input_size or normalise, for rows of a table", "neither: they are of images"
        raise InputError("recipe: torch.network", found, expected, "leave them out of the recipe")

    def as_network(self, net: nn.Module) -> nn.Module:
        found, expected = "a network, for rows of a table", "no network: rows are learnt by trees (--trainer sklearn)"
        raise InputError("--trainer torch", found, expected, "leave --trainer out, or name sklearn")

    def baselines(self, population: Population) -> Mapping[str, Scores]:
        return {}

    def categorical(self, schema: Schema | None, shape: tuple[int, ...]) -> tuple[bool, ...]:
        return tuple((~schema_of(schema, shape[0]).is_number).tolist())

    def pasted(
        self, own: Samples, other: Samples, weights: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[Samples, NDArray[np.float64]]:
        raise InputError("mixing", "cutmix", "no mixing of rows", "remove it from the policy")


MODALITY: Modality = _Tabular()
