"""Evidence for the gate about a stress report, with nothing amiss beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from augment_ops.gate.decision import Evidence
from augment_ops.stress.report import StressReport


def evidence_about(report: StressReport, **changes: Any) -> Evidence:
    """Evidence that only the report decides by.

    Args:
        changes: fields of the evidence that are otherwise.
    """
    whole = Evidence(
        snapshot_digest="b" * 64,
        policy_digest="f" * 64,
        suite_digest=report.suite_digest,
        candidate_digest=report.models["candidate"],
        control_digest=report.models.get("control"),
        candidate_policy_digest="f" * 64,
        trained_on={"candidate": "b" * 64, "control": "b" * 64},
        data_quality="ok",
        augmented_quality="ok",
        leakage={"subject-leakage": 0.0},
        stress=report,
        suite_fault="",
        seen=dict(report.seen),
        champion_version=report.champion_version,
        data_wait_share=0.01,
        augment_p95_ms=0.5,
        budget_p95_ms=1.0,
        drift_status="ok",
        environment="dev",
        approval="auto",
        documents={"stress_test": "1" * 64},
        software="numpy 2",
    )
    return replace(whole, **changes)
