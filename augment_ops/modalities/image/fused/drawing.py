"""What a GPU has to do to draw a plan's parameters: steps with constants, made once for a plan and a shape of images.

A step belongs to a leaf, adds to the matrix of its segment or writes one instruction, and is taken where the sample's
draws are such that the leaf applies. `device/draw.py` takes them; what comes of it is the table that `Instructions`
packs on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.decisions import Decisions, Requirement
from augment_ops.engine.kernels.applies import SOME, SOME_AGAIN
from augment_ops.errors import TransformError
from augment_ops.modalities.image import parameters
from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.instructions import NEUTRAL, pool_run
from augment_ops.modalities.image.kernels import operations
from augment_ops.modalities.image.plan import Mix, Node, Operation, Plan, Segment
from augment_ops.modalities.image.transforms import colour
from augment_ops.modalities.image.transforms.colour import ORDERS, Colour
from augment_ops.modalities.image.transforms.convolution import Convolution
from augment_ops.modalities.image.transforms.drawn import (
    AFFINE,
    CHOICE,
    ROTATION,
    SHIFT,
    DrawnMatrix,
    DrawnNumber,
    drawn_as,
)
from augment_ops.modalities.image.transforms.geometry import LINEAR, NEAREST, Border, Geometry, Size
from augment_ops.modalities.image.transforms.holes import Holes
from augment_ops.modalities.image.transforms.noise import Noise
from augment_ops.modalities.image.transforms.normalise import Normalise

Words = NDArray[np.int64]

STEP, REQUIREMENT, NUMBER = 8, 5, 8  # words of each
_MATRICES = {
    AFFINE: codes.DRAW_AFFINE,
    ROTATION: codes.DRAW_ROTATION,
    SHIFT: codes.DRAW_SHIFT,
    CHOICE: codes.DRAW_CHOICE,
}
_MOST_CHAINS = 31  # of AugMix: its weights are drawn side by side, with that of the image


@dataclass(frozen=True, kw_only=True)
class DrawingStep:
    """One step; `wide` numbers of the table are its instruction's, of code `code`.

    Attributes:
        kind: one of `codes.DRAW_…`; index: of the stream that it draws from.
        needs: what has to hold for it.
        constants: as `device/draw.py` reads them for this kind.
        flag: of DRAW_NUMBERS, whether they pass through float32; of others what their kind says.
    """

    kind: int
    index: int = 0
    needs: Sequence[Requirement] = ()
    constants: Sequence[float] = ()
    code: int = 0
    wide: int = 0
    flag: int = 0

    @property
    def begins(self) -> bool:
        """Whether its instruction can begin a pass: a factor of ColorJitter can be that of contrast."""
        return self.code in codes.BREAKS or self.kind == codes.DRAW_FACTOR


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """All steps of a plan for images of one shape.

    Attributes:
        words: int64: steps, (steps, STEP); requirements, (depth, REQUIREMENT, steps); constants, the bits of float64.
        steps, depth: how many steps there are, and requirements of one at most; most: draws of a SomeOf at most.
        passes, instructions, room: of a sample at most, the last in numbers.
        slots, size, largest: as of `Table`.
    """

    words: Words
    steps: int
    depth: int
    most: int
    passes: int
    instructions: int
    room: int
    slots: int
    size: Size
    largest: int


def gpu_draws(operation: Operation) -> bool:
    """Whether a GPU can draw the parameters of a leaf of images."""
    if isinstance(operation, Mix):
        return len(operation.chains) <= _MOST_CHAINS and all(gpu_draws(leaf.operation) for leaf in operation.leaves)
    if operation is None or isinstance(operation, Normalise):
        return operation is not None
    if isinstance(operation, Colour) and operation.code == operations.GAMMA:
        return False
    if isinstance(operation, Noise) and operation.kind == operations.MULTIPLY:
        return True
    drawn_without = isinstance(operation, (Geometry, Colour)) and not operation.draws
    return operation.drawn is not None or drawn_without


def on_gpu(plan: Plan) -> str:
    """For people: how a GPU does what a plan says where there is triton, and because of which transforms not alone."""
    leaves = [leaf for segment in plan.segments for leaf in segment.leaves]
    because = ", ".join(dict.fromkeys(name for leaf in leaves for name in _undrawn(leaf)))
    if plan.uses_albumentations:
        alone = ", ".join(dict.fromkeys(leaf.name for leaf in leaves if leaf.operation is None))
        return f"on a GPU: operation by operation, and {alone} on the CPU"
    then = ", then torch normalises" if isinstance(leaves[-1].operation, Normalise) else ""
    if because:
        return f"on a GPU with triton: one launch{then}, with parameters that the CPU draws, because of {because}"
    return f"on a GPU with triton: two launches, of which the first draws the parameters{then}"


def _undrawn(leaf: Node) -> list[str]:
    """Names of what a GPU cannot draw, of a leaf and the chains in it."""
    inside = leaf.operation.leaves if isinstance(leaf.operation, Mix) else []
    return [name for one in inside for name in _undrawn(one)] or ([] if gpu_draws(leaf.operation) else [leaf.name])


def drawing_of(plan: Plan, size: Size, channels: int, *, whole: bool, of_masks: bool = False) -> Drawing | None:
    """How a GPU draws a plan's parameters; None where a leaf is such that the CPU has to, or refuses these images."""
    steps = _Steps(size, channels, whole, Decisions(plan.nodes).requirements())
    try:
        for segment in plan.segments:
            if not (steps.follow(segment) if of_masks else steps.add(segment)):
                return None
    except TransformError:
        return None  # the CPU says so, to whom it applies
    return steps.drawing()


