"""The size of what a transform that is not compiled makes of images: found by trying it on one."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from augment_ops.errors import TransformError
from augment_ops.modalities.image.catalogue import albumentations, construct
from augment_ops.modalities.image.transforms.geometry import Size
from augment_ops.policy.steps import Transform


def size_after(transform: Transform, size: Size, where: str) -> Size:
    """The size of the result for images of `size`; policies hold no transform that gives each image its own.

    Raises:
        TransformError: it cannot work on images of this size; `where` names its place in the policy.
    """
    return _size_after(transform.name, json.dumps(dict(transform.params)), size, where)


@lru_cache(maxsize=1024)
def _size_after(name: str, params: str, size: Size, where: str) -> Size:
    step = construct(name, json.loads(params))
    if not isinstance(step, albumentations().DualTransform):
        return size
    try:
        height, width = step(image=np.zeros((*size, 3), np.uint8), force_apply=True)["image"].shape[:2]
    except Exception as error:  # whatever the library's dependencies raise
        raise TransformError(
            where,
            f"images of {size[0]}x{size[1]}: {str(error).strip()[:200]}",
            "a size this transform can work on",
            "correct its parameters, or resize when the data set is read (--image-size)",
        ) from error
    return int(height), int(width)


def check_applies_to_all(where: str, before: Size, after: Size, applies: bool) -> None:
    """Raise TransformError for a transform that changes the size of some images of a batch and not of others."""
    if before != after and not applies:
        raise TransformError(
            where,
            f"applied to some images of a batch and not to others, {before} to {after}",
            "one size for all images of a batch",
            "set p: 1.0, and keep transforms that change the size out of OneOf and SomeOf",
        )
