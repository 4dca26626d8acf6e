"""The page of one window: what moved most first, reference beside window, and the samples that moved most."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray

from augment_ops.shown import seen
from monitoring.drift.check import DriftReport
from monitoring.drift.detectors.base import Bin
from monitoring.drift.detectors.classifier import window_likeness
from monitoring.drift.log_reader import LogWindow
from monitoring.drift.sample import Sample

_SHOWN = 12  # samples of each side
_CHARTS = 24  # small multiples; the table below them has everything
_WIDTH, _HEIGHT = 220, 90  # of a chart


def window_page(report: DriftReport, window: LogWindow, reference: Sample, sample: Sample) -> bytes:
    """One self-contained HTML page.

    Args:
        sample: the window as it was compared, with embeddings.
    """
    moved, typical = _samples(window, reference, sample)
    context = {
        "report": report,
        "start": window.start,
        "end": window.end,
        "charts": [(f, _chart(f.bins)) for f in report.features if f.bins][:_CHARTS],
        "shown_as": sample.kind.shown_as,
        "moved": moved,
        "typical": typical,
    }
    return _template().render(context).encode()


def second_opinion(reference: Sample, sample: Sample, say: Callable[[str], None]) -> bytes | None:
    """Evidently's page of the same columns; None where it could show none of them, which is said."""
    from augment_ops.errors import DataError
    from monitoring.drift.evidently_page import render_page

    sides = [_table(side) for side in (reference, sample)]
    try:
        return render_page(*sides).encode()
    except DataError as error:
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


def _chart(bins: tuple[Bin, ...]) -> list[dict[str, float | str]]:
    """Bars of a small chart: x, y, width and height in its own units, and which side each belongs to."""
    highest = max(max(b.reference_share, b.window_share) for b in bins) or 1.0
    wide = _WIDTH / len(bins)
    bars: list[dict[str, float | str]] = []
    for place, one in enumerate(bins):
        for side, share, shift in (("reference", one.reference_share, 0.05), ("window", one.window_share, 0.5)):
            height = _HEIGHT * share / highest
            bars.append(
                {
                    "side": side,
                    "x": round((place + shift) * wide, 2),
                    "y": round(_HEIGHT - height, 2),
                    "width": round(0.42 * wide, 2),
                    "height": round(height, 2),
                    "title": f"{one.label}: {side} {share:.1%}",
                }
            )
    return bars


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("monitoring.drift"),
        autoescape=True,
        finalize=seen,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["number"] = lambda v: "–" if v is None or math.isnan(v) else f"{v:.3g}"
    return environment.get_template("window.html.j2")
