"""Outcomes of a suite that looks for frauds, and what the gate says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from augment_ops.content import sha256_hex
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision
from augment_ops.gate.rules import GateRules
from augment_ops.stress import measures
from augment_ops.stress.asked import Alerts
from augment_ops.stress.operating import operating_points
from augment_ops.stress.ordering import orderings
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import Role, StressReport
from support.evidence import evidence_about

FRAUDS, GENUINE = 400, 3600
RATE = 0.1  # 400 alerts
ROLES: dict[Role, str] = {"candidate": "c" * 64, "control": "d" * 64}

GOOD: dict[Role, tuple[int, int]] = {"candidate": (380, 370), "control": (380, 250)}


def outcomes_of(
    rules: GateRules, caught: dict[Role, tuple[int, int]], precision: float | None = None, **changes: Any
) -> Outcomes:
    """Outcomes in which a role catches so many frauds, clean and in every stressed cell."""
    addresses = (("clean", 0), *((c, s) for c in rules.invariance.corruptions for s in rules.invariance.severities))
    labels = np.repeat(np.array([0, 1], np.int16), (GENUINE, FRAUDS))
    scores = np.empty((len(ROLES), len(addresses), len(labels)), np.float32)
    for m, role in enumerate(ROLES):
        for c, (_, severity) in enumerate(addresses):
            hits = caught[role][severity > 0]
            scores[m, c, :GENUINE] = np.linspace(0.05, 0.2, GENUINE)  # those that fill up the alerts lie at its end
            scores[m, c, GENUINE:] = np.where(np.arange(FRAUDS) < hits, 0.3, 0.01)
    p_true = np.where(labels == 1, scores, 1 - scores).astype(np.float16)
    return replace(
        Outcomes(
            suite_digest="a" * 64,
            models=ROLES,
            addresses=addresses,
            classes=("genuine", "fraud"),
            sample_ids=tuple(f"s{i}" for i in range(len(labels))),
            labels=labels,
            predicted=np.zeros(scores.shape, np.int16),  # no score is above a half: all are called genuine
            p_true=p_true,
            p_predicted=(1 - scores).astype(np.float16),
            groups=np.zeros((0, FRAUDS + GENUINE), np.int16),
            causes=("gone",),
            destroyed=np.zeros(scores.shape[1:], np.uint8),
            alerts=Alerts(class_name="fraud", rate=RATE, precision=precision),
            scores=scores,
        ),
        **changes,
    )


def report_of(rules: GateRules, told: Outcomes) -> StressReport:
    """As `evaluate` makes it."""
    return StressReport(
        suite=rules.suite,
        suite_digest=told.suite_digest,
        snapshot_digest="b" * 64,
        classes=told.classes,
        models=told.models,
        champion_version=None,
        cells=measures.cells(told),
        confusion={},
        flipped=(),
        outcomes=sha256_hex(told.to_bytes()),
        probe="0" * 64,
        seen={name: ("Jitter",) for name, severity in told.addresses if severity},
        measures=measures.measures(told),
        slices=(),
        orderings=orderings(told),
        operating=operating_points(told),
    )


def judged(rules: GateRules, outcomes: Outcomes, report_as_of: Outcomes | None = None) -> Decision:
    """What the gate says of outcomes, in a report that is told to be of others where some are given."""
    report = replace(report_of(rules, report_as_of or outcomes), outcomes=sha256_hex(outcomes.to_bytes()))
    return decide(rules, evidence_about(report), outcomes.to_bytes())
