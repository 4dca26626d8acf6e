from __future__ import annotations

import ast
from pathlib import Path

import pytest

import augment_ops.gate
from augment_ops.gate.phrasing import share
from augment_ops.statistics import wilson


@pytest.mark.parametrize(
    ("value", "said", "of_before"),
    [
        (0.0, "0.0%", "0.0%"),
        (wilson(0, 200)[0], "0.0%", "0.0%"),  # what rounding leaves
        (wilson(0, 200)[1], "1.9%", "1.9%"),
        (-1e-17, "0.0%", "-0.0%"),  # one less a sum of shares
        (6e-7, "0.0%", "0.0%"),
        (1e-6, "0.0001%", "0.0%"),
        (1 / 287_618, "0.00035%", "0.0%"),
        (0.0004, "0.04%", "0.0%"),
        (0.0005, "0.05%", "0.1%"),
        (0.00456, "0.46%", "0.5%"),
        (0.00996, "1.0%", "1.0%"),
        (0.01, "1.0%", "1.0%"),
        (0.8231, "82.3%", "82.3%"),
    ],
)
def test_a_share_is_said_in_digits_and_none_where_it_is_none(value: float, said: str, of_before: str) -> None:
    assert share(value, fine=True) == said
    assert share(value) == of_before


def test_the_format_of_the_evidence_alone_chooses_how_a_share_is_said() -> None:
    """`Evidence.share`. A judge that words one for itself says 0.1% of a limit of 0.05%."""
    choosing = set()
    for path in Path(augment_ops.gate.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            by_name = isinstance(node, ast.ImportFrom) and node.module == "augment_ops.gate.phrasing"
            if (by_name and any(name.name == "share" for name in node.names)) or _formats_a_share(node):
                choosing.add(path.name)
    assert choosing == {"decision.py", "phrasing.py"}


def _formats_a_share(node: ast.AST) -> bool:
    """Whether it is a text such as f"{x:.1f}%" or f"{x:.1%}"."""
    if not isinstance(node, ast.JoinedStr):
        return False
    specs = [
        ast.unparse(part.format_spec) if isinstance(part, ast.FormattedValue) and part.format_spec else ""
        for part in node.values
    ]
    after = [part.value if isinstance(part, ast.Constant) else "" for part in node.values[1:]] + [""]
    return any(
        "%" in spec or ("." in spec and str(text).startswith("%")) for spec, text in zip(specs, after, strict=True)
    )
