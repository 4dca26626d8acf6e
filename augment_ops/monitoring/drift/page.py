"""The page of one window: what moved most first, reference beside window, and the samples that moved most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray

from augment_ops.monitoring.drift.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    PastWindow,
    Trend,
    shares,
    trend,
)
from augment_ops.monitoring.drift.check import DriftFinding, DriftReport
from augment_ops.monitoring.drift.detectors.classifier import window_likeness
from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.monitoring.drift.metrics import effects, series_of
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.quantities import chance
from augment_ops.shown import seen

_SHOWN = 12  # samples of each side
_CHARTS = 24  # small multiples; the table below them has everything
_TRENDS = 6  # effects over windows
# What a person reads for a status; the report and MLflow keep the words of the rules.
_WORDS = {"insufficient": "too few to tell", "no-window": "no window"}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a window's page says beside what was measured in it.

    Attributes:
        model: whose predictions are watched; reference: what the window is compared with; both in words.
        served: versions of models that answered in the window, as the service logged them.
        earlier: windows judged before by the same rules against the same reference, oldest first.
        follows: what happens next, a sentence each.
    """

    dataset: str
    model: str
    reference: str
    rules: DriftRules
    served: tuple[str, ...] = ()
    earlier: tuple[PastWindow, ...] = ()
    follows: tuple[str, ...] = ()


def window_page(report: DriftReport, window: LogWindow, reference: Sample, sample: Sample, watched: Watched) -> bytes:
    """One self-contained HTML page.

    Args:
        sample: the window as it was compared, with embeddings.
        watched: whose window it is, what came before and what comes next.
    """
    moved, typical = _samples(window, reference, sample)
    windows = (*watched.earlier, PastWindow(window.start, report.status, effects(report)))
    context = {
        "report": report,
        "watched": watched,
        "start": window.start,
        "end": window.end,
        "windows": windows,
        "charts": [(f, shares(f.bins)) for f in report.features if f.bins][:_CHARTS],
        "trends": list(_trends(report, windows, watched.rules)),
        "limits": watched.rules.limits,
        "shown_as": sample.kind.shown_as,
        "moved": moved,
        "typical": typical,
        "frame": {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
    }
    return _template().render(context).encode()


def _trends(
    report: DriftReport, windows: Sequence[PastWindow], rules: DriftRules
) -> Iterator[tuple[DriftFinding, Trend]]:
    """Of the strongest findings, over windows."""
    found = 0
    for finding in report.features:
        limits = rules.limits.get(finding.detector)
        drawn = None if limits is None else trend(series_of(finding), windows, limits)
        if drawn is not None and found < _TRENDS:
            found += 1
            yield finding, drawn


def second_opinion(reference: Sample, sample: Sample, say: Callable[[str], None]) -> bytes | None:
    """Evidently's page of the same columns; None where it could show none of them, or is not there, which is said."""
    from augment_ops.errors import DataError, NotInstalled
    from augment_ops.monitoring.drift.evidently_page import render_page

    sides = [_table(side) for side in (reference, sample)]
    try:
        return render_page(*sides).encode()
    except (DataError, NotInstalled) as error:
        say(f"no second opinion: {error.faults[0].found}")
        return None


def _table(side: Sample) -> dict[str, NDArray[Any]]:
    table = side.table or side.features
    columns = {name: values for name, values in table.items() if values.dtype.kind in "fiub"}
    text = {name: values for name, values in table.items() if name not in columns}
    return columns | {name: np.array([str(value) for value in values]) for name, values in text.items()}


def _samples(window: LogWindow, reference: Sample, sample: Sample) -> tuple[list[tuple[Markup, str]], list[Markup]]:
    """Those of the window that look least like the reference, with captions, and some of the reference."""
    if sample.payload is None or reference.payload is None:
        return [], []
    before, after = reference.embeddings, sample.embeddings
    if before is None or after is None:
        before, after = _vectors(reference), _vectors(sample)
    likeness = window_likeness(before, after)
    most = np.argsort(-likeness, kind="stable")[:_SHOWN]
    rows = window.rows.iloc[window.payload_rows[most]]
    captions = [f"{r.sample_id}: {r.prediction or '–'}" for r in rows.itertuples()]
    some = np.linspace(0, len(reference.payload) - 1, min(_SHOWN, len(reference.payload))).astype(np.int64)
    moved = list(zip(_shown(sample, most, captions), captions, strict=True))
    return moved, _shown(reference, some, ["of the reference"] * len(some))


def _vectors(side: Sample) -> NDArray[np.float64]:
    """(M, D): the features that are numbers, for who has no embeddings."""
    return np.stack([values for values in side.features.values() if values.dtype.kind == "f"], 1)


def _shown(side: Sample, rows: NDArray[np.int64], alt: list[str]) -> list[Markup]:
    assert side.payload is not None
    texts = [str(seen(text)) for text in alt]
    return [Markup(one) for one in side.kind.show(side.payload.take(rows), texts, schema=side.schema, exact=True)]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("augment_ops.monitoring.drift"),
        autoescape=True,
        finalize=seen,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["word"] = lambda status: _WORDS.get(status, status)
    environment.filters["chance"] = chance
    environment.filters["number"] = lambda v: "–" if v is None or math.isnan(v) else f"{v:.3g}"
    return environment.get_template("window.html.j2")
