"""A class name means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_two_modules_define_a_class_of_one_name() -> None:
    defined: defaultdict[str, list[str]] = defaultdict(list)
    for package in ("augment_ops", "monitoring", "dags"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    defined[node.name].append(path.relative_to(ROOT).as_posix())
    assert len(defined) > 200
    assert {name: places for name, places in defined.items() if len(places) > 1} == {}
