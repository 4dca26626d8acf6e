"""Rows as pieces of a page, beside what they were made of, changed cells marked. Everything is escaped."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.schema import Rows, TableSchema

_DIGITS = 5  # of a number: an amount of 12,345.67 keeps its units


def cell(schema: TableSchema, column: int, value: float) -> str:
    """One value as text: a category's name, a number with five digits, nothing where it is missing."""
    if np.isnan(value):
        return ""
    if schema.columns[column].kind == "category":
        return str(schema.texts(column, np.array([value]))[0])
    return f"{value:.0f}" if value == np.rint(value) and abs(value) < 1e15 else f"{value:.{_DIGITS}g}"


def changed(row: NDArray[np.float64], against: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Cells that differ, bool (F,); a cell that is missing in both does not."""
    found: NDArray[np.bool_] = ~((row == against) | (np.isnan(row) & np.isnan(against)))
    return found


def table_of(schema: TableSchema, row: NDArray[np.float64], against: NDArray[np.float64] | None, caption: str) -> str:
    """One row as an HTML table of a line a column; beside what it was made of, where that is given.

    Args:
        row: float64 (F,).
        against: float64 (F,) or None.
        caption: for who cannot see it, and for who can.
    """
    marks = np.zeros(len(schema), np.bool_) if against is None else changed(row, against)
    lines = []
    for place, name in enumerate(schema.names):
        now = escape(cell(schema, place, row[place])) or "–"
        shown = f"<mark>{now}</mark>" if marks[place] else now
        before = "" if against is None else f"<td>{escape(cell(schema, place, against[place])) or '–'}</td>"
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{before}<td>{shown}</td></tr>')
    head = "" if against is None else "<thead><tr><th></th><th>before</th><th>after</th></tr></thead>"
    return f"<table><caption>{escape(caption)}</caption>{head}<tbody>{''.join(lines)}</tbody></table>"


def share_changed(before: Rows, after: Rows) -> float:
    """Share of the cells of one row that differ."""
    return float(changed(after, before).mean())
