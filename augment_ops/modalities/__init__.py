"""What a sample looks like: each modality holds all that knows it, and is had by its name.

This module and what a modality declares in its `run_parameters` import the standard library alone, because a DAG file
reads them. The rest of a modality is imported when it is asked for: each brings libraries of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from augment_ops.errors import Fault, InputError, nearest
from augment_ops.parameter import Parameter, declared_in

if TYPE_CHECKING:
    from augment_ops.modalities.base import Modality
    from augment_ops.modalities.catalogue import BatchAugmenter
    from augment_ops.modalities.lexicons import Lexicons
    from augment_ops.policy.spec import Policy

# Each a package here, with MODALITY in its module `modality` and DECLARED in `run_parameters`.
NAMES = ("image", "tabular", "text", "interactions")
UNNAMED = "image"  # of what names none: the first one, of which everything was before there were others


@cache
def modality(name: str) -> Modality:
    """The modality of that name.

    Raises:
        InputError: there is none.
    """
    found: Modality = _module(name, "modality").MODALITY
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


@cache
def run_parameters(name: str) -> tuple[Parameter, ...]:
    """The parameters of a run that only this modality has.

    Raises:
        InputError: there is no modality of that name.
    """
    return declared_in(_module(name, "run_parameters").DECLARED)


def asked_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a modality: those given, and the defaults of the others.

    Raises:
        InputError: one that it does not have; or there is no modality of that name.
    """
    defaults = {one.name: one.default for one in run_parameters(name)}
    unknown = [
        Fault(
            key,
            repr(value)[:120],
            f"a parameter of the modality {name} ({', '.join(defaults) or 'it has none'})",
            f"leave it out, or correct its name.{nearest(key, defaults)}",
        )
        for key, value in given.items()
        if key not in defaults
    ]
    if unknown:
        raise InputError.of("parameters of a data set", unknown)
    return {**defaults, **given}


def text_lexicons() -> Lexicons:
    """What makes the lexicons that policies of texts name."""
    found: Lexicons = _module("text", "lexicon_making").LEXICONS
    return found


def _module(name: str, part: str) -> Any:
    if name not in NAMES:
        raise InputError("modality", repr(name)[:120], " | ".join(NAMES), f"correct the name.{nearest(name, NAMES)}")
    return import_module(f"{__name__}.{name}.{part}")
