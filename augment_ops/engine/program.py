"""A plan at work: parameters for a whole batch in NumPy, pixels in compiled loops that release the GIL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.decisions import Mask, decide
from augment_ops.engine.image import colour
from augment_ops.engine.image import geometry as geo
from augment_ops.engine.image.colour import Colour
from augment_ops.engine.image.geometry import Geometry
from augment_ops.engine.image.holes import Holes
from augment_ops.engine.image.neighbours import Convolution
from augment_ops.engine.image.noise import Noise, pool
from augment_ops.engine.kernels import fused
from augment_ops.engine.kernels.matrices import follow, identities, invert
from augment_ops.engine.plan import Node, Plan, Segment
from augment_ops.engine.reference import ReferenceStep
from augment_ops.errors import TransformError

Images = NDArray[np.uint8]
Keys = NDArray[np.uint64]

# Flips and crops land on whole pixels inside the source: no border is read, nothing is interpolated.
_WHOLE_PIXELS = geo.Border(geo.CONSTANT, (0.0,), geo.NEAREST)
_IN_CACHE = 1 << 20  # bytes of images that pass through all segments before the next ones do


class Program:
    """A plan and what it needs to run in one thread. Not thread-safe.

    Args:
        plan: of the policy.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._steps = {
            leaf.index: ReferenceStep(leaf.transform, leaf.index, leaf.where)
            for segment in plan.segments
            for leaf in segment.leaves
            if leaf.operation is None
        }

    def __call__(self, images: Images, keys: Keys, names: NDArray[np.object_]) -> Images:
        """Augment a batch.

        Args:
            images: uint8 (N, H, W, C), C-contiguous; not modified.
            keys: uint64 (N, 2).
            names: N sample ids, for errors.

        Returns:
            uint8 (N, H', W', C), a new array.
        """
        segments = self._plan.segments
        chunk = max(1, _IN_CACHE // images[0].nbytes) if len(segments) > 1 else len(images)
        masks = decide(self._plan.nodes, keys)
        parts = []
        for start in range(0, len(images), chunk):
            rows = slice(start, start + chunk)
            current, owned = images[rows], False
            here = {index: mask[rows] for index, mask in masks.items()}
            for segment in segments:
                current, owned = self._run(segment, current, owned, keys[rows], here, names[rows])
            parts.append(current if owned else current.copy())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(
        self,
        segment: Segment,
        images: Images,
        owned: bool,
        keys: Keys,
        masks: Mapping[int, Mask],
        names: NDArray[np.object_],
    ) -> tuple[Images, bool]:
        if not any(masks[leaf.index].any() for leaf in segment.leaves) and not _resizes(segment, images):
            return images, owned
        first = segment.leaves[0]
        if isinstance(first.operation, Convolution):
            images = images if owned else images.copy()
            _convolve(first, first.operation, images, keys, masks[first.index])
            return images, True
        if first.operation is None:
            images = images if owned else images.copy()
            for row in np.flatnonzero(masks[first.index]).tolist():
                key = (int(keys[row, 0]), int(keys[row, 1]))
                images[row] = self._steps[first.index].apply(images[row], key, str(names[row]))
            return images, True
        return _fuse(segment, images, owned, keys, masks), True


def _convolve(leaf: Node, operation: Convolution, images: Images, keys: Keys, mask: Mask) -> None:
    kernels = operation.kernels(philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws))
    run = fused.run_separable if operation.separable else fused.run_square
    run(images, mask.astype(np.uint8), kernels)


def _fuse(segment: Segment, images: Images, owned: bool, keys: Keys, masks: Mapping[int, Mask]) -> Images:
    n, _, _, channels = images.shape
    moved, inverse, size, border = _geometry(segment, images, keys, masks)
    in_place = len(inverse) == 0 and owned
    target = images if in_place else np.empty((n, *size, channels), np.uint8)
    codes, coloured, arguments = _colours(segment, channels, keys, masks)
    noisy, noise, salt, shared, noise_index = _noise(segment, size, keys, masks)
    rectangles, hole_fill = _holes(segment, size, channels, keys, masks)
    fused.run_segment(
        images, target, in_place, moved, inverse, border.mode, border.interpolation == geo.NEAREST,
        _levels(border.fill, channels, segment.leaves[0].where),
        codes, coloured, arguments, noisy, noise, salt, shared, noise_index, keys, pool(), rectangles, hole_fill,
    )  # fmt: skip
    return target


