"""What a corruption is, and how strong it is at a severity and an image size.

The published corruptions have two tables of strengths: for 32 pixels (CIFAR-10-C) and for 224 (ImageNet-C). For the
shorter side of an image, these hold:

- up to 32 and at 224, the table's values;
- between them, each value on a power law of the side through both (linear in its logarithm where one of them is 0);
- above 224, the large table's values, lengths in pixels in proportion to the side.

How near that is to the authors' third table, for 64 pixels (Tiny-ImageNet-C), is in docs/stress.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import KeyedStream
from augment_ops.modalities.corruptions import SEVERITIES

SMALL_PX, LARGE_PX = 32, 224

Image = NDArray[np.uint8]
Keys = NDArray[np.uint64]
Strengths = tuple[float, ...]
Table = tuple[Strengths, Strengths, Strengths, Strengths, Strengths]  # severity → the parameters' values
# Images (N, H, W, C), strengths in the order of the parameters, keys (N, 2) → a new array of that shape.
Corrupt = Callable[[Image, Strengths, Keys], Image]


@dataclass(frozen=True)
class StrengthRange:
    """One strength of a corruption, as a suite's file names it.

    Attributes:
        unit: in words, for messages and reports.
        most, least: a strength beyond them is refused: the label could not be told any more, or nothing is defined.
        falls: whether less is more corruption (a quality, a number of photons).
        is_length: in pixels.
        in_levels: a share of the value range, which a suite may bind to the levels that a data set has.
    """

    unit: str
    most: float
    least: float = 0.0
    falls: bool = False
    is_length: bool = False
    in_levels: bool = False


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One nuisance.

    Attributes:
        parameters: name → what it is. Where there is one, its strengths rise (or fall) with severity.
        small: strengths at 32 pixels, by severity.
        large: those at 224.
        smallest: the shorter side in pixels below which it is not defined.
        needs_colour: whether it works on three channels alone.
        moves: whether content is somewhere else afterwards: then a picture that is all there need not correlate with
            itself pixel by pixel (`remains`).
    """

    parameters: Mapping[str, StrengthRange]
    corrupt: Corrupt = field(repr=False)
    small: Table
    large: Table
    smallest: int = 1
    needs_colour: bool = False
    moves: bool = False

    def published(self, severity: int, side: int) -> Strengths:
        """Strengths at a severity, 1 to 5, for images whose shorter side has `side` pixels."""
        small, large = self.small[severity - 1], self.large[severity - 1]
        return tuple(
            _at(side, a, b, parameter.is_length)
            for a, b, parameter in zip(small, large, self.parameters.values(), strict=True)
        )

    def fault(self, params: Mapping[str, Sequence[float]]) -> str:
        """What is wrong with explicit strengths, as (expectation); empty where nothing is."""
        if set(params) != set(self.parameters) or any(len(values) != len(SEVERITIES) for values in params.values()):
            names = ", ".join(f"{name} ({parameter.unit})" for name, parameter in self.parameters.items())
            return f"five strengths for each of: {names}"
        for name, parameter in self.parameters.items():
            values = params[name]
            if not all(parameter.least <= value <= parameter.most for value in values):
                return f"{name} from {parameter.least:g} to {parameter.most:g} ({parameter.unit})"
        steps = list(zip(*(params[name] for name in self.parameters), strict=True))
        if len(self.parameters) > 1:
            # Published tables trade one parameter against another, so only standing still is a fault.
            return "another strength at every severity" if any(a == b for a, b in pairwise(steps)) else ""
        (name, parameter), *_ = self.parameters.items()
        rising = [-v if parameter.falls else v for (v,) in steps]
        direction = "falling" if parameter.falls else "rising"
        return "" if all(a < b for a, b in pairwise(rising)) else f"{name} {direction} with severity ({parameter.unit})"


def single(
    name: str, parameter: StrengthRange, corrupt: Corrupt, small: Sequence[float], large: Sequence[float]
) -> Corruption:
    """A published corruption of one parameter."""
    return Corruption(
        parameters={name: parameter},
        corrupt=corrupt,
        small=table([(v,) for v in small]),
        large=table([(v,) for v in large]),
    )


def for_all_sizes(
    parameters: Mapping[str, StrengthRange],
    corrupt: Corrupt,
    rows: Sequence[Sequence[float]],
    *,
    smallest: int = 1,
    needs_colour: bool = False,
    moves: bool = False,
) -> Corruption:
    """A corruption whose strengths are relative to the image, and so the same for all sizes."""
    strengths = table(rows)
    return Corruption(
        parameters=parameters,
        corrupt=corrupt,
        small=strengths,
        large=strengths,
        smallest=smallest,
        needs_colour=needs_colour,
        moves=moves,
    )


def relative(
    name: str,
    unit: str,
    most: float,
    corrupt: Corrupt,
    strengths: Sequence[float],
    *,
    least: float = 1e-3,
    moves: bool = False,
    in_levels: bool = False,
) -> Corruption:
    """One of them with one parameter."""
    rows = [(value,) for value in strengths]
    return for_all_sizes({name: StrengthRange(unit, most, least, in_levels=in_levels)}, corrupt, rows, moves=moves)


def table(rows: Sequence[Sequence[float]]) -> Table:
    """Five rows, a severity each."""
    return cast("Table", tuple(tuple(float(value) for value in row) for row in rows))


def each(corrupt: Callable[[Image, float, np.random.Generator], Image]) -> Corrupt:
    """A corruption of a batch from one of a single image (H, W, C) that takes its first strength and a stream."""

    def batch(images: Image, strengths: Strengths, keys: Keys) -> Image:
        out = np.empty_like(images)
        stream = KeyedStream()
        for row, (first, second) in enumerate(keys.tolist()):
            stream.seat((first, second))
            out[row] = corrupt(images[row], strengths[0], stream.numpy)
        return out

    return batch


def _at(side: int, small: float, large: float, is_length: bool) -> float:
    share = (math.log(side) - math.log(SMALL_PX)) / (math.log(LARGE_PX) - math.log(SMALL_PX))
    if share <= 0:
        return small
    if share >= 1:
        return large * side / LARGE_PX if is_length else large
    if small <= 0 or large <= 0:
        return small + share * (large - small)
    return small * math.exp(share * math.log(large / small))
