"""A plan at work on torch tensors: parameters for a whole batch in NumPy, pixels wherever the tensor is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.engine import philox
from augment_ops.engine.decisions import Decisions, Mask
from augment_ops.modalities.image import parameters
from augment_ops.modalities.image.library_size import check_applies_to_all, size_after
from augment_ops.modalities.image.parameters import Keys, Moves
from augment_ops.modalities.image.plan import Mix, Node, Plan, Segment
from augment_ops.modalities.image.reference import ReferenceStep, reference_steps
from augment_ops.modalities.image.tensors.colour import colour
from augment_ops.modalities.image.tensors.convolution import convolve
from augment_ops.modalities.image.tensors.form import Form
from augment_ops.modalities.image.tensors.levels import UNIT, WHOLE, Levels, on, put, take, wide
from augment_ops.modalities.image.tensors.noise import add_noise
from augment_ops.modalities.image.tensors.normalise import normalise
from augment_ops.modalities.image.tensors.warp import warp
from augment_ops.modalities.image.transforms.convolution import Convolution
from augment_ops.modalities.image.transforms.geometry import NEAREST, Border
from augment_ops.modalities.image.transforms.normalise import Normalise

Names = NDArray[np.object_]
Masks = Mapping[int, Mask]


class TensorProgram:
    """A plan and what it needs to run in one thread. Not thread-safe.

    Args:
        plan: of the policy.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._decide = plan, Decisions(plan.nodes)
        last = plan.segments[-1].leaves[0] if plan.segments else None
        self._normalises = last is not None and isinstance(last.operation, Normalise)
        self._steps: Mapping[int, ReferenceStep] = reference_steps(plan)

    def __call__(self, images: Tensor, keys: Keys, names: Names, form: Form | None = None) -> Tensor:
        """Augment a batch.

        Args:
            images: uint8 or float32 (N, H, W, C) on any device; not modified.
            keys: uint64 (N, 2).
            names: N sample ids, for errors.
            form: in what form they come out; None for that of `images`. Not for a policy that normalises.

        Returns:
            (N, H', W', C) on the same device, a new tensor; float32 where the policy normalises, else the type of
            `images`, or what `form` says.
        """
        levels = WHOLE if images.dtype == torch.uint8 else UNIT
        x = images.to(torch.float32, copy=True)
        masks = self._decide(keys)
        for segment in self._plan.segments:
            x = self._run(segment, x, levels, keys, masks, names)
        if form is not None:
            return form.of(x, levels)
        return x if self._normalises else x.to(images.dtype)

    def masks(self, masks: Tensor, keys: Keys) -> Tensor:
        """Move masks as `__call__` moves their images.

        Args:
            masks: uint8 or bool (N, H, W, K), on any device; not modified.
            keys: uint64 (N, 2).

        Returns:
            (N, H', W', K) of the same type on the same device.

        Raises:
            TransformError: an interpolation of masks that is not compiled.
        """
        x, active = masks.to(torch.float32, copy=True), self._decide(keys)
        for segment in self._plan.segments:
            move = parameters.moves(segment, (x.shape[1], x.shape[2]), keys, active)
            x = _warped(x, WHOLE, move, parameters.mask_border(move), f"{move.where}.fill_mask")
            holes = parameters.rectangles(segment, move.size, keys, active)
            if holes.mask_fill is not None and holes.corners.any():
                x = _fill_holes(x, WHOLE, holes.corners, holes.mask_fill, f"{holes.where}.fill_mask")
        return x.to(masks.dtype)

    def _run(self, segment: Segment, x: Tensor, levels: Levels, keys: Keys, masks: Masks, names: Names) -> Tensor:
        leaf = segment.leaves[0]
        if not isinstance(leaf.operation, Convolution | Mix | Normalise | None):
            return _fuse(segment, x, levels, keys, masks)
        if isinstance(leaf.operation, Normalise):
            return normalise(x, levels, leaf.operation, leaf.where)
        rows = np.flatnonzero(masks[leaf.index])
        if len(rows) == 0 and segment.output_size((x.shape[1], x.shape[2])) == (x.shape[1], x.shape[2]):
            return x
        if isinstance(leaf.operation, Mix):
            return put(x, rows, self._mix(leaf, leaf.operation, take(x, rows), levels, keys[rows], masks, rows, names))
        if isinstance(leaf.operation, Convolution):
            draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, leaf.operation.draws)
            return put(x, rows, convolve(take(x, rows), levels, leaf.operation.kernels(draws)))
        after = size_after(leaf.transform, (x.shape[1], x.shape[2]), leaf.where)
        check_applies_to_all(leaf.where, (x.shape[1], x.shape[2]), after, len(rows) == len(x))
        found = self._by_library(leaf, take(x, rows), levels, keys[rows], names[rows])
        return found if len(rows) == len(x) else put(x, rows, found)

    def _by_library(self, leaf: Node, x: Tensor, levels: Levels, keys: Keys, names: Names) -> Tensor:
        """What is not compiled: albumentations, on the CPU, on images of their own type."""
        images = x.cpu().numpy().astype(np.uint8 if levels.whole else np.float32)
        step = self._steps[leaf.index]
        found = [
            step.apply(image, (int(key[0]), int(key[1])), str(name))
            for image, key, name in zip(images, keys, names, strict=True)
        ]
        return on(x, np.stack(found))

    def _mix(
        self,
        leaf: Node,
        mix: Mix,
        x: Tensor,
        levels: Levels,
        keys: Keys,
        masks: Masks,
        rows: NDArray[np.int64],
        names: Names,
    ) -> Tensor:
        """AugMix, on the samples `rows` of the batch: x and keys are theirs, masks and names the batch's."""
        here = {index: mask[rows] for index, mask in masks.items()}
        weights = on(x, mix.weights(keys, leaf.index))
        total = x * wide(weights[:, 0], x)
        for i, chain in enumerate(mix.chains):
            current = x.clone()
            for segment in chain:
                current = self._run(segment, current, levels, keys, here, names[rows])
            total += current * wide(weights[:, i + 1], x)
        return levels.nearest(total)


