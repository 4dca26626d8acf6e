"""A policy tried on images of a shape, before a data set of that shape relies on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from augment_ops.content import digest_of
from augment_ops.engine.key import generator, sample_key
from augment_ops.errors import Fault, TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.catalogue import defaults
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform

_IMAGES = 8
_EPOCHS = 4  # of eight images: each of 25 alternatives is met with 73%, each of 5 with 99.9%
_SEED = 7


def trial_faults(policy: Policy, shape: tuple[int, ...]) -> list[Fault]:
    """Why a policy does not work on images of `shape` (H, W, C), as it is and with every step applied to every image.

    Empty where both work. A sample's chance decides inside containers, so an alternative may go untried.
    """
    pixels = generator(sample_key("a trial", policy.digest)).integers(0, 256, (_IMAGES, *shape), dtype=np.uint8)
    always = tuple(_always(step) for step in policy.transforms)
    forced = replace(policy, transforms=always, digest=digest_of([policy.digest, "always"]))
    for tried in (policy, forced):
        augment = Augmenter(tried, _SEED)
        for epoch in range(_EPOCHS):
            try:
                augment(pixels, range(_IMAGES), epoch)
            except TransformError as error:
                size = "x".join(map(str, shape))
                return [replace(fault, where=f"{fault.where}, on images of {size}") for fault in error.faults]
    return []


def _always(step: Transform) -> Transform:
    return replace(step, params={**step.params, "p": 1.0}) if "p" in defaults(step.name) else step
