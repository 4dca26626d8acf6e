from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.gate import rules as gate_rules
from augment_ops.gate.decision import Evidence
from augment_ops.stress.report import Cell, StressReport

POLICIES = Path(__file__).resolve().parents[3] / "policies"
CLASSES = ("a", "b", "c")
N = 100  # samples a class

Right = Callable[[str, str, int], tuple[int, ...]]  # (role, corruption, severity) → samples right, by class


def cell(role: Any, corruption: str, severity: int, right: tuple[int, ...], n: int = N) -> Cell:
    """A cell whose accuracy and recalls agree."""
    return Cell(
        role=role,
        corruption=corruption,
        severity=severity,
        n=n * len(right),
        accuracy=sum(right) / (n * len(right)),
        class_n=(n,) * len(right),
        class_recall=tuple(k / n for k in right),
    )


@pytest.fixture(scope="session")
def rules() -> gate_rules.GateRules:
    return gate_rules.load(POLICIES / "gates" / "default.yaml")


@pytest.fixture
def evidence(rules) -> Callable[..., Evidence]:
    """Evidence that passes: candidate 95% clean and 90% stressed, control 60% stressed, champion as the candidate."""

    def make(right: Right | None = None, n: int = N, champion: bool = True, **changes: Any) -> Evidence:
        def default(role: str, corruption: str, severity: int) -> tuple[int, ...]:
            level = 0.95 if corruption == "clean" else 0.6 if role == "control" else 0.9
            return (round(level * n),) * len(CLASSES)

        digests = {"candidate": "c" * 64, "control": "d" * 64} | ({"champion": "e" * 64} if champion else {})
        addresses = [("clean", 0), *((c, s) for c in rules.invariance.corruptions for s in rules.invariance.severities)]
        report = StressReport(
            suite="invariances",
            suite_digest="a" * 64,
            snapshot_digest="b" * 64,
            classes=CLASSES,
            models=digests,
            champion_version="4" if champion else None,
            cells=tuple(cell(r, c, s, (right or default)(r, c, s), n) for c, s in addresses for r in digests),
            confusion={},
            flipped=(),
        )
        whole = Evidence(
            snapshot_digest="b" * 64,
            policy_digest="f" * 64,
            suite_digest="a" * 64,
            candidate_digest="c" * 64,
            control_digest="d" * 64,
            candidate_policy_digest="f" * 64,
            trained_on={"candidate": "b" * 64, "control": "b" * 64},
            data_quality="ok",
            augmented_quality="ok",
            stress=report,
            champion_version="4" if champion else None,
            data_wait_share=0.01,
            augment_p95_ms=0.5,
            budget_p95_ms=1.0,
            drift_status="ok",
            documents={"stress_test": "1" * 64},
        )
        return replace(whole, **changes)

    return make


@pytest.fixture
def altered() -> Callable[..., Evidence]:
    """The same evidence with one cell changed, or dropped where `change` gives None."""

    def change_cell(
        evidence: Evidence, address: tuple[str, str, int], change: Callable[[Cell], Cell | None]
    ) -> Evidence:
        report = evidence.stress
        assert report is not None
        cells = [change(c) if (c.role, c.corruption, c.severity) == address else c for c in report.cells]
        return replace(evidence, stress=replace(report, cells=tuple(c for c in cells if c is not None)))

    return change_cell
