"""A plan at work on a GPU: one launch draws the parameters of a batch, another makes its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.engine.decisions import Decisions
from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.draw import draw_plan
from augment_ops.modalities.image.fused.device.kernel import run_plan
from augment_ops.modalities.image.fused.drawing import Drawing, drawing_of
from augment_ops.modalities.image.fused.instructions import Instructions, Table, possible, several_passes
from augment_ops.modalities.image.parameters import Keys
from augment_ops.modalities.image.plan import Plan
from augment_ops.modalities.image.tensors.form import Form
from augment_ops.modalities.image.tensors.levels import UNIT, WHOLE, Levels
from augment_ops.modalities.image.tensors.normalise import normalise
from augment_ops.modalities.image.transforms.geometry import Size
from augment_ops.modalities.image.transforms.noise import pool
from augment_ops.modalities.image.transforms.normalise import Normalise

_BLOCK = 128  # pixels at a time: four values a thread where images have three channels and four warps work
_MOST_RECIPES = 64  # shapes of images whose steps are kept: a data set may have one size a picture

Names = NDArray[np.object_]


class FusedProgram:
    """A plan in two launches a batch; see `TensorProgram`, whose calls it takes.

    Where a GPU cannot draw all of a plan's parameters, the CPU draws them, and there is one launch.

    Args:
        plan: of the policy; all of it compiled.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._decide = plan, Decisions(plan.nodes)
        self._recipes: dict[tuple[Size, int, bool, bool, torch.device], _Recipe | None] = {}
        self._possibly: dict[tuple[int, bool], list[int]] = {}
        last = plan.segments[-1].leaves[0] if plan.segments else None
        self._last = last if last is not None and isinstance(last.operation, Normalise) else None

    def __call__(self, images: Tensor, keys: Keys, names: Names, form: Form | None = None) -> Tensor:
        """Augment a batch; see `TensorProgram`."""
        levels = WHOLE if images.dtype == torch.uint8 else UNIT
        table = self.instructions(images, keys, whole=levels.whole)
        possibly = self._possible(images.shape[3], levels.whole)
        if self._last is None:
            return _launched(images.contiguous(), table, possibly, levels, form)
        x = _launched(images.contiguous(), table, possibly, levels, None)
        operation = self._last.operation
        assert isinstance(operation, Normalise)
        return normalise(x, levels, operation, self._last.where)

    def masks(self, masks: Tensor, keys: Keys) -> Tensor:
        """Move masks; see `TensorProgram`."""
        possibly = [code for code in self._possible(1, True) if code in (codes.WARP, codes.HOLES)]
        table = self.instructions(masks, keys, whole=True, of_masks=True)
        return _launched(masks.to(torch.uint8).contiguous(), table, possibly, WHOLE, None).to(masks.dtype)

    def table(self, shape: Sequence[int], whole: bool, keys: Keys, *, of_masks: bool = False) -> Table:
        """What each sample gets: instructions for images or masks (N, H, W, C), of whole levels or not."""
        _, height, width, channels = shape
        masks = self._decide(keys)
        found = Instructions(
            size=(height, width), channels=channels, whole=whole, keys=keys, masks=masks, of_masks=of_masks
        )
        for segment in self._plan.segments:
            found.add(segment)
        return found.table()

    def _possible(self, channels: int, whole: bool) -> list[int]:
        """`possible` of the plan, found once: it takes as long as a batch."""
        what = (channels, whole)
        if what not in self._possibly:
            self._possibly[what] = possible(self._plan.segments, channels, whole)
        return self._possibly[what]

    def draw(self, images: Tensor, keys: Keys, *, whole: bool, of_masks: bool = False) -> TableOnDevice | None:
        """Draw what `table` gives where the images are; None where the CPU has to draw a part of it."""
        _, height, width, channels = images.shape
        what = ((height, width), channels, whole, of_masks, images.device)
        if what not in self._recipes:
            drawing = drawing_of(self._plan, (height, width), channels, whole=whole, of_masks=of_masks)
            recipe = None if drawing is None else _Recipe(drawing, _on(drawing.words, images.device))
            if len(self._recipes) >= _MOST_RECIPES:
                del self._recipes[next(iter(self._recipes))]
            self._recipes[what] = recipe
        found = self._recipes[what]
        return None if found is None else _drawn(found, _on(keys.view(np.int64), images.device))

    def instructions(self, images: Tensor, keys: Keys, *, whole: bool, of_masks: bool = False) -> TableOnDevice:
        """What each sample gets, where the images are, drawn there where that can be."""
        drawn = self.draw(images, keys, whole=whole, of_masks=of_masks)
        if drawn is not None:
            return drawn
        table, device = self.table(images.shape, whole, keys, of_masks=of_masks), images.device
        marks = _on(table.marks, device) if len(table.marks) else _unused(device)
        return TableOnDevice(_on(table.words, device), marks, table)


