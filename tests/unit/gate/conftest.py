from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from augment_ops.content import sha256_hex
from augment_ops.gate import rules as gate_rules
from augment_ops.gate.decide import decide as judge_purely
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.gate.rules import GateRules
from augment_ops.stress import measures
from augment_ops.stress.outcomes import Outcomes, group_codes
from augment_ops.stress.report import Cell, StressReport
from augment_ops.stress.slices import slices
from support.evidence import evidence_about
from support.places import POLICIES

CLASSES = ("a", "b", "c")
N = 100  # samples a class

Destroyed = Callable[[str, int], tuple[int, ...]]  # (corruption, severity) → samples destroyed, by class
Right = Callable[[str, str, int], tuple[int, ...]]  # (role, corruption, severity) → samples right, by class


def shown(corruption: str, severity: int, right: tuple[int, ...], class_n: tuple[int, ...]) -> np.ndarray:
    """Predicted classes: so many right in each class, the last ones of it wrong.

    All models and cells miss the same samples where they miss equally many, as good models do.
    """
    guesses = []
    for label, (hits, n) in enumerate(zip(right, class_n, strict=True)):
        guesses += [label] * hits + [(label + 1) % len(right)] * (n - hits)
    return np.array(guesses, np.int16)


def make_outcomes(
    right: Right,
    addresses: list[tuple[str, int]],
    models: dict[Any, str],
    class_n: tuple[int, ...],
    columns: dict[str, list[str | None]],
    destroyed: Destroyed | None = None,
) -> Outcomes:
    labels = np.repeat(np.arange(len(class_n)), class_n).astype(np.int16)
    predicted = np.stack([[shown(c, s, right(r, c, s), class_n) for c, s in addresses] for r in models])
    confidence = np.full(predicted.shape, 0.95, np.float16)
    names, groups = group_codes(columns, len(labels))
    gone = np.zeros((len(addresses), len(labels)), np.uint8)
    for row, (corruption, severity) in enumerate(addresses):
        counts = destroyed(corruption, severity) if destroyed and severity else (0,) * len(class_n)
        for label, (n, count) in enumerate(zip(class_n, counts, strict=True)):
            gone[row, np.flatnonzero(labels == label)[n - count :]] = 1  # the last of a class: those that are got wrong
    return Outcomes(
        suite_digest="a" * 64,
        models=models,
        addresses=tuple(addresses),
        classes=tuple("abcdefgh"[: len(class_n)]),
        sample_ids=tuple(f"s{i}" for i in range(len(labels))),
        labels=labels,
        predicted=predicted,
        p_true=confidence,
        p_predicted=confidence,
        columns=names,
        groups=groups,
        causes=("blank",),
        destroyed=gone,
    )


def report_of(outcomes: Outcomes, champion_version: str | None) -> StressReport:
    """As `evaluate` makes it."""
    return StressReport(
        suite="invariances",
        suite_digest=outcomes.suite_digest,
        snapshot_digest="b" * 64,
        classes=outcomes.classes,
        models=outcomes.models,
        champion_version=champion_version,
        cells=measures.cells(outcomes),
        confusion={},
        flipped=(),
        outcomes=sha256_hex(outcomes.to_bytes()),
        probe="0" * 64,
        seen={name: ("Affine",) for name, severity in outcomes.addresses if severity},
        measures=measures.measures(outcomes),
        slices=slices(outcomes),
    )


# The objects that reports name, as a store would hold them.
_KEPT: dict[str, bytes] = {}


@pytest.fixture(scope="session")
def rules() -> GateRules:
    """The default gate, with a tenth of its resamples: quick, and no verdict here hangs on the third digit."""
    rules = gate_rules.load(POLICIES / "gates" / "default.yaml")
    return rules.model_copy(update={"statistics": rules.statistics.model_copy(update={"resamples": 1_000})})


@pytest.fixture(scope="session")
def decide() -> Callable[[GateRules, Evidence | None], Decision]:
    """`decide` with the outcomes that the report names, where a test has not withheld them."""

    def judge(rules: GateRules, evidence: Evidence | None) -> Decision:
        stress = None if evidence is None else evidence.stress
        return judge_purely(rules, evidence, None if stress is None else _KEPT.get(stress.outcomes))

    return judge


@pytest.fixture(scope="session")
def outcomes_of() -> Callable[[Evidence], bytes]:
    """The object that the evidence's report names."""
    return lambda evidence: _KEPT[evidence.stress.outcomes]  # type: ignore[union-attr]


@pytest.fixture
def evidence(rules) -> Callable[..., Evidence]:
    """Evidence that passes: candidate 95% clean and 90% stressed, control 60% stressed, champion as the candidate."""

    def make(
        right: Right | None = None,
        n: int | tuple[int, ...] = N,
        champion: bool = True,
        columns: dict[str, list[str | None]] | None = None,
        models: dict[str, str] | None = None,
        destroyed: Destroyed | None = None,
        measured: tuple[int, ...] | None = None,
        **changes: Any,
    ) -> Evidence:
        class_n = (n,) * len(CLASSES) if isinstance(n, int) else n

        def default(role: str, corruption: str, severity: int) -> tuple[int, ...]:
            level = 0.95 if corruption == "clean" else 0.6 if role == "control" else 0.9
            return tuple(round(level * count) for count in class_n)

        digests: dict[Any, str] = models or (
            {"candidate": "c" * 64, "control": "d" * 64} | ({"champion": "e" * 64} if champion else {})
        )
        levels = measured or rules.invariance.severities
        addresses = [("clean", 0), *((c, s) for c in rules.invariance.corruptions for s in levels)]
        outcomes = make_outcomes(right or default, addresses, digests, class_n, columns or {}, destroyed)
        _KEPT[sha256_hex(outcomes.to_bytes())] = outcomes.to_bytes()
        kept = {"leakage": {"exact-duplicates-between-splits": 0.0}, **changes}
        return evidence_about(report_of(outcomes, "4" if champion else None), **kept)

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
