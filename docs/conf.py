"""How Sphinx makes a site of these pages: `make docs`, then build/docs/index.html."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "AugmentOps"
author = "the developers of AugmentOps"
extensions = ["myst_parser"]
exclude_patterns = ["README.md"]  # stands in index.rst
html_theme = "furo"
html_title = "AugmentOps"
html_show_copyright = False
html_show_sphinx = False
myst_heading_anchors = 4  # links to a section, as they are read on the pages themselves

_DOCS = Path(__file__).parent
_LINK = re.compile(r"\[([^]]+)]\(([^):#]+)\)")  # to a place of the repository: no scheme, no section alone


def setup(app: Any) -> None:
    """Called by Sphinx: links that leave docs/ lead to the file itself, those to a folder become its name."""
    app.connect("source-read", _outside)


def _outside(_: Any, page: str, source: list[str]) -> None:
    folder = (_DOCS / page).parent

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path = (folder / target).resolve()
        if path.is_dir():
            return text
        return found[0] if path.is_relative_to(_DOCS) else f"[{text}](path:{target})"

    source[0] = _LINK.sub(link, source[0])
