"""A policy: a typed, validated, content-addressed file of transforms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, create_model
from pydantic_core import PydanticCustomError

from augment_ops import modalities
from augment_ops.content import digest_of
from augment_ops.errors import Fault, PolicyError
from augment_ops.modalities.catalogue import Catalogue
from augment_ops.policy.bounds import Bounds, load_limits
from augment_ops.policy.narrowing import Narrowed
from augment_ops.policy.steps import Transform, asks_for_limits, read_steps
from augment_ops.policy.yaml_file import parse, read_text, validate, with_entry

_KEBAB = r"^[a-z0-9]+(-[a-z0-9]+)*$"
NARROWED_TO = "narrowed_to"  # the key under which a text has the bounds of its domain
M = TypeVar("M", bound=BaseModel)
_SEMVER = r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$"  # 01.0.0 would be a second 1.0.0


class LatencyBudget(BaseModel):
    """What one sample may cost: p95 in milliseconds at a shape, whose axes the modality knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    p95_ms: Annotated[float, Field(gt=0)]
    at: tuple[Annotated[int, Field(gt=0)], ...]


class Discovery(BaseModel):
    """The search that found a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    mlflow_run: str


class Mixing(BaseModel):
    """How samples are mixed once they are augmented, each with a partner that its key draws.

    Attributes:
        kind: `mixup` blends two samples, `cutmix` pastes a part of one into the other.
        alpha: of the Beta distribution that the weight comes from, symmetric; 1 is uniform.
        p: share of the samples that are mixed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["mixup", "cutmix"]
    alpha: Annotated[float, Field(gt=0)] = 1.0
    p: Annotated[float, Field(ge=0, le=1)] = 1.0


def _known_modality(name: object) -> str:
    if isinstance(name, str) and name in modalities.NAMES:
        return name
    expected = " or ".join(map(repr, modalities.NAMES))
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})


class _PolicyFile(BaseModel):
    """The head that all policies have; `_file_of` a modality says more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_KEBAB)]
    version: Annotated[str, Field(pattern=_SEMVER)]
    modality: Annotated[str, PlainValidator(_known_modality)]
    domain: Annotated[str, Field(pattern=_KEBAB)]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    limitations: tuple[str, ...] = ()
    discovered_by: Discovery | None = None
    budget: LatencyBudget
    transforms: tuple[Any, ...]  # each checked against the catalogue, with its own faults
    mixing: Mixing | None = None
    narrowed_to: Any = None


@cache
def _file_of(name: str) -> type[_PolicyFile]:
    catalogue = modalities.modality(name).catalogue
    narrowed_to: Any = catalogue.bounds | None
    return create_model(
        "_PolicyFile", __base__=_PolicyFile, budget=(catalogue.budget, ...), narrowed_to=(narrowed_to, None)
    )


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One version of a policy.

    Attributes:
        narrowed_to: the bounds of the domain that families with `limits: domain` are cut to; None where there are none.
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
    budget: LatencyBudget
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
        library = policies or path.absolute().parent.parent
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
        items, name = content.get("transforms"), content.get("modality")
        if name not in modalities.NAMES:
            validate(content, _PolicyFile, where)  # nobody can say what its steps mean: that is the fault
        catalogue = modalities.modality(str(name)).catalogue
        if policies is not None and NARROWED_TO not in content and asks_for_limits(items, catalogue.families):
            domain = str(content.get("domain"))
            if re.fullmatch(_KEBAB, domain):  # else it is a fault, and may not lead to other files
                bounds = catalogue.bearing(load_limits(policies, domain).content())
                return cls.from_text(with_entry(text, NARROWED_TO, bounds), where)
        budget = _valid(catalogue.budget, content.get("budget"))
        bounds_told = _valid(catalogue.bounds, content.get(NARROWED_TO))
        read = read_steps(items, catalogue, bounds_told, budget.at if budget else ())
        faults = [*read.faults, *_mixing_faults(content.get("mixing"), catalogue)]
        file = validate(content, _file_of(str(name)), where, also=faults)
        # What a policy does not ask for is no part of its digest, so those from before keep theirs.
        body = file.model_dump(mode="json", exclude={n for n in ("mixing", NARROWED_TO) if getattr(file, n) is None})
        if file.narrowed_to is not None:
            body[NARROWED_TO] = _decisive(file.narrowed_to)
        return cls(
            **{name: getattr(file, name) for name in _PolicyFile.model_fields if name != "transforms"},
            transforms=tuple(read.transforms),
            narrowed=tuple(read.narrowed),
            digest=digest_of(_canonical(body)),
            text=text,
        )

    @cached_property
    def is_identity(self) -> bool:
        """Whether the policy applies nothing at all."""
        return not self.transforms and self.mixing is None

    def narrowings(self) -> list[str]:
        """What the limits of its domain cut from its families or left out, for people."""
        return [one.told(self.domain) for one in self.narrowed]

    @property
    def normalises(self) -> bool:
        """Whether the result is on a scale and of a type of its own, whatever the samples were."""
        catalogue = modalities.modality(self.modality).catalogue
        return bool(self.transforms) and catalogue.rescales(self.transforms[-1].name)


def _valid(model: type[M], content: object) -> M | None:
    """A part of a file that may have faults, which its own check tells."""
    try:
        return None if content is None else model.model_validate(content)
    except ValidationError:
        return None


def _mixing_faults(content: object, catalogue: Catalogue) -> list[Fault]:
    mixing = _valid(Mixing, content)
    if mixing is None or mixing.kind in catalogue.mixings:
        return []
    known = " or ".join(catalogue.mixings) or "no mixing of these samples"
    return [Fault("mixing.kind", repr(mixing.kind), known, "remove `mixing`, or name another kind")]


def _decisive(bounds: Bounds) -> dict[str, Any]:
    """What of the bounds decides: not in which words something is forbidden."""
    content = bounds.content()
    return {**content, "forbidden": sorted(content.get("forbidden", ()))}


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
