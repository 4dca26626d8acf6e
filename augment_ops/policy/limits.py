"""What a domain forbids, and whether a policy honours it on every path: ranges, containers, chains.

A limit bounds the strongest effect that any draw can have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from augment_ops.content import digest_of
from augment_ops.errors import Fault, PolicyError
from augment_ops.policy import catalogue
from augment_ops.policy.spec import Modality, Policy, Transform
from augment_ops.policy.strength import SETTINGS, ZOOM_IN, ZOOM_OUT, joint, log, settings_of, strength
from augment_ops.policy.yaml_file import load_model

_Positive = Annotated[float, Field(ge=0)]

_ROUNDING = 1e-9  # 0.1 + 0.2 is not more than 0.3


class Limits(BaseModel):
    """policies/limits/<domain>.yaml. A bound that is absent does not bind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: str
    description: str
    modality: Modality = "image"
    max_rotation_deg: _Positive | None = None
    max_shear_deg: _Positive | None = None
    max_translation_share: _Positive | None = None
    scale_range: tuple[_Positive, _Positive] | None = None
    max_brightness_change: _Positive | None = None
    max_contrast_change: _Positive | None = None
    max_noise_std: _Positive | None = None
    max_hue_shift_deg: _Positive | None = None
    max_saturation_change: _Positive | None = None
    max_channel_shift: _Positive | None = None
    max_gamma_change: _Positive | None = None
    max_perspective_share: _Positive | None = None
    max_distortion_share: _Positive | None = None
    max_elastic_px: _Positive | None = None
    forbidden: dict[str, str] = {}  # transform → the reason, which the error repeats

    @property
    def digest(self) -> str:
        """sha256 over the content; a bound that is absent is no part of it."""
        return digest_of(self.model_dump(mode="json", exclude_none=True))


@dataclass(frozen=True)
class _Bound:
    """One limit of a domain, as a number that no strength may exceed."""

    name: str
    limit: float
    expected: str
    key: str  # in the file
    shown: Callable[[float], str]  # a strength in the words of the file

    def exceeded(self, strength: float) -> bool:
        """Whether `strength` is more; NaN is."""
        return not strength <= self.limit + _ROUNDING


def load_limits(policies: Path, domain: str) -> Limits:
    """The limits of a domain.

    Raises:
        PolicyError: no such domain, or a faulty file.
    """
    path = policies / "limits" / f"{domain}.yaml"
    limits = load_model(path, Limits, kind="domain with limits")
    faults = []
    if limits.domain != domain:
        faults.append(Fault("domain", limits.domain, domain, "correct `domain`"))
    if limits.modality != "image":
        of_images = limits.model_fields_set - {"domain", "description", "modality"}
        faults += [
            Fault(name, "a bound on images", f"nothing in a domain of {limits.modality}", "remove it")
            for name in sorted(of_images)
        ]
    known = catalogue.names()
    # A name that no policy can use would forbid nothing.
    faults += [catalogue.unknown_fault(f"forbidden.{name}", name) for name in limits.forbidden if name not in known]
    if faults:
        raise PolicyError.of(str(path), faults)
    return limits


def limit_faults(policy: Policy, limits: Limits) -> list[Fault]:
    """Every way in which `policy` exceeds `limits`; empty where it honours them."""
    source = f"policies/limits/{limits.domain}.yaml"
    if policy.modality != limits.modality:
        found, wanted = f"{policy.modality} in the domain {limits.domain}", f"{limits.modality} ({source}: modality)"
        return [Fault("modality", found, wanted, "name a domain of the policy's modality")]
    faults = [
        Fault(
            where,
            transform.name,
            f"no {transform.name} in this domain ({source}: {limits.forbidden[transform.name]})",
            "remove the transform, or move the policy to another domain",
        )
        for where, transform in _leaves(policy.transforms)
        if transform.name in limits.forbidden
    ]
    for bound in _bounds(limits):
        faults += _bound_faults(policy, bound, source)
    return list(dict.fromkeys(faults))  # a scale that is both too small and too large is one fault


def check_limits(policy: Policy, limits: Limits, where: str) -> None:
    """Refuse a policy that exceeds its domain's limits; `where` names its file in the error.

    Raises:
        PolicyError: with every excess.
    """
    faults = limit_faults(policy, limits)
    if faults:
        raise PolicyError.of(where, faults)


def reaches(policy: Policy, limits: Limits) -> dict[str, tuple[float, float | None, bool]]:
    """Bound → the strongest effect of all transforms together, the limit where there is one, whether it is exceeded.

    Zooms are factors; everything else is in the unit of its bound.
    """
    bounds = {bound.name: bound for bound in _bounds(limits)}
    found: dict[str, tuple[float, float | None, bool]] = {}
    for name in dict.fromkeys(setting.bound for setting in SETTINGS):
        strongest = joint(name, [strength(transform, name) for transform in policy.transforms])
        bound = bounds.get(name)
        limit = None if bound is None else bound.limit
        sign = {ZOOM_IN: 1, ZOOM_OUT: -1}.get(name)
        factors = (strongest, limit) if sign is None else (_factor(sign, strongest), _factor(sign, limit))
        found[name] = (factors[0] or 0.0, factors[1], bound is not None and bound.exceeded(strongest))
    return found


def _factor(sign: int, exponent: float | None) -> float | None:
    return None if exponent is None else math.exp(sign * exponent)


def _bounds(limits: Limits) -> list[_Bound]:
    bounds = []
    for name in dict.fromkeys(s.bound for s in SETTINGS if s.bound not in (ZOOM_IN, ZOOM_OUT)):
        limit = getattr(limits, name)
        if limit is not None:
            bounds.append(_Bound(name, limit, f"within ±{limit:g}", name, lambda chained: f"{chained:g}"))
    if limits.scale_range is not None:
        low, high = limits.scale_range
        expected = f"within [{low:g}, {high:g}]"
        bounds += [
            _Bound(ZOOM_OUT, -log(low), expected, "scale_range", lambda chained: f"{math.exp(-chained):g}"),
            _Bound(ZOOM_IN, log(high), expected, "scale_range", lambda chained: f"{math.exp(chained):g}"),
        ]
    return bounds


def _bound_faults(policy: Policy, bound: _Bound, source: str) -> list[Fault]:
    faults = []
    expected = f"{bound.expected} ({source}: {bound.key})"
    for where, transform in _leaves(policy.transforms):
        values = catalogue.resolved(transform.name, transform.params)
        for setting in settings_of(transform, bound.name):
            if bound.exceeded(setting.strength(values[setting.parameter])):
                shown = transform.params.get(setting.parameter, values[setting.parameter])
                faults.append(
                    Fault(
                        f"{where}.{setting.parameter}",
                        _shown(shown),
                        expected,
                        "narrow the range, or move the policy to another domain",
                    )
                )
    chained = joint(bound.name, [strength(transform, bound.name) for transform in policy.transforms])
    if not faults and bound.exceeded(chained):
        faults.append(
            Fault(
                "transforms",
                f"a chain that can reach {bound.shown(chained)} in all",
                expected,
                "narrow the ranges, or put the alternatives into one OneOf",
            )
        )
    return faults


def _leaves(transforms: tuple[Transform, ...], where: str = "transforms") -> list[tuple[str, Transform]]:
    found = []
    for i, transform in enumerate(transforms):
        place = f"{where}[{i}].{transform.name}"
        if transform.children:
            found += _leaves(transform.children, f"{place}.transforms")
        else:
            found.append((place, transform))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)