class TableOnDevice(NamedTuple):
    """A batch's instructions where its images are; bounds: what `Table` and `Drawing` say of them alike."""

    words: Tensor
    marks: Tensor
    bounds: Table | Drawing


class _Recipe(NamedTuple):
    """A drawing, and its words on a device."""

    drawing: Drawing
    words: Tensor


def _drawn(recipe: _Recipe, keys: Tensor) -> TableOnDevice:
    n, drawing = len(keys), recipe.drawing
    each = 2 + drawing.passes + 1 + 2 * drawing.instructions + 2 + drawing.room
    table = torch.empty(codes.HEAD + n * each, dtype=torch.int64, device=keys.device)
    with torch.cuda.device_of(keys):  # type: ignore[no-untyped-call]
        draw_plan[(n,)](
            recipe=recipe.words,
            keys=keys,
            table=table,
            samples=n,
            steps=drawing.steps,
            depth=drawing.depth,
            most=drawing.most,
            passes=drawing.passes,
            instructions=drawing.instructions,
            room=drawing.room,
            num_warps=1,
            enable_fp_fusion=False,  # as below
        )
    return TableOnDevice(table, _unused(keys.device), drawing)


def _launched(
    images: Tensor, given: TableOnDevice, possibly: Sequence[int], levels: Levels, form: Form | None
) -> Tensor:
    """Run a table on images (N, H, W, C) by a kernel for the instructions that there can possibly be."""
    n, height, width, channels = images.shape
    device, kinds, table = images.device, codes.kinds({codes.COPY, *possibly}), given.bounds
    many = several_passes(possibly)
    places = _places(kinds) if many and table.passes > 1 else 0
    planes = form is not None and form.layout == "nchw"
    shape = (n, channels, *table.size) if planes else (n, *table.size, channels)
    out = torch.empty(shape, dtype=images.dtype if form is None else form.dtype, device=device)
    most = table.largest * channels
    with torch.cuda.device_of(images):  # type: ignore[no-untyped-call]
        run_plan[(n,)](
            table=given.words,
            images=images,
            out=out,
            scratch=torch.empty(max(1, n * places * most), dtype=torch.float32, device=device),
            tables=torch.empty(n * channels * 256 if kinds & _BY_TABLES else 1, dtype=torch.float32, device=device),
            starts=torch.empty(max(1, n * table.slots), dtype=torch.int32, device=device),
            marks=given.marks,
            pool=_pool(device),
            scale=_unused(device) if form is None else _scale(form, levels, channels, device),
            height=height,
            width=width,
            most=most,
            places=places,
            slots=table.slots,
            out_height=table.size[0],
            out_width=table.size[1],
            KINDS=kinds,
            C=channels,
            CP=triton.next_power_of_2(channels),
            WHOLE=levels.whole,
            MANY=many,
            SCALED=form is not None,
            PLANES=planes,
            BLOCK=_BLOCK,
            num_warps=4,
            enable_fp_fusion=False,  # a product and a sum round twice, as in the loops
        )
    return out if form is None or planes else form.laid_out(out)


_BY_TABLES = codes.kinds({codes.EQUALIZE, codes.EQUALIZE_PIL, codes.AUTOCONTRAST})


def _places(kinds: int) -> int:
    """Pictures that a sample needs room for between passes."""
    if kinds >> codes.ROWS & 1:
        return codes.LINES + 1
    return codes.TOTAL + 1 if kinds >> codes.SPLIT & 1 else codes.KEPT


@cache
def _scale(form: Form, levels: Levels, channels: int, device: torch.device) -> Tensor:
    gain, means, factors = form.scale(levels, channels)
    return torch.tensor([gain, *means, *factors], dtype=torch.float32, device=device)


@cache
def _pool(device: torch.device) -> Tensor:
    return torch.from_numpy(pool()).to(device)


@cache
def _unused(device: torch.device) -> Tensor:
    """What a kernel gets in the place of what it does not read."""
    return torch.zeros(1, dtype=torch.uint8, device=device)


def _on(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """A copy on a device; to a GPU from pinned memory, so that nobody waits for it."""
    found = torch.from_numpy(array)
    return found.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else found
