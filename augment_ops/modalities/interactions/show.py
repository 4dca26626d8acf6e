"""Histories on pages and in galleries, changed items marked. Every name is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from typing import TYPE_CHECKING

from augment_ops.modalities.base import Html
from augment_ops.modalities.interactions.histories import AGE, ITEM, Histories
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.source import Schema
from augment_ops.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEWEST = 12  # items of a history that a page shows, unless all are asked for
_LINES, _LINE = 9, 26  # lines and characters that fit an inch
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def show(
    histories: Histories,
    alt: Sequence[str],
    against: Histories | None,
    schema: Schema | None,
    css_class: str,
    exact: bool,
) -> list[Html]:
    """A `<table>` of each history; see `augment_ops.modalities.base.Modality.show`."""
    before: Sequence[Histories | None] = [None] * len(histories) if against is None else list(against)
    items = _catalogue(schema)
    return [
        _table(history, original, caption, items, css_class, exact)
        for history, original, caption in zip(histories, before, alt, strict=True)
    ]


def draw(axes: Axes, history: Histories, against: Histories | None, schema: Schema | None) -> None:
    """Write one history into axes, the newest item first; in bold where it differs from what it was made of.

    Args:
        history, against: int32 (H, 2).
    """
    lines = [f"{name}, {ago}"[:_LINE] for name, ago in reversed(_read(history, _catalogue(schema)))][:_LINES]
    is_changed = against is not None and bool((history != against).any())
    axes.text(
        0.03,
        0.97,
        "\n".join(map(visible, lines or ["nothing"])).replace("$", r"\$"),  # matplotlib would read mathematics
        fontsize=4,
        va="top",
        weight="bold" if is_changed else "normal",
        transform=axes.transAxes,
    )


def share_changed(before: Histories, after: Histories) -> float:
    """Share of the items of int32 (H, 2) that are not in another history in that order, or the share more it has."""
    own, other = _codes(before), _codes(after)
    same = sum(block.size for block in SequenceMatcher(None, own, other, autojunk=False).get_matching_blocks())
    most = max(len(own), len(other))
    return 1 - same / most if most else 0.0


def _catalogue(schema: Schema | None) -> Items:
    return Items(()) if schema is None else Items.read(schema)


def _codes(history: Histories) -> list[int]:
    return [int(code) for code in history[:, ITEM] if code > 0]


def _read(history: Histories, items: Items) -> list[tuple[str, str]]:
    """Name and age of each item, the oldest first."""
    return [(items.name(int(row[ITEM])), _ago(int(row[AGE]))) for row in history if row[ITEM] > 0]


def _ago(seconds: int) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def _table(
    history: Histories, against: Histories | None, caption: str, items: Items, css_class: str, exact: bool
) -> Html:
    rows = ""
    if against is not None:
        rows = f'<tr><th scope="row">before</th><td>{_items(against, None, items, exact)}</td></tr>'
    rows += f'<tr><th scope="row">history</th><td>{_items(history, against, items, exact)}</td></tr>'
    attribute = f' class="{escape(css_class)}"' if css_class else ""
    return Html(f"<table{attribute}><caption>{_escaped(caption)}</caption><tbody>{rows}</tbody></table>")


def _items(history: Histories, against: Histories | None, items: Items, exact: bool) -> str:
    """The items, the newest last; those marked that are not in the other history at that place in the order."""
    read, new = _read(history, items), set[int]()
    if against is not None:
        matched = SequenceMatcher(None, _codes(against), _codes(history), autojunk=False)
        new = {
            place for kind, _, _, start, end in matched.get_opcodes() if kind != "equal" for place in range(start, end)
        }
    first = 0 if exact else max(0, len(read) - _NEWEST)
    pieces = [f"{first} older"] if first else []
    for place, (name, ago) in enumerate(read[first:], first):
        text = f"{_escaped(name)} ({ago})"
        pieces.append(f"<mark>{text}</mark>" if place in new else text)
    return ", ".join(pieces) or "nothing"


def _escaped(text: str) -> str:
    """Names are anybody's: escaped, and with a number for each character that nobody sees."""
    return escape(visible(text))
