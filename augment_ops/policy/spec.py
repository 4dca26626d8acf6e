"""A policy: a typed, validated, content-addressed file of transforms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment_ops.content import digest_of
from augment_ops.errors import Fault, PolicyError, nearest
from augment_ops.policy import catalogue
from augment_ops.policy.bounds import Bounds, load_limits
from augment_ops.policy.families import FAMILIES, expand
from augment_ops.policy.narrowing import Narrowed, Narrower, Step, does_something
from augment_ops.policy.yaml_file import parse, read_text, validate, with_entry

_KEBAB = r"^[a-z0-9]+(-[a-z0-9]+)*$"
M = TypeVar("M", bound=BaseModel)
_SEMVER = r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$"  # 01.0.0 would be a second 1.0.0


class Budget(BaseModel):
    """What one sample may cost: p95 in milliseconds at an image shape (H, W, C)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    p95_ms: Annotated[float, Field(gt=0)]
    at: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class Discovery(BaseModel):
    """The search that found a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    mlflow_run: str


class Mixing(BaseModel):
    """How samples are mixed once they are augmented, each with a partner that its key draws.

    Attributes:
        kind: `mixup` blends two images, `cutmix` pastes a box of one into the other.
        alpha: of the Beta distribution that the weight comes from, symmetric; 1 is uniform.
        p: share of the samples that are mixed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["mixup", "cutmix"]
    alpha: Annotated[float, Field(gt=0)] = 1.0
    p: Annotated[float, Field(ge=0, le=1)] = 1.0


class _PolicyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_KEBAB)]
    version: Annotated[str, Field(pattern=_SEMVER)]
    modality: Literal["image"]  # what transforms exist for
    domain: Annotated[str, Field(pattern=_KEBAB)]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    limitations: tuple[str, ...] = ()
    discovered_by: Discovery | None = None
    budget: Budget
    transforms: tuple[Any, ...]  # each checked against albumentations, with its own faults
    mixing: Mixing | None = None
    narrowed_to: Bounds | None = None


@dataclass(frozen=True)
class Transform:
    """One step of a policy.

    Attributes:
        name: albumentations' class name.
        params: parameters as written in the file (defaults not filled in).
        children: the steps inside a container (Sequential, OneOf, SomeOf) or of a family; empty otherwise.
    """

    name: str
    params: Mapping[str, Any]
    children: tuple[Transform, ...] = ()


