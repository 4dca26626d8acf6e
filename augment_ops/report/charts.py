"""Line charts of the page as geometry: the template draws them as inline SVG, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augment_ops.report.stress_summary import Point, role_curves
from augment_ops.stress.report import Role, StressReport
from augment_ops.training.result import EpochMetrics

# User units of a chart. The left margin holds "100%", the bottom one the x labels.
_LEFT, _RIGHT, _TOP, _BOTTOM = 30.0, 6.0, 8.0, 20.0


@dataclass(frozen=True)
class Dot:
    """One measurement, with the text that a pointer shows."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """One series; `path` is SVG path data, broken where a value is not a number."""

    name: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One panel.

    Attributes:
        band: SVG path of the candidate's 95% interval, empty where there is none.
        limit: y of the gate's limit, or None.
        text: the whole content in words, for those who cannot see it.
    """

    title: str
    width: float
    height: float
    left: float
    right: float
    baseline: float
    lines: tuple[Line, ...]
    band: str
    limit: float | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    text: str


@dataclass(frozen=True)
class _Scale:
    width: float
    height: float
    x_min: float
    x_max: float
    y_min: float
    y_max: float

    def x(self, value: float) -> float:
        span = (self.x_max - self.x_min) or 1.0
        return round(_LEFT + (value - self.x_min) / span * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (min(max(value, self.y_min), self.y_max) - self.y_min) / (self.y_max - self.y_min)
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 1)


def severity_panels(report: StressReport, limit: float | None) -> tuple[Chart, ...]:
    """One panel a corruption, all on one scale so that they can be compared.

    Args:
        limit: lowest accuracy (0 to 1) that the gate lets pass, drawn as a line; None where it is not known.
    """
    curves = {name: role_curves(report, name) for name in report.corruptions}
    points = [p for roles in curves.values() for line in roles.values() for p in line]
    values = [p.y for p in points if math.isfinite(p.y)] + [v for v in (limit,) if v is not None]
    floor = _floor(values)
    top = max((p.x for p in points), default=1)
    scale = _Scale(200.0, 126.0, 0.0, float(top), floor, 1.0)
    return tuple(_severity_panel(name, roles, scale, limit) for name, roles in curves.items())


def learning_chart(curves: Mapping[str, Sequence[EpochMetrics]]) -> Chart | None:
    """Validation accuracy by epoch, one line a role, with training accuracy as `<role>-training`."""
    epochs = [m.epoch for curve in curves.values() for m in curve]
    if not epochs:
        return None
    series: dict[str, list[tuple[int, float, str]]] = {}
    for role, curve in curves.items():
        series[f"{role}-training"] = [(m.epoch, m.train_accuracy, _at_epoch(role, "training", m)) for m in curve]
        series[role] = [(m.epoch, m.validation_accuracy, _at_epoch(role, "validation", m)) for m in curve]
    finite = [y for line in series.values() for _, y, _ in line if math.isfinite(y)]
    scale = _Scale(480.0, 190.0, float(min(epochs)), float(max(epochs)), _floor(finite), 1.0)
    last = "; ".join(f"{role} {_percent(curve[-1].validation_accuracy)}" for role, curve in curves.items() if curve)
    return _chart(
        scale,
        title="Learning curve",
        lines=tuple(_line(name, line, scale) for name, line in series.items()),
        x_ticks=_epoch_ticks(scale),
        text=f"Validation accuracy after the last epoch: {last}",
    )


def _at_epoch(role: str, split: str, metrics: EpochMetrics) -> str:
    value = metrics.train_accuracy if split == "training" else metrics.validation_accuracy
    return f"{role}, {split}, epoch {metrics.epoch}: {_percent(value)}"


def _severity_panel(name: str, roles: Mapping[Role, tuple[Point, ...]], scale: _Scale, limit: float | None) -> Chart:
    title = name.replace("_", " ")
    lines = tuple(_line(role, [(p.x, p.y, _spoken(role, p)) for p in line], scale) for role, line in roles.items())
    ticks = tuple(Tick(scale.x(x), "clean" if x == 0 else str(x)) for x in range(int(scale.x_max) + 1))
    words = "; ".join(f"{role} {', '.join(_percent(p.y) for p in line)}" for role, line in roles.items())
    text = f"Accuracy under {title} from clean to the highest severity: {words}."
    return _chart(
        scale,
        title=title,
        lines=lines[::-1],  # the candidate is drawn last, on top
        x_ticks=ticks,
        text=text,
        band=_band(roles.get("candidate", ()), scale),
        limit=None if limit is None else scale.y(limit),
    )


def _chart(
    scale: _Scale,
    *,
    title: str,
    lines: tuple[Line, ...],
    x_ticks: tuple[Tick, ...],
    text: str,
    band: str = "",
    limit: float | None = None,
) -> Chart:
    middle = (scale.y_min + scale.y_max) / 2
    y_ticks = tuple(Tick(scale.y(v), f"{v * 100:.0f}%") for v in (scale.y_min, middle, scale.y_max))
    return Chart(
        title=title,
        width=scale.width,
        height=scale.height,
        left=_LEFT,
        right=scale.width - _RIGHT,
        baseline=scale.height - _BOTTOM,
        lines=lines,
        band=band,
        limit=limit,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        text=text,
    )


def _line(name: str, points: Sequence[tuple[float, float, str]], scale: _Scale) -> Line:
    path: list[str] = []
    dots: list[Dot] = []
    pen_down = False
    for x, y, title in points:
        if not math.isfinite(y):
            pen_down = False
            continue
        px, py = scale.x(x), scale.y(y)
        path.append(f"{'L' if pen_down else 'M'}{px:g} {py:g}")
        dots.append(Dot(px, py, title))
        pen_down = True
    return Line(name, "".join(path), tuple(dots))


def _band(points: Sequence[Point], scale: _Scale) -> str:
    known = [p for p in points if math.isfinite(p.y)]
    if len(known) < 2 or len(known) < len(points):  # a band across a gap would claim what was not measured
        return ""
    upper = [f"{scale.x(p.x):g} {scale.y(p.high):g}" for p in known]
    lower = [f"{scale.x(p.x):g} {scale.y(p.low):g}" for p in reversed(known)]
    return f"M{'L'.join(upper + lower)}Z"


def _epoch_ticks(scale: _Scale) -> tuple[Tick, ...]:
    first, last = int(scale.x_min), int(scale.x_max)
    step = max(1, -(-(last - first) // 6))
    return tuple(Tick(scale.x(e), str(e)) for e in range(first, last + 1, step))


def _floor(values: Sequence[float]) -> float:
    """The lowest tenth below all values with a little air, at most 0.8: a flat line must not look like a cliff."""
    lowest = min(values, default=0.0)
    return min(0.8, max(0.0, math.floor((lowest - 0.02) * 10) / 10))


def _spoken(role: str, point: Point) -> str:
    place = "clean" if point.x == 0 else f"severity {point.x}"
    return f"{role}, {place}: {point.y:.1%} (95% interval {point.low:.1%} to {point.high:.1%}, n = {point.n})"


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "not a number"
