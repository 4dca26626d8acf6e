"""The transforms that a policy of interactions may name; see `augment_ops.modalities.catalogue.Catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.interactions import transforms
from augment_ops.modalities.interactions.bounds import HistoryBounds, HistoryBudget, HistoryLimits
from augment_ops.modalities.interactions.cooccurrence import Cooccurrence
from augment_ops.modalities.interactions.histories import Histories
from augment_ops.modalities.interactions.transforms import Draws
from augment_ops.modalities.schema_catalogue import SchemaCatalogue, Share, TransformSchema


class _Crop(TransformSchema):
    """A run of items of the history.

    Attributes:
        eta: share of the items that stay; CL4SRec's name.
    """

    eta: Share = 0.6


class _Mask(TransformSchema):
    """Items that are left out.

    Attributes:
        gamma: share of the items; CL4SRec's name.
    """

    gamma: Share = 0.3


class _Reorder(TransformSchema):
    """A window of items in another order.

    Attributes:
        beta: share of the items that the window holds; CL4SRec's name.
    """

    beta: Share = 0.2


class _Substitute(TransformSchema):
    """Items that give way to what is had with them.

    Attributes:
        rate: share of the items; CoSeRec's name.
        tail: how much rarer items are preferred: 0 not at all, 1 in the inverse ratio of how often they are had.
    """

    rate: Share = 0.2
    tail: Share = 0.5


class _Insert(_Substitute):
    """What is had with the items of a short history, put after them: a user of whom little is known.

    Attributes:
        max_length: items of the longest history that gets any; CoSeRec augments short histories so, and long ones not.
    """

    max_length: Annotated[int, Field(ge=1, le=512, strict=True)] = 4


_SCHEMAS: Mapping[str, type[TransformSchema]] = {
    "Crop": _Crop,
    "Insert": _Insert,
    "Mask": _Mask,
    "Reorder": _Reorder,
    "Substitute": _Substitute,
}
_BY_OTHERS = frozenset({"Insert", "Substitute"})  # what looks at the training split
# Transform → the effect that it has, by which parameter.
_EFFECT_OF = {
    "Crop": ("cropped_share", "eta"),
    "Insert": ("simulated_share", "rate"),
    "Mask": ("masked_share", "gamma"),
    "Reorder": ("reordered_share", "beta"),
    "Substitute": ("substituted_share", "rate"),
}
_TAUGHT = {"Crop": ("dropped_recent", "missing_history"), "Mask": (), "Reorder": ("shuffled_recent",)}


def _effect(name: str, what: str) -> Effect:
    return Effect(name=name, key=f"max_{name}", expected=lambda limit: f"at most {limit:g} of the items {what}")


class _HistoryCatalogue(SchemaCatalogue):
    schemas = _SCHEMAS
    budget = HistoryBudget
    bounds = HistoryBounds
    limits = HistoryLimits
    effects = (
        _effect("cropped_share", "cut off"),
        _effect("masked_share", "left out"),
        _effect("reordered_share", "in another order"),
        _effect("substituted_share", "replaced"),
        _effect("simulated_share", "followed by one that nobody had"),
    )

    def needs_population(self, name: str) -> bool:
        """Those that look at what is had together."""
        return looks_at_others(name)

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        known, parameter = _EFFECT_OF[name]
        if effect != known:
            return {}
        value = float(values[parameter])
        return {parameter: 1 - value if name == "Crop" else value}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        effect, parameter = _EFFECT_OF[name]
        strength = self.strengths(name, values, effect)[parameter]
        return _TAUGHT.get(name, ()) if values["p"] > 0 and strength > 0 else ()


CATALOGUE: Catalogue = _HistoryCatalogue()


@dataclass(frozen=True, eq=False)
class Others:
    """What transforms of a batch of histories look at beside them.

    Attributes:
        known: of the training split.
        nexts: int32 (N,), what came after each history, as far as it is known.
    """

    known: Cooccurrence
    nexts: NDArray[np.int32]

    def of(self, rows: NDArray[np.int64]) -> Others:
        """For some of the histories."""
        return replace(self, nexts=self.nexts[rows])


def looks_at_others(name: str) -> bool:
    """Whether a transform looks at other samples than its own."""
    return name in _BY_OTHERS


def changed(
    name: str, values: Mapping[str, Any], histories: Histories, draws: Draws, others: Others | None
) -> Histories:
    """What a transform of a policy makes of histories; parameters as `resolved` gives them.

    Args:
        histories: int32 (N, H, 2); not modified.
        draws: float64 (N, 2 H + 1).
        others: what the transform looks at beside its own sample; None for one that does not.
    """
    if name == "Crop":
        return transforms.cropped(histories, draws, eta=values["eta"])
    if name == "Mask":
        return transforms.masked(histories, draws, gamma=values["gamma"])
    if name == "Reorder":
        return transforms.reordered(histories, draws, beta=values["beta"])
    assert others is not None  # the transforms left are those that `looks_at_others` says
    nexts, known, rate, tail = others.nexts, others.known, values["rate"], values["tail"]
    if name == "Substitute":
        return transforms.substituted(histories, draws, nexts, known, rate=rate, tail=tail)
    return transforms.inserted(histories, draws, nexts, known, rate=rate, tail=tail, max_length=values["max_length"])
