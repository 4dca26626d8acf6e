"""What a domain bounds: policies/limits/<domain>.yaml.

Which bounds there are is for the modality of the domain to say; here is what all have in common.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from augment_ops import modalities
from augment_ops.content import digest_of
from augment_ops.errors import Fault, PolicyError
from augment_ops.policy.yaml_file import parse, read_text, validate

_HEAD = frozenset({"domain", "description", "modality"})


class Bounds(BaseModel):
    """The strongest effect that any draw may have, and what may not be drawn. A bound that is absent does not bind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forbidden: dict[str, str] = {}  # transform → the reason, which the error repeats

    def content(self) -> dict[str, Any]:
        """As a file has it: what does not bind is left out, and what is forbidden comes last."""
        found = self.model_dump(mode="json", exclude=set(_HEAD), exclude_none=True, exclude_defaults=True)
        forbidden = found.pop("forbidden", None)
        return found if forbidden is None else {**found, "forbidden": forbidden}


class Limits(Bounds):
    """The bounds of a domain, with the head of its file. Of a modality that is not here, nothing can be bound."""

    domain: str
    description: str
    modality: Literal["image", "tabular", "text", "interactions"] = "image"  # `modalities.UNNAMED`

    @property
    def digest(self) -> str:
        """sha256 over the content; a bound that is absent is no part of it."""
        return digest_of(self.model_dump(mode="json", exclude_none=True))


def load_limits(policies: Path, domain: str) -> Limits:
    """The limits of a domain.

    Raises:
        PolicyError: no such domain, or a faulty file.
    """
    path = policies / "limits" / f"{domain}.yaml"
    content = parse(read_text(path, kind="domain with limits"), str(path))
    name = content.get("modality", modalities.UNNAMED)
    foreign = _foreign_faults(content, name)
    known = {key: value for key, value in content.items() if key not in {fault.where for fault in foreign}}
    model = modalities.modality(name).catalogue.limits if name in modalities.NAMES else Limits
    limits = validate(known, model, str(path), also=foreign)
    faults = []
    if limits.domain != domain:
        faults.append(Fault("domain", limits.domain, domain, "correct `domain`"))
    faults += _forbidden_faults(limits)
    if faults:
        raise PolicyError.of(str(path), faults)
    return limits


def _foreign_faults(content: dict[str, Any], name: Any) -> list[Fault]:
    """Bounds on samples of another modality than the file's."""
    own = _bounds_of(name) if name in modalities.NAMES else frozenset()
    others = {key: other for other in modalities.NAMES if other != name for key in _bounds_of(other) - own}
    return [
        Fault(
            key,
            f"a bound on {modalities.modality(others[key]).plural}",
            f"nothing in a domain of {name}",
            "remove it",
        )
        for key in sorted(key for key in content if key in others)
    ]


def _bounds_of(name: str) -> frozenset[str]:
    return frozenset(modalities.modality(name).catalogue.bounds.model_fields) - frozenset(Bounds.model_fields)


def _forbidden_faults(limits: Limits) -> list[Fault]:
    """A name that no policy can use would forbid nothing."""
    if limits.modality not in modalities.NAMES:
        expected = f"nothing: there are no transforms of {limits.modality}"
        return [Fault(f"forbidden.{name}", repr(name), expected, "remove it") for name in limits.forbidden]
    catalogue = modalities.modality(limits.modality).catalogue
    known = catalogue.names()
    return [catalogue.unknown_fault(f"forbidden.{name}", name) for name in limits.forbidden if name not in known]
