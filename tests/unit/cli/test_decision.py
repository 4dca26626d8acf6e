"""A decision in a terminal: what needs attention by its kind, and the rest counted."""

from __future__ import annotations

import io
from dataclasses import asdict

from rich.console import Console

from augment_ops.cli.decision import show_decision
from augment_ops.gate.decision import Reason


def test_reasons_of_one_kind_are_one_line_with_what_to_do() -> None:
    reasons = [
        Reason(
            rule="class_recall", outcome="investigate", message=f"{name} has few.", class_name=name, threshold=20.0, n=n
        )
        for n, name in enumerate("abc")
    ]
    reasons += [
        Reason(rule="drift", outcome="pass", message="Well."),
        Reason(rule="budget", outcome="warn", message="Dear."),
    ]
    shown = io.StringIO()
    show_decision(
        Console(file=shown, width=200), "INVESTIGATE", "Two sentences.", map(asdict, reasons), {"run id": "r"}
    )
    lines = [line.strip() for line in shown.getvalue().splitlines() if line.strip()]
    told = "\n".join(lines)
    assert "3 classes have fewer samples in the suite than the 20 that judging them takes: a (0), b (1), c (2)." in told
    assert "Add held-out samples, as many as are missing: a (20), b (19), c (18)." in told
    assert "a has few." not in told
    assert "Dear." in told
    assert "Well." not in told
    assert any(line.startswith("pass") and line.endswith("1 conditions") for line in lines)
