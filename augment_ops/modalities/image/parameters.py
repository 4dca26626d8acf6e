"""What every sample of a batch gets in one segment of the plan: numbers alone, from the key alone.

Both the compiled loops and the tensors of a GPU work from these, and so do masks, boxes and keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.decisions import Mask
from augment_ops.errors import TransformError
from augment_ops.modalities.image.kernels.matrices import follow, identities, invert
from augment_ops.modalities.image.kernels.operations import GAUSS
from augment_ops.modalities.image.library_size import check_applies_to_all
from augment_ops.modalities.image.plan import Node, Segment
from augment_ops.modalities.image.transforms import colour
from augment_ops.modalities.image.transforms import geometry as geo
from augment_ops.modalities.image.transforms.colour import Colour
from augment_ops.modalities.image.transforms.geometry import Geometry
from augment_ops.modalities.image.transforms.holes import Holes
from augment_ops.modalities.image.transforms.noise import Noise

Keys = NDArray[np.uint64]
Masks = Mapping[int, Mask]

# Flips and crops land on whole pixels inside the source: no border is read, nothing is interpolated.
_WHOLE_PIXELS = geo.Border(geo.CONSTANT, (0.0,), geo.NEAREST)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """The geometry of a segment.

    Attributes:
        moved: uint8 (N,), which samples are warped.
        forward: float64 (N, 3, 3), from source to result; (0, 3, 3) where nothing moves.
        size: of the result.
        border: of images; mask_border: of masks.
        rounded: bool (N,), whose boxes move as ellipses.
        where: the place in the policy that the borders are from.
    """

    moved: NDArray[np.uint8]
    forward: NDArray[np.float64]
    size: geo.Size
    border: geo.Border
    mask_border: geo.Border
    rounded: NDArray[np.bool_]
    where: str

    def inverse(self) -> NDArray[np.float64]:
        """From result to source, (N, 3, 3)."""
        result = self.forward.copy()
        invert(result)
        return result


@dataclass(frozen=True)
class Colours:
    """The colour program of a segment: codes int64 (T,), wanted uint8 (N, T), arguments float32 (N, T, A)."""

    codes: NDArray[np.int64]
    wanted: NDArray[np.uint8]
    arguments: NDArray[np.float32]


@dataclass(frozen=True)
class Noises:
    """The noise of a segment: noisy uint8 (N,) or (0,), scale float64 (N, 3); transform: the index of its streams."""

    noisy: NDArray[np.uint8]
    scale: NDArray[np.float64]
    kind: int
    shared: bool
    transform: int


@dataclass(frozen=True)
class Rectangles:
    """The holes of a segment: int32 (N, K, 4) of x0, y0, x1, y1; the fill of images and, where it has one, of masks."""

    corners: NDArray[np.int32]
    fill: tuple[float, ...]
    mask_fill: tuple[float, ...] | None
    where: str


def moves(segment: Segment, size: geo.Size, keys: Keys, masks: Masks) -> Moves:
    """Draw the geometry of a segment for images of `size`.

    Raises:
        TransformError: a transform that changes the size applies to some of the samples, or cannot work on this size.
    """
    moved, rounded = np.zeros(len(keys), np.bool_), np.zeros(len(keys), np.bool_)
    total: NDArray[np.float64] | None = None
    border, mask_border, where = borders(segment)
    for leaf in segment.of(Geometry):
        operation, mask = leaf.operation, masks[leaf.index]
        assert isinstance(operation, Geometry)
        try:
            after = operation.size(size)
        except TransformError as error:
            raise _located(leaf, error) from error
        rows = mask.nonzero()[0]
        check_applies_to_all(leaf.where, size, after, len(rows) == len(mask))
        if len(rows):
            draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, operation.draws)
            try:
                matrices = operation.matrices(draws, size)
            except TransformError as error:
                raise _located(leaf, error) from error
            total = identities(len(keys)) if total is None else total
            follow(total, rows, matrices)
            moved |= mask
            if operation.ellipse:
                rounded |= mask
        size = after
    forward = np.empty((0, 3, 3)) if total is None else total
    return Moves(
        moved=moved.astype(np.uint8),
        forward=forward,
        size=size,
        border=border,
        mask_border=mask_border,
        rounded=rounded,
        where=where,
    )


def colours(segment: Segment, channels: int, keys: Keys, masks: Masks) -> Colours:
    """Draw the colour operations of a segment for images of `channels`.

    Raises:
        TransformError: a transform does not work on so many channels.
    """
    drawn = []
    for leaf in segment.of(Colour):
        operation, rows = leaf.operation, masks[leaf.index].nonzero()[0]
        assert isinstance(operation, Colour)
        if not len(rows):
            continue
        colour.require(operation.channels, leaf.where, channels)
        draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, operation.draws)
        try:
            arguments = operation.arguments(draws, channels)
        except TransformError as error:
            raise _located(leaf, error) from error
        drawn.append((operation.code, rows, arguments[:, None] if arguments.ndim == 1 else arguments))
    widest = max((arguments.shape[1] for _, _, arguments in drawn), default=1)
    table = np.zeros((len(keys), len(drawn), widest), np.float32)
    wanted = np.zeros((len(keys), len(drawn)), np.uint8)
    for i, (_, rows, arguments) in enumerate(drawn):
        table[rows, i, : arguments.shape[1]] = arguments
        wanted[rows, i] = 1
    return Colours(np.array([code for code, _, _ in drawn], np.int64), wanted, table)


def noises(segment: Segment, size: geo.Size, channels: int, keys: Keys, masks: Masks) -> Noises:
    """Draw the noise of a segment for images of `size` and `channels`.

    Raises:
        TransformError: it does not work on so many channels.
    """
    for leaf in segment.of(Noise):
        operation = leaf.operation
        assert isinstance(operation, Noise)
        if masks[leaf.index].any():
            colour.require(operation.channels, leaf.where, channels)
        draws = philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws)
        scale = operation.arguments(draws, size)
        return Noises(masks[leaf.index].astype(np.uint8), scale, operation.kind, operation.shared, leaf.index)
    return Noises(np.empty(0, np.uint8), np.empty((0, 3)), GAUSS, False, 0)


def rectangles(segment: Segment, size: geo.Size, keys: Keys, masks: Masks) -> Rectangles:
    """Draw the holes of a segment for images of `size`."""
    for leaf in segment.of(Holes):
        operation = leaf.operation
        assert isinstance(operation, Holes)
        draws = philox.uniforms(keys, leaf.index, philox.PARAMETERS, operation.draws)
        try:
            corners = operation.rectangles(draws, size)
        except TransformError as error:
            raise _located(leaf, error) from error
        corners[~masks[leaf.index]] = 0
        return Rectangles(corners, operation.fill, operation.mask_fill, leaf.where)
    return Rectangles(np.empty((len(keys), 0, 4), np.int32), (0.0,), None, "")


def borders(segment: Segment) -> tuple[geo.Border, geo.Border, str]:
    """What lies outside images and outside masks in a segment, and the place in the policy that says so."""
    for leaf in segment.of(Geometry):
        operation = leaf.operation
        assert isinstance(operation, Geometry)
        if operation.border is not None and operation.mask_border is not None:  # of all in a segment, they are equal
            return operation.border, operation.mask_border, leaf.where
    return _WHOLE_PIXELS, _WHOLE_PIXELS, segment.leaves[0].where


def mask_border(move: Moves) -> geo.Border:
    """What lies outside masks.

    Raises:
        TransformError: their interpolation is not compiled.
    """
    found = move.mask_border
    if found.interpolation not in (geo.NEAREST, geo.LINEAR):
        raise TransformError(
            f"{move.where}.mask_interpolation",
            f"{found.interpolation}",
            f"{geo.NEAREST} (nearest) or {geo.LINEAR} (linear)",
            "take one of them, or augment images alone",
        )
    return found


@cache
def levels(fill: tuple[float, ...], channels: int, where: str) -> NDArray[np.uint8]:
    """A fill as uint8 (channels,).

    Raises:
        TransformError: neither one value nor one a channel.
    """
    if len(fill) not in (1, channels):
        raise TransformError(
            f"{where}.fill", f"{len(fill)} values", f"1 or {channels}, one a channel", "match the number of channels"
        )
    return np.resize(np.clip(fill, 0, 255), channels).astype(np.uint8)


def _located(leaf: Node, error: TransformError) -> TransformError:
    """An error of a transform's parameters that says which place of the policy it comes from.

    No context manager around each draw: it would cost as much as the draw.
    """
    fault = error.faults[0]
    return TransformError(leaf.where, fault.found, fault.expected, fault.fix)
