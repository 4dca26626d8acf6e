"""Line charts of the page as geometry: the template draws them as inline SVG, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augment_ops.report.calibration import ReliabilityRow, Reliable
from augment_ops.report.stress_summary import Point, role_curves
from augment_ops.stress.report import Role, StressReport
from augment_ops.training.result import EpochMetrics

# User units of a chart. The left margin holds "100%", the top one where the axis begins, the bottom one the x labels. A
# panel's ticks from clean to severity 5 lie as far apart as the pictures below it are wide (page.css: .levels).
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 18.0, 16.0, 20.0
_STEPS = (0.02, 0.05, 0.1, 0.2)  # between the ticks of shares: what a person counts in; each divides 1
_INTERVALS = 5  # between ticks, at most: more labels would touch each other in a panel
_NARROWEST = 0.1  # that an axis shows of shares: a line that moves by less must not look like a cliff


@dataclass(frozen=True)
class Dot:
    """One measurement, with the text that a pointer shows; `radius` where its size says something."""

    x: float
    y: float
    title: str
    radius: float = 0.0


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
        limit: y of the gate's limit; None where there is none, or it lies below what is shown.
        axis: where the y axis begins, in words.
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
    axis: str
    text: str


@dataclass(frozen=True)
class _Scale:
    """From values to user units; `ticks` are those of the y axis, lowest first."""

    width: float
    height: float
    x_min: float
    x_max: float
    ticks: tuple[float, ...]

    @property
    def y_min(self) -> float:
        return self.ticks[0]

    @property
    def y_max(self) -> float:
        return self.ticks[-1]

    def x(self, value: float) -> float:
        span = (self.x_max - self.x_min) or 1.0
        return round(_LEFT + (value - self.x_min) / span * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (min(max(value, self.y_min), self.y_max) - self.y_min) / (self.y_max - self.y_min)
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 1)


def severity_panels(report: StressReport, limit: float | None) -> tuple[Chart, ...]:
    """One panel a corruption, each with an axis around what is there.

    Args:
        limit: lowest accuracy (0 to 1) that the gate lets pass, drawn as a line; None where it is not known.
    """
    curves = {name: role_curves(report, name) for name in report.corruptions}
    top = max((p.x for roles in curves.values() for line in roles.values() for p in line), default=1)
    return tuple(_severity_panel(name, roles, float(top), limit) for name, roles in curves.items())


def learning_chart(curves: Mapping[str, Sequence[EpochMetrics]], entry: str = "epoch") -> Chart | None:
    """Validation accuracy by epoch, one line a role, with training accuracy as `<role>-training`.

    Args:
        entry: what each point stands for.
    """
    epochs = [m.epoch for curve in curves.values() for m in curve]
    if not epochs:
        return None
    series: dict[str, list[tuple[int, float, str]]] = {}
    for role, curve in curves.items():
        series[f"{role}-training"] = [(m.epoch, m.train_accuracy, _at_entry(role, "training", m, entry)) for m in curve]
        series[role] = [(m.epoch, m.validation_accuracy, _at_entry(role, "validation", m, entry)) for m in curve]
    finite = [y for line in series.values() for _, y, _ in line if math.isfinite(y)]
    scale = _Scale(480.0, 190.0, float(min(epochs)), float(max(epochs)), axis_ticks(finite))
    last = "; ".join(f"{role} {_percent(curve[-1].validation_accuracy)}" for role, curve in curves.items() if curve)
    return _chart(
        scale,
        title="Learning curve",
        lines=tuple(_line(name, line, scale) for name, line in series.items()),
        x_ticks=_epoch_ticks(scale),
        text=f"Validation accuracy after the last {entry}: {last}",
        axis=f"accuracy by {entry}, axis from {scale.y_min:.0%}",
    )


def reliability_chart(rows: Sequence[ReliabilityRow], names: Sequence[str]) -> Chart:
    """A reliability diagram: how many are right where the model is how sure, with 95% intervals; the larger a dot, the
    more samples.

    Args:
        rows: bins, with a cell for each of `names`, which are `clean` and where it loses most.

    Source: DeGroot & Fienberg 1983, The Statistician 32; Guo et al. 2017, arXiv:1706.04599.
    """
    whole = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    scale = _Scale(480.0, 330.0, 0.0, 1.0, whole)
    lines = [Line("diagonal", f"M{scale.x(0):g} {scale.y(0):g}L{scale.x(1):g} {scale.y(1):g}", ())]
    told = []
    for place, (name, style) in enumerate(zip(names, ("reliable-clean", "reliable-stressed"), strict=False)):
        found = [row.cells[place] for row in rows]
        known = [one for one in found if one is not None]
        most = max(one.n for one in known)
        # The intervals, and no line from bin to bin: it would go up and down with those of one sample.
        path = "".join(f"M{scale.x(one.confidence):g} {scale.y(one.low):g}V{scale.y(one.high):g}" for one in known)
        dots = tuple(
            Dot(
                scale.x(one.confidence),
                scale.y(one.right),
                _reliable(name, one),
                round(3 + 4 * (one.n / most) ** 0.5, 1),
            )
            for one in known
        )
        lines.append(Line(style, path, dots))
        told.append("; ".join(_reliable(name, one) for one in known))
    return _chart(
        scale,
        title="Reliability",
        lines=tuple(lines),
        x_ticks=tuple(Tick(scale.x(value), f"{value:.0%}") for value in whole),
        text=f"Share of predictions that is right, by confidence: {'. '.join(told)}.",
        axis="right, by how sure the model is",
    )


def _reliable(name: str, one: Reliable) -> str:
    interval = f"95% interval {one.low:.1%} to {one.high:.1%}, n = {one.n}"
    return f"{name}, {one.confidence:.1%} sure: {one.right:.1%} right ({interval})"


def _at_entry(role: str, split: str, metrics: EpochMetrics, entry: str) -> str:
    value = metrics.train_accuracy if split == "training" else metrics.validation_accuracy
    return f"{role}, {split}, {entry} {metrics.epoch}: {_percent(value)}"


def _severity_panel(name: str, roles: Mapping[Role, tuple[Point, ...]], top: float, limit: float | None) -> Chart:
    title = name.replace("_", " ")
    candidate = roles.get("candidate", ())
    values = [p.y for line in roles.values() for p in line] + [end for p in candidate for end in (p.low, p.high)]
    ticks_y = axis_ticks(values)
    if limit is not None:  # as long as the curve keeps half of the height
        wider = axis_ticks([*values, limit])
        ticks_y = wider if wider[-1] - wider[0] <= 2 * (ticks_y[-1] - ticks_y[0]) else ticks_y
    scale = _Scale(200.0, 134.0, 0.0, top, ticks_y)
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
        band=_band(candidate, scale),
        limit=None if limit is None or limit < scale.y_min else scale.y(limit),
    )


def _chart(
    scale: _Scale,
    *,
    title: str,
    lines: tuple[Line, ...],
    x_ticks: tuple[Tick, ...],
    text: str,
    axis: str = "",
    band: str = "",
    limit: float | None = None,
) -> Chart:
    y_ticks = tuple(Tick(scale.y(v), f"{v:.0%}") for v in scale.ticks)
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
        axis=axis or f"axis from {scale.y_min:.0%}",
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


def axis_ticks(values: Sequence[float]) -> tuple[float, ...]:
    """Ticks of an axis of shares around what is there, lowest first: steps that a person counts in, within 0 to 1.

    Args:
        values: 0 to 1; those that are not finite are left out.

    >>> axis_ticks([0.81, 0.94])
    (0.8, 0.85, 0.9, 0.95)
    >>> axis_ticks([0.999, 1.0])
    (0.9, 0.92, 0.94, 0.96, 0.98, 1.0)
    """
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = max(0.0, min(known)), min(1.0, max(known))
    lacking = max(0.0, _NARROWEST - (high - low)) / 2
    beyond = max(0.0, high + lacking - 1) - max(0.0, lacking - low)  # of 1, or of 0: it goes to the other side
    low, high = low - lacking - beyond, high + lacking - beyond
    step, first, last = 1.0, 0, 1
    for step in _STEPS:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= _INTERVALS:
            break
    return tuple(round(place * step, 2) for place in range(max(0, first), min(last, round(1 / step)) + 1))


def _spoken(role: str, point: Point) -> str:
    place = "clean" if point.x == 0 else f"severity {point.x}"
    return f"{role}, {place}: {point.y:.1%} (95% interval {point.low:.1%} to {point.high:.1%}, n = {point.n})"


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "not a number"
