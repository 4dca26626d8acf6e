"""A catalogue whose transforms are declared as schemas of their parameters: all that follows from these alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment_ops.errors import Fault, nearest
from augment_ops.policy.bounds import Bounds
from augment_ops.policy.containers import CONTAINERS
from augment_ops.policy.narrowing import Expanded
from augment_ops.policy.steps import Transform

Share = Annotated[float, Field(ge=0, le=1)]


class TransformSchema(BaseModel):
    """The parameters of one transform."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    p: Share = 0.5


class SchemaCatalogue:
    """What modalities share whose transforms are a handful; see `augment_ops.modalities.catalogue.Catalogue`.

    Attributes:
        schemas: transform → the form of its parameters.
    """

    schemas: Mapping[str, type[TransformSchema]]
    families: tuple[str, ...] = ()
    side_by_side: tuple[str, ...] = ()
    mixings: tuple[str, ...] = ()

    def names(self) -> Sequence[str]:
        """All of them; there are no families."""
        return tuple(self.schemas)

    def defaults(self, name: str) -> Mapping[str, Any]:
        """Of its parameters, but those that a policy has to give."""
        fields = self.schemas[name].model_fields.items()
        return {key: field.default for key, field in fields if not field.is_required()}

    def resolved(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """All parameters, in one form of each."""
        return self.schemas[name](**params).model_dump()

    def unknown_fault(self, where: str, name: str) -> Fault:
        """With the nearest name."""
        fix = f"correct the name.{nearest(name, [*self.schemas, *CONTAINERS])}"
        return Fault(where, f"unknown transform {name!r}", f"one of {', '.join([*self.schemas, *CONTAINERS])}", fix)

    def parameter_faults(self, where: str, name: str, params: Mapping[str, Any]) -> list[Fault]:
        """One a parameter: a pair has an error for each half."""
        schema = self.schemas[name]
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
                    repr(params[key])[:120] if key in params else "nothing",
                    "; or ".join(dict.fromkeys(messages)),
                    "correct the value",
                )
                for key, messages in told.items()
            ]
        return faults

    def order_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        """None: any may follow any."""
        return []

    def rescales(self, name: str) -> bool:
        """None does."""
        return False

    def run_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        """None."""
        return []

    def needs_population(self, name: str) -> bool:
        """None does."""
        return False

    def expand(
        self, name: str, params: Mapping[str, Any], where: str, bounds: Bounds | None, shape: tuple[int, ...]
    ) -> Expanded:
        """There are no families."""
        raise KeyError(name)

    def bearing(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing bears on families that are not there."""
        return {}
