"""Transforms that are not compiled: albumentations' own, one sample at a time, on keyed streams.

albumentations keeps one random state per pipeline and advances it call by call, so its result depends on call order,
workers and epochs. Here every transform reads a stream that is re-seated by (sample key, transform index) before each
call; its own state is never used. Re-seating costs about 3 µs, `set_random_seed` 250 µs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from augment_ops.engine.key import Key, KeyedStream
from augment_ops.errors import TransformError
from augment_ops.modalities.image.catalogue import albumentations, construct
from augment_ops.modalities.image.plan import Plan
from augment_ops.policy.steps import Transform

LIBRARY = f"albumentations-{version('albumentations')}"


class ReferenceStep:
    """One of albumentations' transforms, applied to every sample that it is given. Not thread-safe.

    Args:
        transform: not a container.
        index: of the transform in its policy.
        where: as errors name it.
    """

    def __init__(self, transform: Transform, index: int, where: str) -> None:
        self._index, self._where = index, where
        self._stream = KeyedStream()
        self._step = construct(transform.name, transform.params)
        self._step.set_random_state(self._stream.numpy, self._stream.python)

    @property
    def moves_pixels(self) -> bool:
        """Whether masks and boxes would have to follow it."""
        return bool(isinstance(self._step, albumentations().DualTransform))

    def apply(self, image: NDArray[Any], key: Key, sample_id: str) -> NDArray[Any]:
        """Augment one image.

        Args:
            image: uint8 or float32 (H, W, C); not modified.
            key: the sample's key.
            sample_id: named in errors.

        Returns:
            (H', W', C) of the same type.

        Raises:
            TransformError: the transform cannot work on this image, or changed its channels or dtype.
        """
        self._stream.seat(key, self._index)
        try:
            result: NDArray[Any] = self._step(image=image, force_apply=True)["image"]
        except Exception as error:  # whatever the library's dependencies raise, NotImplementedError included
            raise TransformError(
                f"{self._where}, sample {sample_id}",
                f"image {image.shape}: {str(error).strip()[:200]}",
                "an image this transform can work on",
                "choose another transform for this kind of image (channels, size), or correct its parameters",
            ) from error
        if result.ndim == 2:
            result = result[:, :, None]
        if result.ndim != image.ndim or result.shape[2] != image.shape[2] or result.dtype != image.dtype:
            raise TransformError(
                f"{self._where}, sample {sample_id}",
                f"{result.dtype} {result.shape}",
                f"{image.dtype} with {image.shape[2]} channels, as it came in",
                "use transforms that keep channels and type",
            )
        return result


def reference_steps(plan: Plan) -> Mapping[int, ReferenceStep]:
    """A step for every leaf of a plan that is not compiled, by the leaf's index."""
    return {
        leaf.index: ReferenceStep(leaf.transform, leaf.index, leaf.where)
        for segment in plan.segments
        for leaf in segment.leaves
        if leaf.operation is None
    }
