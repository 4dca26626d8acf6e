"""The transforms that a policy of tables may name; see `augment_ops.modalities.catalogue.Catalogue`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.schema_catalogue import SchemaCatalogue, Share, TransformSchema
from augment_ops.modalities.tabular.bounds import TableBounds, TableBudget, TableLimits


class _Jitter(TransformSchema):
    """Noise relative to each number.

    Attributes:
        std_range: of its standard deviation, as a share of the value.
        columns: names of columns of numbers; by default all that are measured: whole numbers are counts, hours, flags.
    """

    std_range: tuple[Share, Share] = (0.01, 0.05)
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @field_validator("std_range")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("two numbers, the smaller first")
        return value

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("each column once")
        return value


class _Smote(TransformSchema):
    """A sample of a rarer class moves towards one of its nearest neighbours of that class; see `transforms.smote`.

    Attributes:
        k_neighbors: how many neighbours it draws one from; imbalanced-learn's name and default.
    """

    k_neighbors: Annotated[int, Field(ge=1, le=100, strict=True)] = 5


_SCHEMAS: Mapping[str, type[TransformSchema]] = {"Jitter": _Jitter, "Smote": _Smote}
_JITTER = "jitter"


class _TableCatalogue(SchemaCatalogue):
    schemas = _SCHEMAS
    budget = TableBudget
    bounds = TableBounds
    limits = TableLimits
    effects = (
        Effect(
            name=_JITTER,
            key="max_jitter_std",
            expected=lambda limit: f"at most {limit:g} of a value",
            joint=lambda strengths: math.sqrt(sum(strength**2 for strength in strengths)),
        ),
    )

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        if name == "Jitter" and effect == _JITTER:
            return {"std_range": float(values["std_range"][1])}
        return {}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        return ("noise",) if name == "Jitter" and values["std_range"][1] > 0 and values["p"] > 0 else ()


CATALOGUE: Catalogue = _TableCatalogue()
