"""Texts on pages and in galleries, changed words marked. Every text is escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from typing import TYPE_CHECKING

from augment_ops.modalities.base import Html
from augment_ops.modalities.text.augmented_checks import changed_share
from augment_ops.modalities.text.texts import Texts, read
from augment_ops.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE, _LINES = 26, 9  # characters and lines that fit an inch


def show(texts: Texts, alt: Sequence[str], against: Texts | None = None, css_class: str = "") -> list[Html]:
    """A `<table>` of each text, what it was made of above it; see `augment_ops.modalities.base.Modality.show`."""
    before: Sequence[str | None] = [None] * len(texts) if against is None else read(against)
    return [
        _table(text, original, caption, css_class)
        for text, original, caption in zip(read(texts), before, alt, strict=True)
    ]


def draw(axes: Axes, text: Texts, against: Texts | None = None) -> None:
    """Write one text into axes; in bold where it differs from what it was made of.

    Args:
        text, against: uint8 (L,).
    """
    lines = textwrap.wrap(visible(read(text[None])[0]), _LINE)[:_LINES]
    is_changed = against is not None and bool((text != against).any())
    axes.text(
        0.03,
        0.97,
        "\n".join(lines).replace("$", r"\$"),  # matplotlib would read mathematics
        fontsize=4,
        va="top",
        weight="bold" if is_changed else "normal",
        transform=axes.transAxes,
    )


def share_changed(before: Texts, after: Texts) -> float:
    """Share of the words of uint8 (L,) that are not in another text; a text that only looks otherwise has changed a
    hundredth.
    """
    first, second = read(before[None])[0], read(after[None])[0]
    return max(changed_share(first, second), 0.01 * (first != second))


def _table(text: str, against: str | None, caption: str, css_class: str) -> Html:
    rows = ""
    if against is not None:
        rows = f'<tr><th scope="row">before</th><td dir="auto">{_escaped(against)}</td></tr>'
    rows += f'<tr><th scope="row">text</th><td dir="auto">{_marked(text, against)}</td></tr>'
    attribute = f' class="{escape(css_class)}"' if css_class else ""
    return Html(f"<table{attribute}><caption>{_escaped(caption)}</caption><tbody>{rows}</tbody></table>")


def _marked(text: str, against: str | None) -> str:
    """The text with the words marked that are not in the other at that place."""
    if against is None:
        return _escaped(text)
    words = text.split()
    pieces: list[str] = []
    for kind, _, _, start, end in SequenceMatcher(None, against.split(), words, autojunk=False).get_opcodes():
        part = _escaped(" ".join(words[start:end]))
        if part:
            pieces.append(part if kind == "equal" else f"<mark>{part}</mark>")
    return " ".join(pieces)


def _escaped(text: str) -> str:
    """Texts are anybody's: escaped, and with a number for each character that nobody sees."""
    return escape(visible(text))
