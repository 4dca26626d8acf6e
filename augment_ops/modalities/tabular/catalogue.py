"""The transforms that a policy of tables may name, a declaration each; see `modalities.catalogue.Catalogue`.

A new transform is a function of rows, the form of its parameters and an entry in `TRANSFORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.schema_catalogue import SchemaCatalogue, Share, TransformSchema
from augment_ops.modalities.tabular.bounds import TableBounds, TableBudget, TableLimits
from augment_ops.modalities.tabular.declaration import Chosen, RowTransform, Values, named_columns
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import jitter, smote


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


_JITTER = "jitter"


def _jitter_columns(values: Values, table: TrainingTable) -> NDArray[np.int64]:
    """Columns that a Jitter works on: those that it names, or every number that is measured and not counted.

    Raises:
        TransformError: the table does not have one of them, or it holds no numbers.
    """
    if values["columns"] is None or table.schema.invented:
        return np.flatnonzero(table.schema.is_number & ~table.schema.is_whole)
    return named_columns("Jitter.columns", values["columns"], table.schema, numbers=True)


def _jittered(chosen: Chosen) -> Rows:
    low, high = chosen.values["std_range"]
    columns = _jitter_columns(chosen.values, chosen.table)
    return jitter(chosen.table.schema, chosen.rows, chosen.keys, chosen.index, columns=columns, std_range=(low, high))


def _smoted(chosen: Chosen) -> Rows:
    """By class: each has its own neighbours, and perhaps fewer of them."""
    out = chosen.rows.copy()
    table, labels = chosen.table, chosen.labels
    for label in np.unique(labels).tolist():
        here = np.flatnonzero(labels == label)
        near = table.nearest(label, int(chosen.values["k_neighbors"]))[chosen.places[here]]
        out[here] = smote(table, out[here], near, chosen.keys[here], chosen.index)
    return out


TRANSFORMS: Mapping[str, RowTransform] = {
    "Jitter": RowTransform(
        parameters=_Jitter,
        apply=_jittered,
        check=_jitter_columns,
        strengths={_JITTER: ("std_range", lambda values: float(values["std_range"][1]))},
        teaches=lambda values: ("noise",) if values["std_range"][1] > 0 else (),
    ),
    "Smote": RowTransform(parameters=_Smote, apply=_smoted, looks_at_others=True),
}


class _TableCatalogue(SchemaCatalogue):
    schemas = {name: declared.parameters for name, declared in TRANSFORMS.items()}  # noqa: RUF012, never modified
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
        declared = TRANSFORMS[name].strengths
        if effect not in declared:
            return {}
        parameter, strength = declared[effect]
        return {parameter: strength(values)}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        return TRANSFORMS[name].teaches(values) if values["p"] > 0 else ()


CATALOGUE: Catalogue = _TableCatalogue()
