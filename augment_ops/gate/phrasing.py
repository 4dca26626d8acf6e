"""Numbers as the gate's sentences say them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augment_ops.gate.statistics import Estimate

_FEW = 0.01  # below, a tenth of a percent is much of a share
# Below, a share is said as none: what rounding leaves of one (the interval of 0 of 200 samples begins at 2e-18), and
# less than a sample in a million.
_NONE = 1e-6


def share(value: float | None, *, fine: bool = False) -> str:
    """0.8231 → 82.3%; 0.0004 → 0.04% where `fine`, and 0.0% where not. Never in powers of ten."""
    if value is None:
        return "no recall"
    if fine and abs(value) < _NONE:
        return "0.0%"
    if fine and 0 < value < _FEW:
        return f"{np.format_float_positional(100 * value, precision=2, unique=False, fractional=False, trim='0')}%"
    return f"{100 * value:.1f}%"


def points(value: float, *, sign: bool = False) -> str:
    """0.1512 → 15.1 points."""
    number = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return f"{'0.0' if float(number) == 0 else number} points"


def interval(low: float, high: float, confidence: float) -> str:
    """The interval of a difference, in points: `95% interval 8.9 to 15.3`."""
    ends = [f"{100 * end:.1f}" for end in (low, high)]
    ends = ["0.0" if float(end) == 0 else end for end in ends]
    return f"{100 * confidence:g}% interval {ends[0]} to {ends[1]}"


def of(estimate: Estimate, confidence: float) -> str:
    """The interval of an estimate."""
    return interval(estimate.low, estimate.high, confidence)


def listed(names: tuple[str, ...], most: int = 6) -> str:
    """a, b and 3 more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(counts: Mapping[str, int], most: int = 12) -> str:
    """Class x 3 times, y 5 times, and more → `x (3), y (5) and 2 more`."""
    return listed(tuple(f"{name} ({n})" for name, n in counts.items()), most)


def plural(count: int, noun: str) -> str:
    """1 warning, 2 warnings."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
