"""What the limits of a domain leave of the operations of image families: magnitudes cut, or operations left out.

A bound holds for a whole draw. So where operations of one kind can follow each other, each gets its part of the bound:
half of it as one of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from augment_ops.policy.bounds import Bounds
from augment_ops.policy.narrowing import Narrowed, Step, names


@dataclass(frozen=True)
class _Kind:
    """Operations under one bound.

    Attributes:
        bound: as the limits name it.
        magnitude: a bound → the largest magnitude that it allows; shown: a magnitude in words.
    """

    bound: str
    magnitude: Callable[[float], float]
    shown: Callable[[float], str]


def _slope(degrees: float) -> float:
    return math.tan(math.radians(degrees)) if degrees < 90 else math.inf


def _degrees(slope: float) -> str:
    return f"±{math.degrees(math.atan(slope)):.3g}°"


_SHEAR = _Kind("max_shear_deg", _slope, _degrees)
_TRANSLATION = _Kind("max_translation_share", float, lambda share: f"±{share:.3g} of the image")
_KINDS: Mapping[str, _Kind] = {
    "ShearX": _SHEAR,
    "ShearY": _SHEAR,
    "TranslateX": _TRANSLATION,
    "TranslateY": _TRANSLATION,
    "Rotate": _Kind("max_rotation_deg", float, lambda degrees: f"±{degrees:.3g}°"),
    "Brightness": _Kind("max_brightness_change", float, lambda change: f"±{change:.3g}"),
    "Color": _Kind("max_saturation_change", float, lambda change: f"±{change:.3g}"),
    "Contrast": _Kind("max_contrast_change", float, lambda change: f"±{change:.3g}"),
}

BOUNDS = frozenset(kind.bound for kind in _KINDS.values())


@dataclass(frozen=True)
class _Cut:
    """The strongest magnitudes of an operation before and after, wherever a family has it; `was` says the first."""

    before: float
    after: float
    in_a_row: int
    was: str


class Narrower:
    """Cuts the operations of one family, and remembers what it cut and left out.

    Args:
        bounds: None cuts nothing.
        size: (H, W) of the images that the policy is for; makes pixels shares.
    """

    def __init__(self, bounds: Bounds | None = None, size: tuple[int, int] = (1, 1)) -> None:
        self._bounds, self._size = bounds, size
        self._cut: dict[str, _Cut] = {}
        self._out: dict[str, str] = {}

    def made(
        self, operation: str, magnitude: float, make: Callable[[float], Step], in_a_row: int = 1, *, was: str = ""
    ) -> list[Step]:
        """The step of an operation, as strong as it may be; none where it is left out.

        Args:
            magnitude: as published.
            in_a_row: how many operations under its bound one draw can bring together.
            was: the magnitude as published, where that is in another unit.
        """
        most = self._most(operation, in_a_row)
        if magnitude > most == 0:
            return self._left_out(operation, _KINDS[operation].bound)
        if magnitude > most or was:
            self._remember(
                operation, magnitude, min(magnitude, most), in_a_row, was or _KINDS[operation].shown(magnitude)
            )
        return self.allowed(operation, make(min(magnitude, most)))

    def made_of_pixels(
        self, operation: str, pixels: float, make: Callable[[float], Step], make_share: Callable[[float], Step]
    ) -> list[Step]:
        """The step of an operation in pixels; where the domain bounds its share of an image, in shares.

        That is told even where it fits: a share follows the size of the image.
        """
        if self._most(operation, 1) == math.inf:
            return self.allowed(operation, make(pixels))
        share = pixels / self._size["YX".index(operation[-1])]
        return self.made(operation, share, make_share, was=f"±{pixels:g} px")

    def allowed(self, operation: str, step: Step) -> list[Step]:
        """A step, unless it holds a transform that is forbidden."""
        forbidden = {} if self._bounds is None else self._bounds.forbidden
        reasons = [forbidden[name] for name in names([step]) if name in forbidden]
        return self._left_out(operation, reasons[0]) if reasons else [step]

    def narrowed(self, where: str) -> tuple[Narrowed, ...]:
        """What was cut and left out, of the family at `where`."""
        told = []
        for operation, cut in self._cut.items():
            kind, row = _KINDS[operation], f" for {cut.in_a_row} in a row" if cut.in_a_row > 1 else ""
            if operation not in self._out:
                told.append(Narrowed(where, operation, cut.was, kind.shown(cut.after), f"{kind.bound}{row}"))
        return (*told, *(Narrowed(where, operation, "", "", why) for operation, why in self._out.items()))

    def _remember(self, operation: str, before: float, after: float, in_a_row: int, was: str) -> None:
        known = self._cut.get(operation, _Cut(0.0, 0.0, in_a_row, ""))
        self._cut[operation] = _Cut(
            max(before, known.before),
            max(after, known.after),
            in_a_row if after > known.after else known.in_a_row,
            was if before > known.before else known.was,
        )

    def _most(self, operation: str, in_a_row: int) -> float:
        kind = _KINDS.get(operation)
        bound = None if self._bounds is None or kind is None else getattr(self._bounds, kind.bound)
        return math.inf if bound is None or kind is None else kind.magnitude(bound / in_a_row)

    def _left_out(self, operation: str, why: str) -> list[Step]:
        self._out[operation] = why
        return []


def same_bound(operation: str, others: Sequence[str]) -> int:
    """How many of `others` are under the bound of an operation."""
    bound = _KINDS[operation].bound if operation in _KINDS else None
    return sum(other in _KINDS and _KINDS[other].bound == bound for other in others)
