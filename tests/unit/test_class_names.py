"""What a class and a call show of themselves: one meaning a name, many fields by name, few arguments by place."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIELDS_BY_PLACE = 6  # of a dataclass that may be made by place: what a reader holds in mind
ARGUMENTS_BY_PLACE = 10  # of one call
LISTS = {"Table"}  # what it takes by place is one list: SQLAlchemy's columns

Parsed = dict[str, ast.Module]  # by file


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for package in ("augment_ops", "dags")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def _decorators(node: ast.ClassDef) -> dict[str, ast.expr]:
    return {ast.unparse(at.func if isinstance(at, ast.Call) else at): at for at in node.decorator_list}


def _keyword_only(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and any(
        keyword.arg == "kw_only" and ast.unparse(keyword.value) == "True" for keyword in decorator.keywords
    )


def _fields(node: ast.ClassDef) -> int:
    annotated = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    return sum("ClassVar" not in ast.unparse(part.annotation) for part in annotated)


def test_no_two_modules_define_a_class_of_one_name(parsed: Parsed) -> None:
    defined: defaultdict[str, list[str]] = defaultdict(list)
    for path, tree in parsed.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                defined[node.name].append(path)
    assert len(defined) > 200
    assert {name: places for name, places in defined.items() if len(places) > 1} == {}


def test_values_of_many_fields_are_made_by_name(parsed: Parsed) -> None:
    large = {
        f"{path}: {node.name}": _keyword_only(decorator)
        for path, tree in parsed.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _fields(node) > FIELDS_BY_PLACE
        for name, decorator in _decorators(node).items()
        if name in ("dataclass", "dataclasses.dataclass")
    }
    assert len(large) > 30
    assert [where for where, by_name in large.items() if not by_name] == []


def test_no_call_passes_many_arguments_by_place(parsed: Parsed) -> None:
    calls = [(path, node) for path, tree in parsed.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    many = [(path, node) for path, node in calls if len(node.args) > ARGUMENTS_BY_PLACE]
    assert [f"{path}:{node.lineno}" for path, node in many if ast.unparse(node.func) not in LISTS] == []
    assert {ast.unparse(node.func) for _, node in many} == LISTS
