"""How a GPU draws the parameters of a transform: the arithmetic of its function as constants, for those that have it.

A transform that has none of these, and draws at all, has its whole policy drawn on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# What is done to a number on its way, a bit each.
WHOLE_SHARE = 1  # the product of uniform number and span is cut to a whole number: integers
CUT = 2  # its fraction is dropped before it becomes float32
CUT_SINGLE = 4  # and after
POWER = 8  # two to its power

AFFINE, ROTATION, SHIFT, CHOICE = range(4)


@dataclass(frozen=True, kw_only=True)
class DrawnNumber:
    """v · times + (1 - v) · other + plus, where v = low + span · u; every operation in float64.

    Attributes:
        draw: which of the stream's uniform numbers u is; not read where span is 0.
        steps: of WHOLE_SHARE, CUT, CUT_SINGLE and POWER.
    """

    draw: int = 0
    low: float = 0.0
    span: float = 0.0
    times: float = 1.0
    other: float = 0.0
    plus: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class DrawnMatrix:
    """A matrix from source to result.

    Attributes:
        kind: AFFINE and ROTATION, as in `kernels/matrices.py`; SHIFT, by whole numbers, of y from the first uniform
            number and of x from the second; CHOICE, one of some, each as likely.
        numbers: size of the source → the limits, flags and height and width of AFFINE and ROTATION; sign and how many
            shifts of x and of y there are; how many matrices there are.
    """

    kind: int
    numbers: Callable[[tuple[int, int]], Sequence[float]]


def drawn_between(
    draw: int, limits: tuple[float, float], times: float = 1.0, plus: float = 0.0, steps: int = 0
) -> DrawnNumber:
    """`geometry.between` of a draw, then times a factor, then a sum."""
    low, high = limits
    return DrawnNumber(draw=draw, low=low, span=high - low, times=times, plus=plus, steps=steps)


def drawn_levels(draw: int, low: int, high: int) -> DrawnNumber:
    """How many levels become one where `low` to `high` bits are kept: 2^(8 - bits)."""
    return DrawnNumber(draw=draw, low=low, span=high - low + 1, times=-1.0, plus=8.0, steps=WHOLE_SHARE | POWER)


def drawn_as(*numbers: float) -> list[DrawnNumber]:
    """Numbers that all samples share."""
    return [DrawnNumber(low=float(number)) for number in numbers]
