"""The steps of a policy file: transforms, containers, families, each parsed with every fault of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augment_ops.errors import Fault, nearest
from augment_ops.modalities.catalogue import Catalogue
from augment_ops.policy.bounds import Bounds
from augment_ops.policy.containers import CONTAINERS
from augment_ops.policy.narrowing import Narrowed, Step, does_something


@dataclass(frozen=True)
class Transform:
    """One step of a policy.

    Attributes:
        name: as the modality's catalogue has it, or of a container.
        params: parameters as written in the file (defaults not filled in).
        children: the steps inside a container (Sequential, OneOf, SomeOf) or of a family; empty otherwise.
    """

    name: str
    params: Mapping[str, Any]
    children: tuple[Transform, ...] = ()


@dataclass
class StepsRead:
    """The steps of a file, with what they are read with and what is wrong with them.

    Attributes:
        narrowed: the operations of families that bounds cut or left out.
    """

    catalogue: Catalogue
    bounds: Bounds | None
    shape: tuple[int, ...]
    faults: list[Fault] = field(default_factory=list)
    narrowed: list[Narrowed] = field(default_factory=list)
    transforms: tuple[Transform, ...] = ()


def values_of(transform: Transform, catalogue: Catalogue) -> Mapping[str, Any]:
    """All parameters of a step that is free of faults, as they are used: defaults filled in."""
    if transform.name in CONTAINERS:
        return {**CONTAINERS[transform.name], **transform.params}
    return catalogue.resolved(transform.name, transform.params)


def read_steps(items: object, catalogue: Catalogue, bounds: Bounds | None, shape: tuple[int, ...]) -> StepsRead:
    """Read the `transforms` of a file.

    Args:
        items: as parsed; where it is no list, the file's own check says so.
        catalogue: of the policy's modality.
        bounds: that families with `limits: domain` are cut to; None where the file has none.
        shape: of the samples that the policy is for; empty where it is not known.
    """
    reading = StepsRead(catalogue, bounds, shape)
    steps = items if isinstance(items, list) else []
    reading.transforms = tuple(_transform(f"transforms[{i}]", item, reading) for i, item in enumerate(steps))
    reading.faults += catalogue.order_faults(reading.transforms)
    if bounds is not None and not asks_for_limits(items, catalogue.families):
        expected = "a family with `limits: domain`"
        reading.faults.append(Fault("narrowed_to", "bounds for nobody", expected, "remove it, or add `limits`"))
    return reading


def asks_for_limits(items: object, families: Collection[str]) -> bool:
    """Whether a family has `limits`, in whatever container; `items` may have any faults."""
    if isinstance(items, list):
        return any(asks_for_limits(item, families) for item in items)
    if not isinstance(items, dict):
        return False
    return any(
        isinstance(params, dict)
        and (
            (name in families and params.get("limits") is not None)
            or asks_for_limits(params.get("transforms"), families)
        )
        for name, params in items.items()
    )


def _transform(where: str, item: object, reading: StepsRead) -> Transform:
    """Parse `Name: {parameters}`; what is wrong goes to `reading`, and a harmless stand-in is returned."""
    faults, catalogue = reading.faults, reading.catalogue
    if not isinstance(item, dict) or len(item) != 1:
        faults.append(
            Fault(where, repr(item)[:120], "a transform, its parameters", "write `- Affine: {rotate: [-5, 5], p: 1.0}`")
        )
        return Transform("", {})
    name, params = next(iter(item.items()))
    params = {} if params is None else params
    if not isinstance(params, dict):
        faults.append(Fault(f"{where}.{name}", repr(params)[:120], "a mapping of parameters", "write `{p: 0.5}`"))
        return Transform(str(name), {})
    if name in CONTAINERS:
        return _container(f"{where}.{name}", str(name), params, reading)
    if name not in catalogue.names():
        faults.append(catalogue.unknown_fault(f"{where}.{name}", str(name)))
        return Transform(str(name), {})
    wrong = catalogue.parameter_faults(where, str(name), params)
    faults += wrong
    if name in catalogue.families and not wrong:
        return Transform(str(name), dict(params), _family(f"{where}.{name}", str(name), params, reading))
    return Transform(str(name), dict(params))


def _family(where: str, name: str, params: Mapping[str, Any], reading: StepsRead) -> tuple[Transform, ...]:
    """What a family holds, narrowed where it asks for it."""
    expand = reading.catalogue.expand
    if params.get("limits") is None:
        return _expanded(expand(name, params, where, None, reading.shape).steps)
    if reading.bounds is None:
        found, expected = "'domain', whose limits are not at hand", "a file of a library, policies/augment/<name>.yaml"
        fix = "move it there, or load it with `policies=`, the folder that has `limits/`"
        reading.faults.append(Fault(f"{where}.limits", found, expected, fix))
        return ()
    made = expand(name, params, where, reading.bounds, reading.shape)
    reading.narrowed += made.narrowed
    if not does_something(made.steps):
        left_out = ", ".join(one.operation for one in made.narrowed)
        found = f"a domain that leaves none of its operations ({left_out})"
        fix = "remove it, or move the policy to another domain"
        reading.faults.append(Fault(f"{where}.limits", found, "limits that leave one at least", fix))
    return _expanded(made.steps)


def _expanded(steps: Sequence[Step]) -> tuple[Transform, ...]:
    return tuple(Transform(name, params, _expanded(children)) for name, params, children in steps)


def _container(where: str, name: str, params: dict[str, Any], reading: StepsRead) -> Transform:
    known, faults = {"transforms", *CONTAINERS[name]}, reading.faults
    before = len(faults)
    faults += [
        Fault(
            f"{where}.{key}",
            f"unknown parameter {key!r}",
            f"one of {', '.join(sorted(known))}",
            f"remove it or correct its name.{nearest(str(key), known)}",
        )
        for key in params
        if key not in known
    ]
    p = params.get("p", 1.0)
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        faults.append(Fault(f"{where}.p", repr(p), "a probability from 0 to 1", "correct the value"))
    inner = params.get("transforms")
    if not isinstance(inner, list) or not inner:
        faults.append(Fault(f"{where}.transforms", repr(inner)[:120], "a list of at least one transform", "add it"))
        inner = []
    children = tuple(_transform(f"{where}.transforms[{i}]", item, reading) for i, item in enumerate(inner))
    rest = {key: value for key, value in params.items() if key != "transforms"}
    if len(faults) == before:
        faults += _choice_faults(where, Transform(name, rest, children), reading.catalogue)
    return Transform(name, rest, children)


def _choice_faults(where: str, container: Transform, catalogue: Catalogue) -> list[Fault]:
    """What would come out only while it runs: SomeOf's n and replace, OneOf without any weight."""
    faults, name, children = [], container.name, container.children
    values = values_of(container, catalogue)
    if name == "OneOf" and not any(values_of(child, catalogue)["p"] > 0 for child in children):
        faults.append(Fault(f"{where}.transforms", "p: 0 in all of them", "one with a p above 0", "raise a p"))
    if name == "SomeOf":
        n, replace = values["n"], values["replace"]
        if not isinstance(replace, bool):
            faults.append(Fault(f"{where}.replace", repr(replace)[:120], "true or false", "correct the value"))
        if isinstance(n, bool) or not isinstance(n, int) or n < 1 or (n > len(children) and replace is False):
            most = "" if replace is True else f" to {len(children)}, the number of its transforms"
            faults.append(Fault(f"{where}.n", repr(n)[:120], f"a whole number from 1{most}", "correct the value"))
    return faults
