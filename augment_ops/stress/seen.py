"""Which corruptions a policy itself trains on: what a model does on the others, it was not shown how to do.

A corruption counts as seen where a transform that can come up makes the same kind of change at any strength above
nothing: a rotation by a degree already takes `rotation` from the unseen. So the claim of progress on unseen corruptions
is the careful one. Noises that differ only in how their strength depends on the level count as one kind, and so do all
low-pass filters; blurs with a direction, quarter turns and mirror images, holes, and palettes are kinds of their own.

Source: that policies help most on the corruptions that resemble their transforms, Mintun et al. 2021, arXiv:2102.11273.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import Catalogue
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform, values_of


def seen_by(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    """Corruption → the policy's transforms that train on it, in the policy's order, each once.

    Only corruptions that are seen are keys, of any suite. A transform inside a family is named after it
    (`RandAugment.Rotate`); one that cannot come up (p = 0, its own or around it) trains on nothing. Mixing samples
    (mixup, cutmix) trains on no corruption.
    """
    catalogue = modality(policy.modality).catalogue
    seen: dict[str, dict[str, None]] = {}
    for name, transform in _leaves(policy.transforms, catalogue):
        for corruption in catalogue.teaches(transform.name, values_of(transform, catalogue)):
            seen.setdefault(corruption, {})[name] = None
    return {corruption: tuple(names) for corruption, names in seen.items()}


def _leaves(
    transforms: tuple[Transform, ...], catalogue: Catalogue, family: str = ""
) -> Iterator[tuple[str, Transform]]:
    for transform in transforms:
        if not values_of(transform, catalogue)["p"]:
            continue
        if transform.children:
            inside = f"{transform.name}." if transform.name in catalogue.families else family
            yield from _leaves(transform.children, catalogue, inside)
        else:
            yield family + transform.name, transform