def _geometry(
    segment: Segment, images: Images, keys: Keys, masks: Mapping[int, Mask]
) -> tuple[NDArray[np.uint8], NDArray[np.float64], geo.Size, geo.Border]:
    """Which images move, their matrices from target to source, the size of the target, and the border."""
    n, height, width, _ = images.shape
    size: geo.Size = (height, width)
    border: geo.Border | None = None
    moved = np.zeros(n, np.bool_)
    total: NDArray[np.float64] | None = None
    for leaf in segment.of(Geometry):
        operation, mask = leaf.operation, masks[leaf.index]
        assert isinstance(operation, Geometry)
        new_size = operation.size(size)
        if new_size != size and not mask.all():
            raise TransformError(
                leaf.where,
                f"applied to some images of a batch and not to others, {size} to {new_size}",
                "one size for all images of a batch",
                "set p: 1.0, and keep transforms that change the size out of OneOf and SomeOf",
            )
        rows = np.flatnonzero(mask)
        if len(rows):
            draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, operation.draws)
            with _located(leaf):
                matrices = operation.matrices(draws, size)
            if total is None:
                total = identities(n)
            follow(total, rows, matrices)
            moved |= mask
        border = border or operation.border
        size = new_size
    border = border or _WHOLE_PIXELS
    if total is None:
        return moved.astype(np.uint8), np.empty((0, 3, 3)), size, border
    invert(total)
    return moved.astype(np.uint8), total, size, border


def _colours(
    segment: Segment, channels: int, keys: Keys, masks: Mapping[int, Mask]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]:
    leaves = [leaf for leaf in segment.of(Colour) if masks[leaf.index].any()]
    drawn = []
    for leaf in leaves:
        operation, rows = leaf.operation, np.flatnonzero(masks[leaf.index])
        assert isinstance(operation, Colour)
        colour.require(operation, leaf.where, channels)
        draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, operation.draws)
        with _located(leaf):
            arguments = operation.arguments(draws, channels)
        drawn.append((rows, arguments[:, None] if arguments.ndim == 1 else arguments))
    widest = max((arguments.shape[1] for _, arguments in drawn), default=1)
    table = np.zeros((len(keys), len(leaves), widest), np.float32)
    coloured = np.zeros((len(keys), len(leaves)), np.uint8)
    for i, (rows, arguments) in enumerate(drawn):
        table[rows, i, : arguments.shape[1]] = arguments
        coloured[rows, i] = 1
    codes = [leaf.operation.code for leaf in leaves if isinstance(leaf.operation, Colour)]
    return np.array(codes, np.int64), coloured, table


def _noise(
    segment: Segment, size: geo.Size, keys: Keys, masks: Mapping[int, Mask]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], bool, bool, int]:
    for leaf in segment.of(Noise):
        operation = leaf.operation
        assert isinstance(operation, Noise)
        draws = philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws)
        noise = operation.arguments(draws, size)
        return masks[leaf.index].astype(np.uint8), noise, operation.kind == "salt", operation.shared, leaf.index
    return np.empty(0, np.uint8), np.empty((0, 3), np.int64), False, False, 0


def _holes(
    segment: Segment, size: geo.Size, channels: int, keys: Keys, masks: Mapping[int, Mask]
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    for leaf in segment.of(Holes):
        operation = leaf.operation
        assert isinstance(operation, Holes)
        draws = philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws)
        rectangles = operation.rectangles(draws, size)
        rectangles[~masks[leaf.index]] = 0
        return rectangles, _levels(operation.fill, channels, leaf.where)
    return np.empty((len(keys), 0, 4), np.int32), np.zeros(channels, np.uint8)


@contextmanager
def _located(leaf: Node) -> Iterator[None]:
    """Errors of a transform's parameters say which place of the policy they come from."""
    try:
        yield
    except TransformError as error:
        fault = error.faults[0]
        raise TransformError(leaf.where, fault.found, fault.expected, fault.fix) from error


@cache
def _levels(fill: tuple[float, ...], channels: int, where: str) -> NDArray[np.uint8]:
    if len(fill) not in (1, channels):
        raise TransformError(
            f"{where}.fill", f"{len(fill)} values", f"1 or {channels}, one a channel", "match the number of channels"
        )
    return np.resize(np.clip(fill, 0, 255), channels).astype(np.uint8)


def _resizes(segment: Segment, images: Images) -> bool:
    size = before = (images.shape[1], images.shape[2])
    for leaf in segment.of(Geometry):
        assert isinstance(leaf.operation, Geometry)
        size = leaf.operation.size(size)
    return size != before
