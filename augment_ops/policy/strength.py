"""How strong a policy can get, through containers, families and chains, in the units of a domain's limits.

Effects of chained transforms add up as the effect says; of the branches of a OneOf only the strongest counts, of a
SomeOf as many as it can choose.
"""

from __future__ import annotations

from collections.abc import Sequence

from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.policy.steps import Transform, values_of


def strength(transform: Transform, effect: Effect, catalogue: Catalogue) -> float:
    """The strongest effect that a transform, with what it contains, can have in one draw."""
    if transform.children:
        inside = [strength(child, effect, catalogue) for child in transform.children]
        return effect.joint(_chosen(transform, inside, catalogue))
    # The largest of them: the x and y of one transform do not add up.
    found = catalogue.strengths(transform.name, values_of(transform, catalogue), effect.name)
    return max(found.values(), default=0.0)


def reach(transforms: Sequence[Transform], effect: Effect, catalogue: Catalogue) -> float:
    """The strongest effect of transforms that follow each other."""
    return effect.joint([strength(transform, effect, catalogue) for transform in transforms])


def _chosen(container: Transform, strengths: list[float], catalogue: Catalogue) -> list[float]:
    """Of the strengths of a container's transforms, the strongest that one draw can bring together."""
    strongest = sorted(strengths, reverse=True)
    if container.name == "OneOf" or container.name in catalogue.side_by_side:
        return strongest[:1]
    if container.name == "SomeOf":
        values = values_of(container, catalogue)
        return strongest[:1] * values["n"] if values["replace"] else strongest[: values["n"]]
    return strongest
