"""The small charts of a window's page, as numbers for its template: shares by bin, and effects over windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from augment_ops.monitoring.drift.detectors.base import MISSING, Bin
from augment_ops.monitoring.drift.rules import EffectLimits

# Of a chart, in its own units: the drawing, and around it the room of its axes.
WIDTH, HEIGHT = 260.0, 132.0
LEFT, RIGHT, TOP, BOTTOM = 38.0, 254.0, 8.0, 104.0
_LABEL = 18  # characters of a bin's name below the axis; the bar's own title has all of them
_LINE = 9.0  # of a label, in the chart's units
_HEADROOM = 1.1  # so that the highest point does not touch the frame


@dataclass(frozen=True)
class PastWindow:
    """A window that was judged before.

    Attributes:
        effects: name of the series in MLflow → effect.
    """

    start: datetime
    status: str
    effects: Mapping[str, float]


@dataclass(frozen=True)
class AxisLabel:
    """A label at an axis: where along it, in the chart's units."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """One bin of one side; `title` is what pointing at it shows."""

    side: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Shares:
    """Reference beside window: share of the samples by bin."""

    bars: tuple[Bar, ...]
    x: tuple[AxisLabel, ...]
    y: tuple[AxisLabel, ...]


@dataclass(frozen=True)
class WindowDot:
    """The effect in one window."""

    x: float
    y: float
    status: str
    title: str


@dataclass(frozen=True)
class Trend:
    """An effect over windows, with its limits.

    Attributes:
        lines: stretches without a gap, as points of a polyline.
        limits: heights of the limits, with their names, that of drift first.
        named: those of them whose names do not lie on each other.
    """

    dots: tuple[WindowDot, ...]
    lines: tuple[str, ...]
    limits: tuple[AxisLabel, ...]
    named: tuple[AxisLabel, ...]
    x: tuple[AxisLabel, ...]
    y: tuple[AxisLabel, ...]


def shares(bins: Sequence[Bin]) -> Shares:
    """The chart of what has bins."""
    highest = max(max(b.reference_share, b.window_share) for b in bins) or 1.0
    wide = (RIGHT - LEFT) / len(bins)
    bars = []
    for place, one in enumerate(bins):
        for side, share, shift in (("reference", one.reference_share, 0.05), ("window", one.window_share, 0.5)):
            height = round((BOTTOM - TOP) * share / highest, 2)
            x, y = round(LEFT + (place + shift) * wide, 2), round(BOTTOM - height, 2)
            bars.append(Bar(side, x, y, round(0.42 * wide, 2), height, f"{one.label}: {side} {share:.1%}"))
    last = max((place for place, one in enumerate(bins) if one.label != MISSING), default=0)  # missing ones come last
    ends = [(LEFT, bins[0].label)] + ([(round(LEFT + (last + 1) * wide, 2), bins[last].label)] if last else [])
    return Shares(
        tuple(bars),
        tuple(AxisLabel(at, label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…") for at, label in ends),
        (AxisLabel(TOP, f"{highest:.0%}"), AxisLabel(BOTTOM, "0%")),
    )


def trend(series: str, windows: Sequence[PastWindow], limits: EffectLimits) -> Trend | None:
    """The chart of an effect over windows, oldest first; None where fewer than two have it."""
    found = [(place, window, window.effects.get(series, math.nan)) for place, window in enumerate(windows)]
    known = [effect for _, _, effect in found if math.isfinite(effect)]
    if len(known) < 2:
        return None
    highest = _HEADROOM * max(*known, limits.drift)
    step = (RIGHT - LEFT) / (len(windows) - 1)

    def height(effect: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * effect / highest, 2)

    dots: list[WindowDot] = []
    lines: list[list[str]] = []
    line: list[str] = []
    for place, window, effect in found:
        if not math.isfinite(effect):  # a line across it would say what nobody measured
            lines, line = [*lines, line], []
            continue
        x, y = round(LEFT + place * step, 2), height(effect)
        dots.append(
            WindowDot(x, y, window.status, f"{window.start:%Y-%m-%d %H:%M}: {effect:.3g}, window {window.status}")
        )
        line.append(f"{x},{y}")
    marks = {"drift": limits.drift, "warn": limits.warn}
    heights = tuple(AxisLabel(height(value), name) for name, value in marks.items())
    return Trend(
        tuple(dots),
        tuple(" ".join(points) for points in [*lines, line] if len(points) > 1),
        heights,
        _apart(heights),
        tuple(AxisLabel(at, f"{windows[place].start:%m-%d %H:%M}") for at, place in ((LEFT, 0), (RIGHT, -1))),
        _apart([AxisLabel(BOTTOM, "0"), *(AxisLabel(height(v), f"{v:.3g}") for v in (max(known), *marks.values()))]),
    )


def _apart(labels: Sequence[AxisLabel]) -> tuple[AxisLabel, ...]:
    """Those that can be read: one that would lie on an earlier one is left out."""
    kept: list[AxisLabel] = []
    for one in labels:
        if all(abs(one.at - other.at) >= _LINE for other in kept):
            kept.append(one)
    return tuple(kept)
