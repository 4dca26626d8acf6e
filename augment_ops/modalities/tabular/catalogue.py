"""The transforms that a policy of tables may name; see `augment_ops.modalities.catalogue.Catalogue`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from augment_ops.errors import Fault, nearest
from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.tabular.bounds import TableBounds, TableBudget, TableLimits
from augment_ops.policy.bounds import Bounds
from augment_ops.policy.containers import CONTAINERS
from augment_ops.policy.narrowing import Expanded
from augment_ops.policy.steps import Transform

_Share = Annotated[float, Field(ge=0, le=1)]


class _RowTransform(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    p: _Share = 0.5


class _Jitter(_RowTransform):
    """Noise relative to each number.

    Attributes:
        std_range: of its standard deviation, as a share of the value.
        columns: names of columns of numbers; by default all that are measured: whole numbers are counts, hours, flags.
    """

    std_range: tuple[_Share, _Share] = (0.01, 0.05)
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


class _Smote(_RowTransform):
    """A sample of a rarer class moves towards one of its nearest neighbours of that class; see `transforms.smote`.

    Attributes:
        k_neighbors: how many neighbours it draws one from; imbalanced-learn's name and default.
    """

    k_neighbors: Annotated[int, Field(ge=1, le=100, strict=True)] = 5


_SCHEMAS: Mapping[str, type[_RowTransform]] = {"Jitter": _Jitter, "Smote": _Smote}
_JITTER = "jitter"


class _TableCatalogue:
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
    families: tuple[str, ...] = ()
    side_by_side: tuple[str, ...] = ()
    mixings: tuple[str, ...] = ()

    def names(self) -> Sequence[str]:
        return tuple(_SCHEMAS)

    def defaults(self, name: str) -> Mapping[str, Any]:
        return {key: field.default for key, field in _SCHEMAS[name].model_fields.items()}

    def resolved(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return _SCHEMAS[name](**params).model_dump()

    def unknown_fault(self, where: str, name: str) -> Fault:
        fix = f"correct the name.{nearest(name, [*_SCHEMAS, *CONTAINERS])}"
        return Fault(where, f"unknown transform {name!r}", f"one of {', '.join([*_SCHEMAS, *CONTAINERS])}", fix)

    def parameter_faults(self, where: str, name: str, params: Mapping[str, Any]) -> list[Fault]:
        schema = _SCHEMAS[name]
        known = sorted(schema.model_fields)
        faults = [
            Fault(
                f"{where}.{name}.{key}",
                f"unknown parameter {key!r}",
                f"one of {', '.join(known)}",
                f"remove it or correct its name.{nearest(str(key), known)}",
            )
            for key in params
            if key not in known
        ]
        try:
            schema(**{str(key): value for key, value in params.items() if key in known})
        except ValidationError as error:
            # A pair has an error for each half; a reader needs one fault a parameter.
            told: dict[str, list[str]] = {}
            for item in error.errors(include_url=False):
                told.setdefault(str(item["loc"][0]), []).append(item["msg"].removeprefix("Value error, ").rstrip("."))
            faults += [
                Fault(
                    f"{where}.{name}.{key}",
                    repr(params[key])[:120],
                    "; or ".join(dict.fromkeys(messages)),
                    "correct the value",
                )
                for key, messages in told.items()
            ]
        return faults

    def order_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        return []

    def rescales(self, name: str) -> bool:
        return False

    def run_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        return []

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        if name == "Jitter" and effect == _JITTER:
            return {"std_range": float(values["std_range"][1])}
        return {}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        return ("noise",) if name == "Jitter" and values["std_range"][1] > 0 and values["p"] > 0 else ()

    def expand(
        self, name: str, params: Mapping[str, Any], where: str, bounds: Bounds | None, shape: tuple[int, ...]
    ) -> Expanded:
        raise KeyError(name)  # there are no families of tables

    def bearing(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {}


CATALOGUE: Catalogue = _TableCatalogue()
