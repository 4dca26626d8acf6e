"""The documentation as people use it: a site of its pages, and a notebook whose cells run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.places import ROOT

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MEASURED = re.compile(r"\d+ µs")


def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "trees"]
    done = subprocess.run(
        [*command, "docs", tmp_path / "site"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "site" / "index.html").read_text()
    assert 'href="tutorial.html"' in first
    assert 'href="for/on-call.html"' in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_of_a_notebook_run_and_show_what_they_show(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            shown = _run("".join(cell["source"]), names)
            assert _comparable(shown) == _comparable(_text(cell["outputs"])), cell["source"]


def _run(source: str, names: dict[str, Any]) -> str:
    """Run a cell as Jupyter does: its last line is shown where it is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return "" if value is None else repr(value)


def _text(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(one["data"]["text/plain"]) for one in outputs if one["output_type"] == "execute_result")


def _comparable(text: str) -> str:
    return MEASURED.sub("… µs", text)
