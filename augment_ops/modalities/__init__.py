"""What a sample looks like: each modality holds all that knows it, and is had by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from augment_ops.errors import InputError, nearest

if TYPE_CHECKING:
    from augment_ops.modalities.base import BatchAugmenter, Modality
    from augment_ops.policy.spec import Policy

# Name → module that has it as MODALITY; imported when it is asked for, because each brings libraries of its own.
_MODULES = {"image": "augment_ops.modalities.image.modality"}
NAMES = tuple(_MODULES)


@cache
def modality(name: str) -> Modality:
    """The modality of that name.

    Raises:
        InputError: there is none.
    """
    if name not in _MODULES:
        raise InputError("modality", repr(name), " | ".join(NAMES), f"correct the name.{nearest(name, NAMES)}")
    found: Modality = import_module(_MODULES[name]).MODALITY
    return found


def augmenter(policy: Policy, seed: int) -> BatchAugmenter:
    """What applies a policy: a pure function of (policy digest, seed, epoch, sample id), whatever its modality.

    Args:
        policy: what to apply.
        seed: any integer; other seeds give independent results.

    Returns:
        Called with a batch, its ids and an epoch. That of images also augments masks, boxes and keypoints
        (`annotated`), images of several sizes (`ragged`) and tensors of a GPU (`tensors`): see
        `augment_ops.modalities.image.augmenter.Augmenter`.
    """
    return modality(policy.modality).augmenter(policy, seed)
