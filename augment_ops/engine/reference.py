"""The reference engine: albumentations' own transforms, one sample at a time, on keyed streams.

albumentations keeps one random state per pipeline and advances it call by call, so its result depends on call order,
workers and epochs. Here every transform reads a stream that is re-seated by (sample key, transform index) before each
call; its own state is never used. Re-seating costs about 3 µs, `set_random_seed` 250 µs.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key, KeyedStream
from augment_ops.errors import TransformError
from augment_ops.policy.catalogue import construct
from augment_ops.policy.spec import Policy, Transform

# Part of the lineage: another engine, or another version of this one, may round differently.
ENGINE = f"reference/albumentations-{version('albumentations')}"


class ReferencePlan:
    """A policy built for one thread.

    Args:
        policy: the policy to apply.
    """

    def __init__(self, policy: Policy) -> None:
        self._stream = KeyedStream()
        self._steps = [(transform.name, _build(transform)) for transform in policy.transforms]
        for _, step in self._steps:
            step.set_random_state(self._stream.numpy, self._stream.python)

    def apply(self, image: NDArray[np.uint8], key: Key, sample_id: str) -> NDArray[np.uint8]:
        """Augment one image.

        Args:
            image: uint8 (H, W, C); not modified.
            key: the sample's key.
            sample_id: named in errors.

        Returns:
            uint8 (H, W, C), a new array or `image` itself where nothing applied.

        Raises:
            TransformError: a transform cannot work on this image, or changed its shape or dtype.
        """
        current = image
        for index, (name, step) in enumerate(self._steps):
            self._stream.seat(key, index)
            try:
                result = step(image=current)["image"]
            except Exception as error:  # whatever the library's dependencies raise, NotImplementedError included
                raise TransformError(
                    f"transforms[{index}].{name}, sample {sample_id}",
                    f"image {image.shape}: {str(error).strip()[:200]}",
                    "an image this transform can work on",
                    "choose another transform for this kind of image (channels, size), or correct its parameters",
                ) from error
            if result.ndim == 2:
                result = result[:, :, None]
            if result.shape != image.shape or result.dtype != np.uint8:
                raise TransformError(
                    f"transforms[{index}].{name}, sample {sample_id}",
                    f"{result.dtype} {result.shape}",
                    f"uint8 {image.shape}, as it came in",
                    "use transforms that keep size and type; resize when the data set is read (--image-size)",
                )
            current = result
        return current


def _build(transform: Transform) -> Any:
    return construct(transform.name, transform.params, [_build(child) for child in transform.children])