class _Steps:
    """Collects the steps of a plan, segment by segment, as `Instructions` does columns."""

    def __init__(self, size: Size, channels: int, whole: bool, needs: Mapping[int, list[Requirement]]) -> None:
        self._size, self._channels, self._whole, self._needs = size, channels, whole, needs
        self._found: list[DrawingStep] = []
        self._slots, self._largest = 0, size[0] * size[1]

    def add(self, segment: Segment) -> bool:
        """Steps of a segment of images; whether a GPU can draw it."""
        operation = segment.leaves[0].operation
        if isinstance(operation, Normalise):
            return True
        if isinstance(operation, Mix):
            return self._mix(segment.leaves[0], operation)
        if isinstance(operation, Convolution):
            return self._convolution(segment.leaves[0], operation)
        step = np.float32(1.0 if self._whole else 1 / 255)
        border, _, where = parameters.borders(segment)
        fill = parameters.levels(border.fill, self._channels, where) * step
        if not self._geometry(segment, border, fill):
            return False
        return (
            all(self._colour(leaf) for leaf in segment.of(Colour))
            and all(self._noise(leaf) for leaf in segment.of(Noise))
            and all(self._holes(leaf, step, masks=False) for leaf in segment.of(Holes))
        )

    def follow(self, segment: Segment) -> bool:
        """Steps of a segment of masks; whether a GPU can draw it."""
        _, border, where = parameters.borders(segment)
        if border.interpolation not in (NEAREST, LINEAR):
            return False
        fill = parameters.levels(border.fill, self._channels, f"{where}.fill_mask").astype(np.float32)
        if not self._geometry(segment, border, fill):
            return False
        return all(self._holes(leaf, np.float32(1), masks=True) for leaf in segment.of(Holes))

    def drawing(self) -> Drawing:
        """All of them, packed."""
        found = self._found
        depth = max((len(step.needs) for step in found), default=0)
        requirements = np.zeros((depth, REQUIREMENT, len(found)), np.int64)
        requirements[:, 4] = _bits([2.0])[0]  # what needs no more: a draw below 2
        most = 0
        for s, step in enumerate(found):
            for d, need in enumerate(step.needs):
                some = need.kind in (SOME, SOME_AGAIN)
                limits = (need.parts, need.takes) if some else _bits([need.low, need.high])
                requirements[d, :, s] = need.stream, need.kind, need.place, *limits
                most = max(most, (need.parts if need.kind == SOME else need.takes) if some else 0)
        places = np.cumsum([0, *(step.wide for step in found)])
        constants = np.cumsum([0, *(len(step.constants) for step in found)]) + STEP * len(found) + requirements.size
        table = [
            (step.kind, step.index, step.code, place, at, step.wide, step.flag, 0)
            for step, place, at in zip(found, places[:-1], constants[:-1], strict=True)
        ]
        written = [step for step in found if step.kind >= codes.DRAW_WARP]
        begins = [new.begins or before.code in codes.ENDS for before, new in pairwise(written)]
        words = [
            np.array(table, np.int64).reshape(-1),
            requirements.reshape(-1),
            _bits([number for step in found for number in step.constants]),
        ]
        return Drawing(
            words=np.concatenate([*words, np.zeros(1, np.int64)]),  # one word where there is nothing
            steps=len(found),
            depth=depth,
            most=most,
            passes=1 + sum(begins),
            instructions=max(1, len(written)),
            room=int(places[-1]),
            slots=self._slots,
            size=self._size,
            largest=self._largest,
        )

    def _take(self, leaf: Node, **attributes: object) -> bool:
        """A step of a leaf, for which the leaf's requirements hold."""
        self._found.append(DrawingStep(index=leaf.index, needs=self._needs[leaf.index], **attributes))  # type: ignore[arg-type]
        return True

    def _geometry(self, segment: Segment, border: Border, fill: NDArray[np.float32]) -> bool:
        leaves = segment.of(Geometry)
        for leaf in leaves:
            operation = leaf.operation
            assert isinstance(operation, Geometry)
            after = operation.size(self._size)
            if after != self._size and self._needs[leaf.index]:
                return False  # a batch of several sizes, which the CPU refuses
            if not self._matrix(leaf, operation):
                return False
            self._size = after
        self._largest = max(self._largest, self._size[0] * self._size[1])
        if leaves:
            size_and_border = [*self._size, border.mode, border.interpolation == NEAREST]
            constants = [*size_and_border, *[0.0] * 9, *fill.tolist()]
            self._found.append(
                DrawingStep(kind=codes.DRAW_WARP, constants=constants, code=codes.WARP, wide=len(constants))
            )
        return True

    def _matrix(self, leaf: Node, operation: Geometry) -> bool:
        operation.matrices(np.zeros((1, operation.draws)), self._size)  # refuses sizes
        if not gpu_draws(operation):
            return False
        drawn = operation.drawn or DrawnMatrix(CHOICE, lambda size: [1])
        constants = list(drawn.numbers(self._size))
        if drawn.kind == CHOICE:
            many = int(constants[0])
            each = np.zeros((many, operation.draws))
            each[:, :1] = ((np.arange(many) + 0.5) / many)[:, None]
            constants += operation.matrices(each, self._size)[:, :2].reshape(-1).tolist()
        return self._take(leaf, kind=_MATRICES[drawn.kind], constants=constants)

    def _numbers(self, leaf: Node, code: int, numbers: Sequence[DrawnNumber], *, single: bool) -> bool:
        constants = [
            word
            for one in numbers
            for word in (one.draw, one.low, one.span, one.times, one.other, one.plus, one.steps, 0.0)
        ]
        return self._take(
            leaf, kind=codes.DRAW_NUMBERS, constants=constants, code=code, wide=len(numbers), flag=int(single)
        )

    def _colour(self, leaf: Node) -> bool:
        operation, channels = leaf.operation, self._channels
        assert isinstance(operation, Colour)
        colour.require(operation.channels, leaf.where, channels)
        arguments = operation.arguments(np.zeros((1, operation.draws)), channels)  # refuses channels
        if not gpu_draws(operation):
            return False
        if operation.code == operations.GRAY and channels == 1:
            return True
        numbers = operation.drawn(channels) if operation.drawn else drawn_as(*arguments[0].tolist())
        if operation.code == operations.JITTER:
            return self._jitter(leaf, numbers)
        return self._numbers(leaf, operation.code, numbers, single=True)

    def _jitter(self, leaf: Node, factors: Sequence[DrawnNumber]) -> bool:
        """A step for each place in the order, or one where one factor alone can change anything."""
        still = [one.span == 0 and np.float32(one.low) == same for one, same in zip(factors, NEUTRAL, strict=True)]
        changing = [i for i in range(len(factors)) if not still[i] and (i < 2 or self._channels > 1)]
        hue = codes.SHIFT_HSV if self._whole else codes.HUE
        limits = [limit for one in factors for limit in (one.low, one.span)]
        alone = len(changing) == 1
        for place in range(1 if alone else len(changing) and len(factors)):
            orders = [changing[0]] * len(ORDERS) if alone else ORDERS[:, place].tolist()
            self._take(
                leaf,
                kind=codes.DRAW_FACTOR,
                constants=[*limits, *orders],
                code=hue,
                wide=max(3, 2 * self._channels),
                flag=self._channels,
            )
        return True

    def _noise(self, leaf: Node) -> bool:
        operation, area = leaf.operation, self._size[0] * self._size[1]
        assert isinstance(operation, Noise)
        colour.require(operation.channels, leaf.where, self._channels)
        if operation.kind == operations.MULTIPLY:
            low, high, _ = operation.arguments(np.zeros((1, 0)), self._size)[0].tolist()
            step = float(np.float32((high - low) / (1 << 16)))
            numbers = drawn_as(low, step, operation.shared, leaf.index)
            return self._numbers(leaf, codes.MULTIPLY, numbers, single=False)
        if operation.drawn is None:
            return False
        iso, length = operation.kind == operations.ISO, area * (1 if operation.shared else self._channels)
        run = pool_run(operation.kind, length)
        alike = [operation.shared, leaf.index, run, length, self._slots]
        self._slots += -(-length // run)
        if iso:
            return self._numbers(leaf, codes.ISO, [*operation.drawn, *drawn_as(*alike)], single=False)
        limits = [limit for one in operation.drawn for limit in (one.low, one.span)]
        return self._take(
            leaf, kind=codes.DRAW_GAUSS, constants=[*limits, *alike], code=codes.GAUSS, wide=3 + len(alike)
        )

    def _holes(self, leaf: Node, step: np.float32, *, masks: bool) -> bool:
        operation = leaf.operation
        assert isinstance(operation, Holes)
        levels = operation.mask_fill if masks else operation.fill
        if levels is None:
            return True
        if operation.drawn is None:
            return False
        where = f"{leaf.where}.fill_mask" if masks else leaf.where
        fill = (parameters.levels(levels, self._channels, where) * step).tolist()
        least, most, *sides = operation.drawn(self._size)
        return self._take(
            leaf,
            kind=codes.DRAW_HOLES,
            constants=[most, *fill, *self._size, least, *sides],
            code=codes.HOLES,
            wide=1 + len(fill) + 4 * int(most),
            flag=len(fill),
        )

    def _convolution(self, leaf: Node, operation: Convolution) -> bool:
        if operation.drawn is None:
            return False
        side = round(len(operation.drawn) ** 0.5)
        return self._numbers(leaf, codes.CONVOLVE, [*drawn_as(side), *operation.drawn], single=True)

    def _mix(self, leaf: Node, mix: Mix) -> bool:
        """AugMix; its weights are drawn where they are used."""
        if len(mix.chains) > _MOST_CHAINS:
            return False
        weights = [self._weight(leaf, codes.SPLIT, mix, 0)]
        for i, chain in enumerate(mix.chains):
            if not all(self.add(segment) for segment in chain):
                return False
            weights.append(self._weight(leaf, codes.JOIN, mix, i + 1))
        return all(weights) and self._numbers(leaf, codes.BLEND, [], single=False)

    def _weight(self, leaf: Node, code: int, mix: Mix, which: int) -> bool:
        constants = [len(mix.chains), which]
        return self._take(leaf, kind=codes.DRAW_WEIGHT, constants=constants, code=code, wide=1)


def _bits(numbers: Sequence[float]) -> Words:
    return np.array(numbers, np.float64).view(np.int64)