@dataclass(frozen=True)
class Policy:
    """One version of a policy.

    Attributes:
        narrowed_to: the bounds that families with `limits: domain` are cut to; None where there are none.
        narrowed: the operations that they cut or left out.
        text: the file as written, with those bounds, so that it says by itself what it applies; what is registered and
            shown.
        digest: sha256 over the canonical content: comments and layout do not change it, anything else does.
    """

    name: str
    version: str
    modality: str
    domain: str
    owner: str
    description: str
    limitations: tuple[str, ...]
    discovered_by: Discovery | None
    budget: Budget
    transforms: tuple[Transform, ...]
    mixing: Mixing | None
    digest: str
    text: str
    narrowed_to: Bounds | None = None
    narrowed: tuple[Narrowed, ...] = ()

    @classmethod
    def load(cls, path: str | Path, policies: Path | None = None) -> Policy:
        """Read a policy file.

        Args:
            policies: the library whose `limits/` narrow families with `limits: domain`; by default the one that the
                file lies in, as `policies/augment/<name>.yaml` does.

        Raises:
            PolicyError: every fault of the file at once; the file's name must be the policy's name.
        """
        path = Path(path)
        library = policies or path.absolute().parents[1]
        bounds = None if policies is None and not (library / "limits").is_dir() else library
        policy = cls.from_text(read_text(path, kind="policy"), str(path), policies=bounds)
        if path.stem != policy.name:
            raise PolicyError(
                f"{path}: name",
                policy.name,
                f"{path.stem}, the file's own name",
                f"rename the file to {policy.name}.yaml or correct `name`",
            )
        return policy

    @classmethod
    def from_text(cls, text: str, where: str = "policy", *, policies: Path | None = None) -> Policy:
        """Read a policy from YAML text; `where` is named in errors.

        Args:
            policies: the library whose `limits/` narrow families with `limits: domain`; not read where the text has its
                bounds already.

        Raises:
            PolicyError: every fault at once.
        """
        content = parse(text, where)
        items = content.get("transforms")
        if policies is not None and content.get("narrowed_to") is None and _asks_for_limits(items):
            domain = str(content.get("domain"))
            if re.fullmatch(_KEBAB, domain):  # else it is a fault, and may not lead to other files
                bounds = load_limits(policies, domain).content()
                return cls.from_text(with_entry(text, "narrowed_to", bounds), where)
        reading = _Reading.of(content)
        transforms = tuple(
            _transform(f"transforms[{i}]", item, reading)
            for i, item in enumerate(items if isinstance(items, list) else [])  # the file's own check says what it is
        )
        faults = [*reading.faults, *_normalize_faults(transforms), *_narrowing_faults(content, items)]
        file = validate(content, _PolicyFile, where, also=faults)
        # What a policy does not ask for is no part of its digest, so those from before keep theirs.
        body = file.model_dump(mode="json", exclude={n for n in ("mixing", "narrowed_to") if getattr(file, n) is None})
        if file.narrowed_to is not None:
            body["narrowed_to"] = _decisive(file.narrowed_to)
        return cls(
            **{name: getattr(file, name) for name in _PolicyFile.model_fields if name != "transforms"},
            transforms=transforms,
            narrowed=tuple(reading.narrowed),
            digest=digest_of(_canonical(body)),
            text=text,
        )

    @cached_property
    def is_identity(self) -> bool:
        """Whether the policy applies nothing at all."""
        return not self.transforms and self.mixing is None

    @property
    def normalises(self) -> bool:
        """Whether the result is float32 on a scale of its own, whatever the type of the images."""
        return bool(self.transforms) and self.transforms[-1].name == "Normalize"


@dataclass
class _Reading:
    """What the steps of a file are read with, and what is found on the way.

    Attributes:
        bounds: that narrow families; size: (H, W) that the policy is for.
    """

    bounds: Bounds | None
    size: tuple[int, int]
    faults: list[Fault] = field(default_factory=list)
    narrowed: list[Narrowed] = field(default_factory=list)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> _Reading:
        """From a file that may have faults, which its own check tells."""
        bounds = _valid(Bounds, content.get("narrowed_to"))
        budget = _valid(Budget, content.get("budget"))
        return cls(bounds, (1, 1) if budget is None else budget.at[:2])


def _valid(model: type[M], content: object) -> M | None:
    try:
        return None if content is None else model.model_validate(content)
    except ValidationError:
        return None


def _transform(where: str, item: object, reading: _Reading) -> Transform:
    """Parse `Name: {parameters}`; what is wrong goes to `reading`, and a harmless stand-in is returned."""
    faults = reading.faults
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
    if name in catalogue.CONTAINERS:
        return _container(f"{where}.{name}", str(name), params, reading)
    if name not in catalogue.names():
        faults.append(catalogue.unknown_fault(f"{where}.{name}", str(name)))
        return Transform(str(name), {})
    wrong = catalogue.parameter_faults(where, str(name), params)
    faults += wrong
    if name in FAMILIES and not wrong:
        return Transform(str(name), dict(params), _family(f"{where}.{name}", str(name), params, reading))
    return Transform(str(name), dict(params))


def _family(where: str, name: str, params: Mapping[str, Any], reading: _Reading) -> tuple[Transform, ...]:
    """What a family holds, narrowed where it asks for it."""
    if params.get("limits") is None:
        return _expanded(expand(name, params))
    if reading.bounds is None:
        found, expected = "'domain', whose limits are not at hand", "a file of a library, policies/augment/<name>.yaml"
        fix = "move it there, or load it with `policies=`, the folder that has `limits/`"
        reading.faults.append(Fault(f"{where}.limits", found, expected, fix))
        return ()
    narrower = Narrower(reading.bounds, reading.size)
    steps, told = expand(name, params, narrower), narrower.narrowed(where)
    reading.narrowed += told
    if not does_something(steps):
        found = f"a domain that leaves none of its operations ({', '.join(n.operation for n in told)})"
        fix = "remove it, or move the policy to another domain"
        reading.faults.append(Fault(f"{where}.limits", found, "limits that leave one at least", fix))
    return _expanded(steps)


