"""Pictures for MLflow: PNG bytes from plain values. matplotlib's object interface, no global state, no display.

The same values give the same bytes, so that logging a picture again changes nothing.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples, Schema
from augment_ops.report.stress_summary import gap_table, role_curves
from augment_ops.stress.report import Role, StressReport
from augment_ops.training.result import EpochMetrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 110
_STYLE: dict[str, dict[str, Any]] = {
    "candidate": {"color": "#1f5fbf", "linewidth": 2.2, "linestyle": "-", "marker": "o", "markersize": 4},
    "control": {"color": "#8a8f98", "linewidth": 1.5, "linestyle": "--", "marker": "s", "markersize": 3},
    "champion": {"color": "#b7791f", "linewidth": 1.5, "linestyle": ":", "marker": "^", "markersize": 3},
}
_CELL_IN, _LABEL_IN = 1.15, 1.9  # of a gallery
_MAX_NUMBERED_CLASSES = 20  # above, the numbers in the cells of a confusion matrix are too small to read


@dataclass(frozen=True)
class Panel:
    """One transform of a gallery.

    Attributes:
        name: as shown.
        levels: (level, sample (*shape)) from weak to strong; empty where it changes nothing.
    """

    name: str
    levels: tuple[tuple[str, Samples], ...]


@dataclass(frozen=True)
class Pen:
    """What draws samples: their modality, and the schema of their data set where it has one."""

    modality: Modality
    schema: Schema | None = None

    def __call__(self, cells: Any, original: Samples, others: Sequence[Samples]) -> None:
        """A sample and what was made of it, each into one of `cells`, as far as there are any."""
        for cell, sample in zip(cells, (original, *others), strict=False):
            against = None if sample is original else original
            self.modality.draw(cell, sample, against=against, schema=self.schema)


def contact_sheet(pen: Pen, originals: Samples, augmented: Samples, labels: Sequence[str]) -> bytes:
    """Each original with its augmented copies to the right of it.

    Args:
        pen: draws them.
        originals: (N, *shape).
        augmented: (N, K, *shape').
        labels: N class names.
    """
    n, copies = augmented.shape[:2]
    figure = _figure(1.0 * (copies + 1) + 1.2, 1.0 * max(n, 1) + 0.5)
    grid = figure.subplots(max(n, 1), copies + 1, squeeze=False)
    for row in range(n):
        pen(grid[row], originals[row], list(augmented[row]))
        grid[row][0].set_ylabel(labels[row][:14], rotation=0, ha="right", va="center", fontsize=9, parse_math=False)
    grid[0][0].set_title("original", fontsize=9)
    if copies:
        grid[0][1].set_title("augmented", fontsize=9, loc="left")
    for axes in grid.flat:
        _bare(axes)
    return _png(figure)


def gallery(pen: Pen, title: str, samples: Samples, panels: Sequence[Panel], copies: Sequence[Samples]) -> bytes:
    """Each transform of a policy at three strengths, and the whole policy on real samples.

    Args:
        pen: draws them.
        samples: (N, *shape); the first is what the panels start from.
        copies: of the whole policy, (N, *shape') each.
    """
    columns = max(4, len(copies) + 1)
    rows = len(panels) + len(samples)
    figure = _figure(_CELL_IN * columns + _LABEL_IN, _CELL_IN * rows + 0.9)
    figure.suptitle(title, fontsize=12, x=0.02, ha="left", parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        _bare(axes)
    for row, panel in enumerate(panels):
        _name(grid[row], panel.name)
        pen(grid[row], samples[0], [sample for _, sample in panel.levels])
        _headings(grid[row], ["original", *(level for level, _ in panel.levels)] if row == 0 else [])
        if not panel.levels:
            grid[row][1].set_title("changes nothing here", fontsize=8, loc="left")
    for i, sample in enumerate(samples):
        axes = grid[len(panels) + i]
        _name(axes, "whole policy" if i == 0 else "")
        pen(axes, sample, [copy[i] for copy in copies])
        _headings(axes, ["original", *(f"epoch {n}" for n in range(len(copies)))] if i == 0 else [])
    return _png(figure)


def severity_curves(report: StressReport) -> bytes:
    """Accuracy against severity, one panel a corruption, one line a model; severity 0 is clean."""
    corruptions = report.corruptions
    columns = max(1, min(4, len(corruptions)))
    rows = max(1, math.ceil(len(corruptions) / columns))
    figure = _figure(2.7 * columns, 2.2 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, corruption in zip(grid.flat, corruptions, strict=False):
        for role, points in role_curves(report, corruption).items():
            axes.plot([p.x for p in points], [p.y * 100 for p in points], label=role, **_STYLE[role])
        axes.set_title(corruption.replace("_", " "), fontsize=10, parse_math=False)
        _light_grid(axes)
    for axes in list(grid.flat)[len(corruptions) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("severity", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy, %", fontsize=9)
    handles, names = grid[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return _png(figure)


def heat_map(report: StressReport, role: Role = "candidate") -> bytes:
    """Accuracy lost against clean, in percentage points: corruptions down, severities across."""
    table = gap_table(report, role)
    figure = _figure(1.0 * len(table.severities) + 2.4, 0.42 * len(table.rows) + 1.2)
    axes = figure.subplots()
    values = np.array([[math.nan if c is None else c * 100 for c in row.values] for row in table.rows], dtype=float)
    if values.size:
        axes.imshow(np.ma.masked_invalid(values), cmap="Reds", vmin=0, vmax=40, aspect="auto")
        _number_cells(axes, values, 20, "{:.1f}")
    axes.set_xticks(range(len(table.severities)), [str(s) for s in table.severities])
    axes.set_yticks(range(len(table.rows)), [r.corruption.replace("_", " ") for r in table.rows], parse_math=False)
    axes.set_xlabel("severity", fontsize=9)
    axes.set_title(f"{role}: points of accuracy lost against clean", fontsize=10)
    axes.tick_params(length=0, labelsize=9)
    return _png(figure)


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """Rows true class, columns predicted; colour is the share of the row, numbers are samples.

    Args:
        confusion: int (K, K).
        classes: K names.
    """
    counts = np.asarray(confusion, dtype=float).reshape(len(classes), len(classes))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(12.0, 0.48 * len(classes) + 1.8)
    figure = _figure(side, side)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= _MAX_NUMBERED_CLASSES:
        _number_cells(axes, counts, 0.5, "{:.0f}", shade=share)
        names = [name[:14] for name in classes]
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    axes.tick_params(length=0, labelsize=8)
    return _png(figure)


def learning_curve(curves: Mapping[str, Sequence[EpochMetrics]]) -> bytes:
    """Loss and accuracy by epoch; training thin, validation thick; one colour a role."""
    figure = _figure(7.6, 3.0)
    left, right = figure.subplots(1, 2)
    for role, curve in curves.items():
        epochs = [m.epoch for m in curve]
        style = _STYLE.get(role, _STYLE["champion"])
        thin = {**style, "linewidth": 0.8, "marker": None, "alpha": 0.7}
        left.plot(epochs, [m.train_loss for m in curve], **thin)
        left.plot(epochs, [m.validation_loss for m in curve], label=role, **style)
        right.plot(epochs, [m.train_accuracy * 100 for m in curve], **thin)
        right.plot(epochs, [m.validation_accuracy * 100 for m in curve], label=role, **style)
    for axes, name in ((left, "loss"), (right, "accuracy, %")):
        axes.set_xlabel("epoch (thin: training, thick: validation)", fontsize=8)
        axes.set_ylabel(name, fontsize=9)
        _light_grid(axes)
    if curves:
        right.legend(frameon=False, fontsize=9)
    return _png(figure)


def _name(axes: Any, name: str) -> None:
    axes[0].set_ylabel(name[:26], rotation=0, ha="right", va="center", fontsize=9, parse_math=False)


def _headings(axes: Any, names: Sequence[str]) -> None:
    for cell, name in zip(axes, names, strict=False):
        cell.set_title(name, fontsize=9)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the bundled font lacks is drawn as a box; that is no reason to end a run.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _light_grid(axes: Axes) -> None:
    axes.grid(color="#e3e5e8", linewidth=0.6)
    axes.tick_params(labelsize=8, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _number_cells(
    axes: Axes, values: NDArray[Any], white_above: float, form: str, shade: NDArray[Any] | None = None
) -> None:
    shade = values if shade is None else shade
    for (row, column), value in np.ndenumerate(values):
        text = form.format(value) if math.isfinite(value) else "–"
        colour = "white" if shade[row, column] > white_above else "#30343a"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
