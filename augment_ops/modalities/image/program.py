"""A plan at work: parameters for a whole batch in NumPy, pixels in compiled loops that release the GIL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.decisions import Decisions, Mask
from augment_ops.errors import TransformError
from augment_ops.extras import require
from augment_ops.modalities.image import parameters
from augment_ops.modalities.image.following import Boxes, Keypoints, follow_boxes, follow_keypoints
from augment_ops.modalities.image.kernels import fused
from augment_ops.modalities.image.kernels.ahead import compile_ahead
from augment_ops.modalities.image.kernels.convolution import convolve_separable, convolve_square
from augment_ops.modalities.image.kernels.operations import GAUSS
from augment_ops.modalities.image.library_size import check_applies_to_all, size_after
from augment_ops.modalities.image.parameters import Keys
from augment_ops.modalities.image.plan import Mix, Node, Plan, Segment
from augment_ops.modalities.image.reference import reference_steps
from augment_ops.modalities.image.targets import Targets, Visibility, by_image, kept_boxes
from augment_ops.modalities.image.transforms.convolution import Convolution
from augment_ops.modalities.image.transforms.geometry import NEAREST, Geometry, Size
from augment_ops.modalities.image.transforms.noise import pool
from augment_ops.modalities.image.transforms.normalise import Normalise

Images = NDArray[Any]  # uint8; float32 after Normalize
Kept = tuple[NDArray[np.int64], ...] | None
Inside = tuple[NDArray[np.bool_], ...] | None

# Bytes of images that pass through all segments before the next ones do: the last cache holds them. For fewer at a time
# drawing the parameters of RandAugment's fourteen operations, a millisecond or two, would count.
_IN_CACHE = 1 << 23

# A chunk is rounded up to whole images, and so exceeds `_IN_CACHE` by less than one of them: memory is kept for chunks
# of images that would fit it. Two arrays for a chunk, of which a pass that changes the size reads one and writes the
# other, and two for the last chunk of a batch, which is smaller.
_LARGEST_SPARE = 2 * _IN_CACHE  # bytes
_SPARES = 4


class _Spares:
    """Memory between two passes, which the next chunk takes again: to have it anew from the system costs as much as an
    operation (0.1 ms an image of 224×224×3 on a virtual machine), page by page.
    """

    def __init__(self) -> None:
        self._kept: list[Images] = []

    def take(self, shape: tuple[int, ...]) -> Images:
        """An array uint8 of this shape, of any content."""
        for i, one in enumerate(self._kept):
            if one.shape == shape:
                return self._kept.pop(i)
        return np.empty(shape, np.uint8)

    def give(self, images: Images) -> None:
        """Keep an array that nobody else has, in place of the oldest; none that is large."""
        if images.dtype == np.uint8 and images.nbytes <= _LARGEST_SPARE:
            self._kept = [*self._kept[1 - _SPARES :], images]


class Program:
    """A plan and what it needs to run in one thread. Not thread-safe.

    Args:
        plan: of the policy.
    """

    def __init__(self, plan: Plan) -> None:
        compile_ahead()
        self._plan = plan
        self._decide = Decisions(plan.nodes)
        self._steps = reference_steps(plan)
        self._spares = _Spares()

    def __call__(self, images: Images, keys: Keys, names: NDArray[np.object_]) -> Images:
        """Augment a batch.

        Args:
            images: uint8 (N, H, W, C), C-contiguous; not modified.
            keys: uint64 (N, 2).
            names: N sample ids, for errors.

        Returns:
            uint8 (N, H', W', C), a new array; float32 where the policy normalises.
        """
        segments = self._plan.segments
        one_pass = len(segments) == 1 and not isinstance(segments[0].leaves[0].operation, Mix)
        many = 1 if one_pass else -(-images.nbytes // _IN_CACHE)
        chunk = -(-len(images) // many)
        masks = self._decide(keys)
        found: Images | None = None
        for start in range(0, len(images), chunk):
            rows = slice(start, start + chunk)
            current, owned = images[rows], False
            here = {index: mask[rows] for index, mask in masks.items()}
            for segment in segments:
                current, owned = self._run(segment, current, owned, keys[rows], here, names[rows])
            if chunk >= len(images):
                return current if owned else current.copy()
            if found is None:
                found = np.empty((len(images), *current.shape[1:]), current.dtype)
            found[rows] = current
            if owned:
                self._spares.give(current)
        assert found is not None
        return found

    def annotate(
        self, targets: Targets, size: Size, keys: Keys, visibility: Visibility
    ) -> tuple[Targets, Kept, Inside]:
        """Move what belongs to a batch of images of `size` as `__call__` moves the images.

        Args:
            targets: as `checked` leaves them.
            visibility: which boxes are kept.

        Raises:
            TransformError: a transform that is not compiled moves pixels.
        """
        active = self._decide(keys)
        masks = None if targets.masks is None else np.asarray(targets.masks)
        boxes = None if targets.boxes is None else Boxes.of(targets.boxes)
        points = None if targets.keypoints is None else Keypoints.of(targets.keypoints, size)
        for segment in self._plan.segments:
            for leaf in segment.leaves:
                if self._leaves_targets_behind(leaf):
                    raise TransformError(
                        leaf.where,
                        "a transform that is not compiled, or mixes several moves",
                        "one that masks and boxes can follow",
                        "take another transform, or augment images alone",
                    )
            move = parameters.moves(segment, size, keys, active)
            if masks is not None:
                masks = _fuse_masks(segment, masks, move, keys, active)
            if boxes is not None and len(move.forward):
                boxes = follow_boxes(boxes, move.forward, move.rounded, move.size)
            if points is not None and len(move.forward):
                points = follow_keypoints(points, move.forward, move.size)
            size = move.size
        found, kept = (
            (None, None) if boxes is None else kept_boxes(boxes, len(keys), targets.box_format, size, visibility)
        )
        keypoints = None if points is None else by_image(points.xy, points.owner, len(keys))
        inside = None if points is None else tuple(by_image(points.inside, points.owner, len(keys)))
        return Targets(masks, found, keypoints, targets.box_format), kept, inside

    def _leaves_targets_behind(self, leaf: Node) -> bool:
        if isinstance(leaf.operation, Mix):
            return any(isinstance(inner.operation, Geometry) for inner in leaf.operation.leaves)
        return leaf.operation is None and self._steps[leaf.index].moves_pixels

    def _run(
        self,
        segment: Segment,
        images: Images,
        owned: bool,
        keys: Keys,
        masks: Mapping[int, Mask],
        names: NDArray[np.object_],
    ) -> tuple[Images, bool]:
        if (
            not any(masks[leaf.index].any() for leaf in segment.leaves)
            and segment.output_size(images.shape[1:3]) == images.shape[1:3]
        ):
            return images, owned
        first = segment.leaves[0]
        if isinstance(first.operation, Convolution):
            images = images if owned else images.copy()
            _convolve(first, first.operation, images, keys, masks[first.index])
            return images, True
        if isinstance(first.operation, Normalise):
            return _normalise(first, first.operation, images), True
        if isinstance(first.operation, Mix):
            images = images if owned else images.copy()
            self._mix(first, first.operation, images, keys, masks, names)
            return images, True
        if first.operation is None:
            return self._by_library(first, images, owned, keys, masks[first.index], names), True
        found = _fuse(segment, images, owned, keys, masks, self._spares)
        if owned and found is not images:
            self._spares.give(images)
        return found, True

    def _by_library(
        self, leaf: Node, images: Images, owned: bool, keys: Keys, mask: Mask, names: NDArray[np.object_]
    ) -> Images:
        before = (images.shape[1], images.shape[2])
        after = size_after(leaf.transform, before, leaf.where)
        check_applies_to_all(leaf.where, before, after, bool(mask.all()))
        if after != before:
            target = np.empty((len(images), *after, images.shape[3]), images.dtype)
        else:
            target = images if owned else images.copy()
        for row in np.flatnonzero(mask).tolist():
            key = (int(keys[row, 0]), int(keys[row, 1]))
            target[row] = self._steps[leaf.index].apply(images[row], key, str(names[row]))
        return target

    def _mix(
        self, leaf: Node, mix: Mix, images: Images, keys: Keys, masks: Mapping[int, Mask], names: NDArray[np.object_]
    ) -> None:
        """AugMix."""
        rows = np.flatnonzero(masks[leaf.index])
        here = {index: mask[rows] for index, mask in masks.items()}
        weights = mix.weights(keys[rows], leaf.index).astype(np.float32)[..., None, None, None]
        total = images[rows] * weights[:, 0]
        for i, chain in enumerate(mix.chains):
            current, owned = images[rows], True
            for segment in chain:
                current, owned = self._run(segment, current, owned, keys[rows], here, names[rows])
            total += current * weights[:, i + 1]
        images[rows] = np.rint(np.clip(total, 0, 255))


def _convolve(leaf: Node, operation: Convolution, images: Images, keys: Keys, mask: Mask) -> None:
    kernels = operation.kernels(philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws))
    convolve = convolve_separable if operation.separable else convolve_square
    convolve(images, mask.astype(np.uint8), kernels)


def _normalise(leaf: Node, operation: Normalise, images: Images) -> Images:
    # Imported here: few policies need torch, and it takes seconds.
    require("torch", "Normalize")
    import torch

    from augment_ops.modalities.image.tensors.levels import WHOLE
    from augment_ops.modalities.image.tensors.normalise import normalise

    return normalise(torch.from_numpy(images), WHOLE, operation, leaf.where).numpy()


def _fuse(
    segment: Segment, images: Images, owned: bool, keys: Keys, masks: Mapping[int, Mask], spares: _Spares
) -> Images:
    n, height, width, channels = images.shape
    move = parameters.moves(segment, (height, width), keys, masks)
    colour = parameters.colours(segment, channels, keys, masks)
    noise = parameters.noises(segment, move.size, channels, keys, masks)
    holes = parameters.rectangles(segment, move.size, keys, masks)
    in_place = owned and move.size == (height, width)
    target = images if in_place else spares.take((n, *move.size, channels))
    fused.run_segment(
        loops=fused.loops(),
        source=images,
        target=target,
        in_place=in_place,
        moved=move.moved,
        inverse=move.inverse(),
        border=move.border.mode,
        nearest=move.border.interpolation == NEAREST,
        border_fill=parameters.levels(move.border.fill, channels, move.where),
        codes=colour.codes,
        coloured=colour.wanted,
        arguments=colour.arguments,
        noisy=noise.noisy,
        noise=noise.scale,
        kind=noise.kind,
        shared=noise.shared,
        noise_transform=noise.transform,
        keys=keys,
        pool=pool(),
        rectangles=holes.corners,
        hole_fill=parameters.levels(holes.fill, channels, holes.where),
    )
    return target


def _fuse_masks(
    segment: Segment, masks: Images, move: parameters.Moves, keys: Keys, active: Mapping[int, Mask]
) -> Images:
    """Warp masks (N, H, W, K) and cut the holes that go through masks."""
    n, _, _, channels = masks.shape
    border = parameters.mask_border(move)
    holes = parameters.rectangles(segment, move.size, keys, active)
    cut = holes.corners if holes.mask_fill is not None else np.empty((n, 0, 4), np.int32)
    target = np.empty((n, *move.size, channels), np.uint8)
    fused.run_segment(
        loops=fused.loops(),
        source=masks,
        target=target,
        in_place=False,
        moved=move.moved,
        inverse=move.inverse(),
        border=border.mode,
        nearest=border.interpolation == NEAREST,
        border_fill=parameters.levels(border.fill, channels, f"{move.where}.fill_mask"),
        codes=np.empty(0, np.int64),  # neither colour nor noise
        coloured=np.empty((n, 0), np.uint8),
        arguments=np.empty((n, 0, 1), np.float32),
        noisy=np.empty(0, np.uint8),
        noise=np.empty((0, 3)),
        kind=GAUSS,
        shared=False,
        noise_transform=0,
        keys=keys,
        pool=pool(),
        rectangles=cut,
        hole_fill=parameters.levels(holes.mask_fill or (0.0,), channels, f"{holes.where}.fill_mask"),
    )
    return target
