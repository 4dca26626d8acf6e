"""Whether a policy honours what its domain forbids, on every path: ranges, containers, families, chains.

A limit bounds the strongest effect that any draw can have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augment_ops.errors import Fault, PolicyError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.strength import SETTINGS, ZOOM_IN, ZOOM_OUT, joint, log, settings_of, strength
from augment_ops.policy.bounds import Limits
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform

_ROUNDING = 1e-9  # 0.1 + 0.2 is not more than 0.3


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
        for where, transform in _all(policy.transforms)
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


def _leaves(transforms: tuple[Transform, ...]) -> list[tuple[str, Transform]]:
    return [(where, transform) for where, transform in _all(transforms) if not transform.children]


def _all(transforms: tuple[Transform, ...], where: str = "transforms") -> list[tuple[str, Transform]]:
    """Every transform with its place, containers and families before what they hold."""
    found = []
    for i, transform in enumerate(transforms):
        place = f"{where}[{i}].{transform.name}"
        found += [(place, transform), *_all(transform.children, f"{place}.transforms")]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)
