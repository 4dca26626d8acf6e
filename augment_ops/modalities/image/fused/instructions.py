"""What every sample of a batch gets, as instructions for the kernel in one table: drawn on the CPU, from the key alone.

So it is for plans that a GPU cannot draw (`drawing.py`), and this is what a GPU's drawing is held to.

The parameters are those of the compiled loops (`parameters.py`). Here they become a list of instructions a sample, of
what it gets alone, and passes that begin where an instruction has to see the picture in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.image import parameters
from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.kernels import operations
from augment_ops.modalities.image.kernels.fused import salt_marks
from augment_ops.modalities.image.kernels.noise import RUN, run_length
from augment_ops.modalities.image.parameters import Colours, Keys, Masks, Moves, Noises, Rectangles
from augment_ops.modalities.image.plan import Mix, Node, Operation, Segment
from augment_ops.modalities.image.transforms.colour import Colour
from augment_ops.modalities.image.transforms.convolution import Convolution
from augment_ops.modalities.image.transforms.geometry import NEAREST, Border, Geometry, Size
from augment_ops.modalities.image.transforms.holes import Holes
from augment_ops.modalities.image.transforms.noise import Noise
from augment_ops.modalities.image.transforms.normalise import Normalise

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_BRIGHTNESS, _, _SATURATION, _HUE = range(4)  # the factors of ColorJitter
NEUTRAL = (1, 1, 1, 0)  # factors that change nothing
_FACTORS = (codes.LINEAR, codes.CONTRAST, codes.SATURATION)  # hue has one for whole levels and one for others
_NOISES = {
    operations.GAUSS: codes.GAUSS,
    operations.SALT: codes.SALT,
    operations.MULTIPLY: codes.MULTIPLY,
    operations.ISO: codes.ISO,
}


@dataclass(frozen=True)
class Column:
    """One instruction for some samples: its code, whose it is (R,), and the numbers of each, float64 (R, A)."""

    code: int
    rows: Rows
    numbers: Floats


@dataclass(frozen=True, kw_only=True)
class Table:
    """A batch's instructions.

    Attributes:
        words: int64, all that the kernel reads: passes, instructions, keys, and numbers as the bits of float64.
        marks: uint8, of salt and pepper.
        passes: of the sample that has the most.
        slots: offsets into the pool of normal numbers, a sample.
        size: of the results; largest: pixels of the largest picture on the way.
    """

    words: NDArray[np.int64]
    marks: NDArray[np.uint8]
    passes: int
    slots: int
    size: Size
    largest: int


@dataclass(kw_only=True)
class Instructions:
    """Collects the instructions of a batch, segment by segment.

    Attributes:
        size: of the pictures so far; channels: theirs; whole: whether their levels are.
        keys: uint64 (N, 2); masks: which leaf applies to whom.
        of_masks: whether the pictures are masks: moved and cut like their images, and nothing else.
    """

    size: Size
    channels: int
    whole: bool
    keys: Keys
    masks: Masks
    of_masks: bool = False
    _columns: list[Column] = field(default_factory=list)
    _marks: list[NDArray[np.uint8]] = field(default_factory=list)
    _slots: int = 0
    _largest: int = 0

    def add(self, segment: Segment) -> None:
        """The instructions of a segment that is compiled and does not normalise.

        Raises:
            TransformError: a transform that cannot work on these images.
        """
        leaf = segment.leaves[0]
        if self.of_masks:
            self._follow(segment)
        elif isinstance(leaf.operation, Mix):
            self._mix(leaf, leaf.operation)
        elif isinstance(leaf.operation, Convolution):
            self._columns += _convolution(leaf, leaf.operation, self.keys, self.masks)
        elif not isinstance(leaf.operation, Normalise):
            self._fuse(segment)
        self._largest = max(self._largest, self.size[0] * self.size[1])

    def table(self) -> Table:
        """All of them, packed."""
        count = len(self.keys)
        idle = np.ones(count, np.bool_)
        for column in self._columns:
            idle[column.rows] = False
        columns = [Column(codes.COPY, np.flatnonzero(idle), np.empty((idle.sum(), 0))), *self._columns]
        columns = [column for column in columns if len(column.rows)]
        words, passes = _packed(columns, self.keys)
        return Table(
            words=words,
            marks=np.concatenate(self._marks) if self._marks else np.empty(0, np.uint8),
            passes=passes,
            slots=self._slots,
            size=self.size,
            largest=self._largest,
        )

    def _fuse(self, segment: Segment) -> None:
        move = parameters.moves(segment, self.size, self.keys, self.masks)
        if len(move.forward):
            fill = parameters.levels(move.border.fill, self.channels, move.where)
            self._columns.append(_warp(move, move.border, fill * np.float32(self._step)))
        self.size = move.size
        colours = parameters.colours(segment, self.channels, self.keys, self.masks)
        self._columns += _colour(colours, self.channels, self.whole)
        self._noise(parameters.noises(segment, self.size, self.channels, self.keys, self.masks))
        holes = parameters.rectangles(segment, self.size, self.keys, self.masks)
        if holes.corners.any():
            fill = parameters.levels(holes.fill, self.channels, holes.where)
            self._columns.append(_holes(holes, fill * np.float32(self._step)))

    def _follow(self, segment: Segment) -> None:
        """What masks get of a segment."""
        move = parameters.moves(segment, self.size, self.keys, self.masks)
        border = parameters.mask_border(move)
        if len(move.forward):
            fill = parameters.levels(border.fill, self.channels, f"{move.where}.fill_mask")
            self._columns.append(_warp(move, border, fill.astype(np.float32)))
        self.size = move.size
        holes = parameters.rectangles(segment, self.size, self.keys, self.masks)
        if holes.mask_fill is not None and holes.corners.any():
            fill = parameters.levels(holes.mask_fill, self.channels, f"{holes.where}.fill_mask")
            self._columns.append(_holes(holes, fill.astype(np.float32)))

    @property
    def _step(self) -> float:
        """One of 255 levels."""
        return 1.0 if self.whole else 1 / 255

    def _noise(self, noise: Noises) -> None:
        if not len(noise.noisy):  # the segment has none
            return
        rows, area = np.flatnonzero(noise.noisy), self.size[0] * self.size[1]
        scale = noise.scale[rows]
        if noise.kind in (operations.GAUSS, operations.ISO):
            self._from_pool(noise, rows, scale, area)
        elif noise.kind == operations.SALT:
            marks = np.empty((len(rows), area, 1), np.uint8)
            salt_marks(scale, self.keys[rows], noise.transform, marks)
            before = sum(map(len, self._marks))
            self._marks.append(marks.reshape(-1))
            self._columns.append(
                Column(codes.SALT, rows, (before + np.arange(len(rows)) * area)[:, None].astype(float))
            )
        else:
            step = np.float32((scale[:, 1] - scale[:, 0]) / (1 << 16))
            numbers = np.stack([scale[:, 0], step, *_alike(rows, noise.shared, noise.transform)], axis=1)
            self._columns.append(Column(codes.MULTIPLY, rows, numbers))

    def _from_pool(self, noise: Noises, rows: Rows, scale: Floats, area: int) -> None:
        iso = noise.kind == operations.ISO
        length = area * (1 if noise.shared else self.channels)
        run = pool_run(noise.kind, length)
        alike = _alike(rows, noise.shared, noise.transform, run, length, self._slots)
        self._columns.append(Column(codes.ISO if iso else codes.GAUSS, rows, np.column_stack([scale, *alike])))
        self._slots += -(-length // run)

    def _mix(self, leaf: Node, mix: Mix) -> None:
        """AugMix: the picture is kept, every chain begins with it and is added to a sum, which is the result."""
        rows = np.flatnonzero(self.masks[leaf.index])
        if not len(rows):
            return
        weights = mix.weights(self.keys[rows], leaf.index).astype(np.float32).astype(np.float64)
        self._columns.append(Column(codes.SPLIT, rows, weights[:, :1]))
        for i, chain in enumerate(mix.chains):
            for segment in chain:
                self.add(segment)
            self._columns.append(Column(codes.JOIN, rows, weights[:, i + 1 : i + 2]))
        self._columns.append(Column(codes.BLEND, rows, np.empty((len(rows), 0))))


def pool_run(kind: int, length: int) -> int:
    """How many of `length` values follow each other in the pool of normal numbers."""
    return RUN if kind == operations.ISO else int(run_length.py_func(length))


def possible(segments: Sequence[Segment], channels: int, whole: bool) -> list[int]:
    """The codes of all instructions that a sample can get of compiled segments, in order.

    The kernel is compiled for these, not for what one batch happens to draw: it would be compiled again and again.
    """
    found: list[int] = []
    for segment in segments:
        for leaf in segment.leaves:
            found += _possible(leaf.operation, channels, whole)
    return found


def several_passes(possibly: Sequence[int]) -> bool:
    """Whether a sample can get one of these instructions that has to see the picture in memory after another one."""
    return not codes.BREAKS.isdisjoint(possibly[1:])


def _possible(operation: Operation, channels: int, whole: bool) -> list[int]:
    if isinstance(operation, Mix):
        chains = [[*possible(chain, channels, whole), codes.JOIN] for chain in operation.chains]
        return [codes.SPLIT, *(code for chain in chains for code in chain), codes.BLEND]
    if isinstance(operation, Convolution):
        return [codes.ROWS, codes.COLUMNS] if operation.separable else [codes.CONVOLVE]
    if isinstance(operation, Noise):
        return [_NOISES[operation.kind]]
    if isinstance(operation, Colour):
        return _factors(operation, whole) if operation.code == operations.JITTER else [operation.code]
    return [codes.WARP] if isinstance(operation, Geometry) else [codes.HOLES] if isinstance(operation, Holes) else []


def _factors(operation: Colour, whole: bool) -> list[int]:
    """Those of ColorJitter that change at one of their ends; contrast, which needs the mean, can follow any of them."""
    ends = operation.arguments(np.array([[0.0] * operation.draws, [1 - 2.0**-53] * operation.draws]), 1)[:, :4]
    hue = codes.SHIFT_HSV if whole else codes.HUE
    changes = (ends != NEUTRAL).any(axis=0)
    found = [code for code, some in zip((*_FACTORS, hue), changes, strict=True) if some]
    return sorted(found, key=codes.CONTRAST.__eq__)


def _alike(rows: Rows, *numbers: float) -> list[Floats]:
    """Numbers that all rows share."""
    return [np.full(len(rows), number, float) for number in numbers]


def _warp(move: Moves, border: Border, fill: NDArray[np.float32]) -> Column:
    rows = np.flatnonzero(move.moved)
    alike = np.column_stack(_alike(rows, *move.size, border.mode, border.interpolation == NEAREST))
    matrices = move.inverse()[rows].reshape(len(rows), 9)
    return Column(codes.WARP, rows, np.hstack([alike, matrices, np.tile(fill.astype(float), (len(rows), 1))]))


def _convolution(leaf: Node, operation: Convolution, keys: Keys, masks: Masks) -> Iterator[Column]:
    rows = np.flatnonzero(masks[leaf.index])
    if not len(rows):
        return
    kernels = operation.kernels(philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, operation.draws))
    numbers = np.column_stack([*_alike(rows, kernels.shape[1]), kernels.reshape(len(rows), -1)])
    for code in (codes.ROWS, codes.COLUMNS) if operation.separable else (codes.CONVOLVE,):
        yield Column(code, rows, numbers)


def _holes(holes: Rectangles, fill: NDArray[np.float32]) -> Column:
    rows = np.flatnonzero(holes.corners.any(axis=(1, 2)))
    corners = holes.corners[rows].reshape(len(rows), -1)
    alike = np.column_stack(_alike(rows, holes.corners.shape[1], *fill.tolist()))
    return Column(codes.HOLES, rows, np.hstack([alike, corners]))


def _colour(program: Colours, channels: int, whole: bool) -> Iterator[Column]:
    for i, code in enumerate(program.codes.tolist()):
        rows = np.flatnonzero(program.wanted[:, i])
        numbers = program.arguments[rows, i].astype(np.float64)
        if code == operations.JITTER:
            yield from _jitter(rows, numbers, channels, whole)
        elif code == operations.GAMMA:
            yield Column(code, rows, _gamma(numbers[:, :1]) if whole else numbers[:, :1])
        elif code == operations.POSTERIZE:
            yield Column(code, rows, 2.0 ** (8 - numbers[:, :channels]))
        elif code == operations.SHIFT_HSV:
            yield Column(code, rows, np.column_stack([numbers[:, 0], np.trunc(numbers[:, 1:3])]))
        elif code != operations.GRAY or channels > 1:
            yield Column(code, rows, numbers)


def _gamma(powers: Floats) -> Floats:
    """The power, then what becomes of each level."""
    share = np.arange(256) / 255
    return np.hstack([powers, np.trunc(share**powers * 255)])


def _jitter(rows: Rows, numbers: Floats, channels: int, whole: bool) -> Iterator[Column]:
    """Brightness, contrast, saturation and hue as operations of their own, in the order that each sample has."""
    factors, order = numbers[:, :4], numbers[:, 4:8].astype(np.int64)
    changes = factors != NEUTRAL
    changes[:, _SATURATION:] &= channels > 1
    some = np.flatnonzero(changes.any(axis=0))
    for step in range(4 if len(some) > 1 else 1):
        for which in some.tolist():
            now = (order[:, step] == which) | (len(some) == 1)  # one alone has no order
            chosen = np.flatnonzero(now & changes[:, which])
            yield _factor(which, rows[chosen], factors[chosen, which : which + 1], channels, whole)


def _factor(which: int, rows: Rows, factor: Floats, channels: int, whole: bool) -> Column:
    if which == _BRIGHTNESS:
        scale = np.repeat(factor, channels, axis=1)
        return Column(codes.LINEAR, rows, np.hstack([scale, np.zeros_like(scale)]))
    if which == _HUE:
        return Column(
            codes.SHIFT_HSV if whole else codes.HUE, rows, np.hstack([180 * factor, np.zeros((len(rows), 2))])
        )
    return Column(_FACTORS[which], rows, factor)


def _packed(columns: list[Column], keys: Keys) -> tuple[NDArray[np.int64], int]:
    """The table's words, and the passes of the sample that has the most."""
    owners = np.concatenate([column.rows for column in columns])
    kinds = np.concatenate([np.full(len(column.rows), column.code) for column in columns])
    order = np.argsort(owners, kind="stable")  # a sample's instructions together, in the order of the plan
    owners, kinds = owners[order], kinds[order]
    begins = np.isin(kinds, list(codes.BREAKS))
    begins[0] = True
    begins[1:] |= (owners[1:] != owners[:-1]) | np.isin(kinds[:-1], list(codes.ENDS))
    passes = np.flatnonzero(begins)
    each = np.bincount(owners[passes], minlength=len(keys))
    at_passes = codes.HEAD + 2 * len(keys)
    at_ops = at_passes + len(passes) + 1
    at_keys = at_ops + 2 * len(kinds)
    places = _places(columns, at_keys + keys.size)[order]
    words = [
        np.array([at_passes, at_ops, at_keys, len(keys)]),
        np.column_stack([each.cumsum() - each, each.cumsum()]).reshape(-1),
        np.append(passes, len(kinds)),
        np.column_stack([kinds, places]).reshape(-1),
        keys.reshape(-1).view(np.int64),
        *(np.ascontiguousarray(column.numbers, np.float64).reshape(-1).view(np.int64) for column in columns),
    ]
    return np.concatenate(words), int(each.max())


def _places(columns: list[Column], start: int) -> Rows:
    """Where the numbers of every instruction lie, column by column."""
    found = []
    for column in columns:
        many, wide = column.numbers.shape
        found.append(start + np.arange(many) * wide)
        start += many * wide
    return np.concatenate(found)
