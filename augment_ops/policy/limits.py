"""Whether a policy honours what its domain forbids, on every path: ranges, containers, families, chains.

A limit bounds the strongest effect that any draw can have.
"""

from __future__ import annotations

from typing import Any

from augment_ops.errors import Fault, PolicyError
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.policy.bounds import Limits
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform, values_of
from augment_ops.policy.strength import reach

_ROUNDING = 1e-9  # 0.1 + 0.2 is not more than 0.3


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
    catalogue = modality(policy.modality).catalogue
    for effect in catalogue.effects:
        faults += _effect_faults(policy, effect, limits, catalogue, source)
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
    """Effect → the strongest of all transforms together, the limit where there is one, whether it is exceeded.

    Each is in the unit in which comparisons show it: zooms are factors.
    """
    catalogue = modality(policy.modality).catalogue
    found: dict[str, tuple[float, float | None, bool]] = {}
    for effect in catalogue.effects:
        strongest, limit = reach(policy.transforms, effect, catalogue), _limit(effect, limits)
        shown = None if limit is None else effect.reached(limit)
        found[effect.name] = (effect.reached(strongest), shown, _exceeded(strongest, limit))
    return found


def _limit(effect: Effect, limits: Limits) -> float | None:
    """The largest strength that a domain allows; None where it does not bind."""
    bound = getattr(limits, effect.key, None)  # a domain of another modality has no such bound
    return None if bound is None else effect.limit(bound)


def _exceeded(strength: float, limit: float | None) -> bool:
    """Whether `strength` is more; NaN is."""
    return limit is not None and not strength <= limit + _ROUNDING


def _effect_faults(policy: Policy, effect: Effect, limits: Limits, catalogue: Catalogue, source: str) -> list[Fault]:
    limit = _limit(effect, limits)
    if limit is None:
        return []
    faults = []
    expected = f"{effect.expected(getattr(limits, effect.key))} ({source}: {effect.key})"
    for where, transform in leaves(policy.transforms):
        values = values_of(transform, catalogue)
        for parameter, strength in catalogue.strengths(transform.name, values, effect.name).items():
            if _exceeded(strength, limit):
                shown = transform.params.get(parameter, values[parameter])
                faults.append(
                    Fault(
                        f"{where}.{parameter}",
                        _shown(shown),
                        expected,
                        "narrow the range, or move the policy to another domain",
                    )
                )
    chained = reach(policy.transforms, effect, catalogue)
    if not faults and _exceeded(chained, limit):
        faults.append(
            Fault(
                "transforms",
                f"a chain that can reach {effect.shown(chained)} in all",
                expected,
                "narrow the ranges, or put the alternatives into one OneOf",
            )
        )
    return faults


def leaves(transforms: tuple[Transform, ...]) -> list[tuple[str, Transform]]:
    """Every transform with its place, without containers and families; those that they hold are there."""
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
