"""Rows on pages and in galleries, beside what they were made of, changed cells marked. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Html
from augment_ops.modalities.tabular.schema import Rows, TableSchema
from augment_ops.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = NDArray[np.float64]  # (F,)

_DIGITS = 5  # of a number: an amount of 12,345.67 keeps its units
_DRAWN = 12  # lines of a row that fit an inch; the changed ones come first
_MISSING = "–"
_LONGEST = 18  # characters of a name or value that fit beside each other in an inch


def show(
    schema: TableSchema, rows: Rows, alt: Sequence[str], against: Rows | None = None, css_class: str = ""
) -> list[Html]:
    """A `<table>` of each row of float64 (N, F), a line a column; see `augment_ops.modalities.base.Modality.show`."""
    before: Sequence[Row | None] = [None] * len(rows) if against is None else list(against)
    return [
        _table(schema, row, original, text, css_class) for row, original, text in zip(rows, before, alt, strict=True)
    ]


def draw(axes: Axes, schema: TableSchema, row: Row, against: Row | None = None) -> None:
    """Write one row into axes, a line a column, what changed in bold; of many columns those that changed come first."""
    marks = _changed(row, against)
    places = sorted(np.argsort(~marks, kind="stable")[:_DRAWN].tolist())
    for line, place in enumerate(places):
        name = visible(schema.names[place][:_LONGEST])
        text = f"{name} {visible(cell(schema, place, row[place])[:_LONGEST]) or _MISSING}"
        height = 1 - (line + 0.5) / min(_DRAWN, len(schema))
        weight = "bold" if marks[place] else "normal"
        # A name may hold what matplotlib would read as mathematics.
        axes.text(
            0.02, height, text.replace("$", r"\$"), fontsize=4, va="center", weight=weight, transform=axes.transAxes
        )


def cell(schema: TableSchema, column: int, value: float) -> str:
    """One value as text: a category's name, a number with five digits, nothing where it is missing."""
    if np.isnan(value):
        return ""
    if schema.columns[column].kind == "category":
        return str(schema.texts(column, np.array([value]))[0])
    return f"{value:.0f}" if value == np.rint(value) and abs(value) < 1e15 else f"{value:.{_DIGITS}g}"


def share_changed(before: Row, after: Row) -> float:
    """Share of the cells of a row that differ; a cell that is missing in both does not."""
    return float(_changed(after, before).mean())


def _changed(row: Row, against: Row | None) -> NDArray[np.bool_]:
    if against is None:
        return np.zeros(len(row), np.bool_)
    found: NDArray[np.bool_] = ~((row == against) | (np.isnan(row) & np.isnan(against)))
    return found


def _table(schema: TableSchema, row: Row, against: Row | None, caption: str, css_class: str) -> Html:
    marks = _changed(row, against)
    lines = []
    for place, name in enumerate(schema.names):
        now = _escaped(cell(schema, place, row[place])) or _MISSING
        now = f"<mark>{now}</mark>" if marks[place] else now
        before = "" if against is None else f"<td>{_escaped(cell(schema, place, against[place])) or _MISSING}</td>"
        lines.append(f'<tr><th scope="row">{_escaped(name)}</th>{before}<td>{now}</td></tr>')
    head = "" if against is None else "<thead><tr><th></th><th>before</th><th>after</th></tr></thead>"
    attribute = f' class="{escape(css_class)}"' if css_class else ""
    return Html(
        f"<table{attribute}><caption>{_escaped(caption)}</caption>{head}<tbody>{''.join(lines)}</tbody></table>"
    )


def _escaped(text: str) -> str:
    """Names and categories are anybody's: escaped, and with a number for each character that nobody sees."""
    return escape(visible(text))