def _fuse(segment: Segment, x: Tensor, levels: Levels, keys: Keys, masks: Masks) -> Tensor:
    _, height, width, channels = x.shape
    move = parameters.moves(segment, (height, width), keys, masks)
    x = _warped(x, levels, move, move.border, move.where)
    x = colour(x, levels, parameters.colours(segment, channels, keys, masks))
    noise = parameters.noises(segment, move.size, channels, keys, masks)
    rows = np.flatnonzero(noise.noisy)
    if len(rows):
        x = put(x, rows, add_noise(take(x, rows), levels, noise, rows, keys))
    holes = parameters.rectangles(segment, move.size, keys, masks)
    if not holes.corners.any():
        return x
    return _fill_holes(x, levels, holes.corners, holes.fill, holes.where)


def _warped(x: Tensor, levels: Levels, move: Moves, border: Border, where: str) -> Tensor:
    """A batch (N, H, W, C) with what is moved warped."""
    if not len(move.forward):
        return x
    rows = np.flatnonzero(move.moved)
    fill = on(x, parameters.levels(border.fill, x.shape[3], where)) * levels.step
    nearest = border.interpolation == NEAREST
    return put(x, rows, warp(take(x, rows), move.inverse()[rows], move.size, border.mode, fill, nearest, levels))


def _fill_holes(
    x: Tensor, levels: Levels, rectangles: NDArray[np.int32], fill_levels: tuple[float, ...], where: str
) -> Tensor:
    """Fill the rectangles (N, K, 4) of a batch (N, H, W, C), in place."""
    fill = on(x, parameters.levels(fill_levels, x.shape[3], where)) * levels.step
    corners = torch.from_numpy(rectangles).to(x.device)[..., None, None]
    down, across = torch.arange(x.shape[1], device=x.device)[:, None], torch.arange(x.shape[2], device=x.device)
    for k in range(corners.shape[1]):
        left, top, right, bottom = corners[:, k].unbind(1)
        inside = (down >= top) & (down < bottom) & (across >= left) & (across < right)
        x = torch.where(inside[..., None], fill, x)
    return x