def _asks_for_limits(items: object) -> bool:
    """Whether a family has `limits`, in whatever container; `items` may have any faults."""
    if isinstance(items, list):
        return any(_asks_for_limits(item) for item in items)
    if not isinstance(items, dict):
        return False
    return any(
        isinstance(params, dict)
        and ((name in FAMILIES and params.get("limits") is not None) or _asks_for_limits(params.get("transforms")))
        for name, params in items.items()
    )


def _narrowing_faults(content: Mapping[str, Any], items: object) -> list[Fault]:
    if content.get("narrowed_to") is None or _asks_for_limits(items):
        return []
    return [Fault("narrowed_to", "bounds for nobody", "a family with `limits: domain`", "remove it, or add `limits`")]


def _decisive(bounds: Bounds) -> dict[str, Any]:
    """What of the bounds decides: not in which words something is forbidden."""
    content = bounds.content()
    return {**content, "forbidden": sorted(content.get("forbidden", ()))}


def _normalize_faults(transforms: tuple[Transform, ...]) -> list[Fault]:
    """Normalize leaves the levels that all other transforms work on, so it comes last, for all images."""
    faults = []
    for i, transform in enumerate(transforms):
        last = i == len(transforms) - 1
        if transform.name == "Normalize" and not (last and transform.params.get("p", 1) == 1):
            found = f"p: {transform.params['p']}" if last else "before other transforms"
            faults.append(
                Fault(f"transforms[{i}].Normalize", found, "the last step, with p: 1.0", "move or correct it")
            )
        if _holds(transform.children, "Normalize"):
            faults.append(
                Fault(f"transforms[{i}].{transform.name}", "Normalize inside", "it as the last step", "move it there")
            )
    return faults


def _holds(transforms: tuple[Transform, ...], name: str) -> bool:
    return any(t.name == name or _holds(t.children, name) for t in transforms)


def _expanded(steps: Sequence[Step]) -> tuple[Transform, ...]:
    return tuple(Transform(name, params, _expanded(children)) for name, params, children in steps)


def _container(where: str, name: str, params: dict[str, Any], reading: _Reading) -> Transform:
    known, faults = {"transforms", *catalogue.defaults(name)}, reading.faults
    before = len(faults)
    faults += [
        Fault(f"{where}.{key}", f"unknown parameter {key!r}", f"one of {', '.join(sorted(known))}",
              f"remove it or correct its name.{nearest(str(key), known)}")
        for key in params
        if key not in known
    ]  # fmt: skip
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
        faults += _choice_faults(where, name, rest, children)
    return Transform(name, rest, children)


def _choice_faults(where: str, name: str, params: Mapping[str, Any], children: tuple[Transform, ...]) -> list[Fault]:
    """What albumentations finds out only while it runs: SomeOf's n and replace, OneOf without any weight."""
    faults = []
    values = catalogue.resolved(name, params)
    if name == "OneOf" and not any(catalogue.resolved(child.name, child.params)["p"] > 0 for child in children):
        faults.append(Fault(f"{where}.transforms", "p: 0 in all of them", "one with a p above 0", "raise a p"))
    if name == "SomeOf":
        n, replace = values["n"], values["replace"]
        if not isinstance(replace, bool):
            faults.append(Fault(f"{where}.replace", repr(replace)[:120], "true or false", "correct the value"))
        if isinstance(n, bool) or not isinstance(n, int) or n < 1 or (n > len(children) and replace is False):
            most = "" if replace is True else f" to {len(children)}, the number of its transforms"
            faults.append(Fault(f"{where}.n", repr(n)[:120], f"a whole number from 1{most}", "correct the value"))
    return faults


def _canonical(value: object) -> object:
    """Numbers that mean the same are the same: YAML's 1 and 1.0 behave alike in every parameter."""
    if isinstance(value, dict):
        return {str(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def version_key(version: str) -> tuple[int, ...]:
    """Semantic versions in order: 1.10.0 after 1.9.3."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
