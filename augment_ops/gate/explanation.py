"""Why: for each thing that did not pass, where it happens, to which classes and samples, and what the others did there.

Pure, from the decision, the evidence and the per-sample outcomes. The pictures follow from it: a stressed sample is a
function of suite, corruption, severity and sample id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augment_ops.content import digest_of
from augment_ops.errors import StoreError
from augment_ops.gate.decision import Decision, Evidence, Outcome, Reason, Verdict
from augment_ops.statistics import wilson
from augment_ops.stress.measures import worst_classes_in_turn
from augment_ops.stress.outcomes import Outcomes, from_bytes
from augment_ops.stress.report import CLEAN, Role, StressReport
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER

_FLIPS = 8  # pictures of a finding: one row of a page
_CLASSES = 3  # classes of a finding
_CONFIDENCE = 0.95  # of the intervals of single classes, which are shown and decide nothing


@dataclass(frozen=True)
class Flip:
    """A sample that the candidate has right when clean and wrong there.

    Attributes:
        confidence: of the wrong answer.
        right: which other models have it right there.
    """

    sample_id: str
    label: str
    predicted: str
    confidence: float
    right: tuple[Role, ...]


@dataclass(frozen=True, kw_only=True)
class ClassFall:
    """One class at the place of a finding: its recall there, with its interval, and that of the other models.

    Attributes:
        clean: the candidate's recall on clean samples.
        others: recall of the other models there, by role.
    """

    name: str
    n: int
    clean: float
    recall: float
    low: float
    high: float
    others: dict[Role, float]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One reason that did not pass, and what lies behind it.

    Attributes:
        estimate, low, high, n, threshold, p: as in the reason.
        seen: transforms of the policy that train on the corruption; none where it is unseen.
        accuracy: of every model there, by role.
        classes: the classes that fall most there, or the one that the reason is about.
        flips: a few samples, taken in turn from the worst classes.
    """

    rule: str
    outcome: Outcome
    message: str
    corruption: str | None
    severity: int | None
    class_name: str | None
    group: str | None
    against: Role | None
    estimate: float | None
    low: float | None
    high: float | None
    n: int | None
    threshold: float | None
    p: float | None
    seen: tuple[str, ...]
    accuracy: dict[Role, float]
    classes: tuple[ClassFall, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class Explanation:
    """A decision explained.

    Attributes:
        suite_digest, snapshot_digest: with corruption, severity and sample id they give every picture again.
        findings: in the order of the decision.
    """

    decision_digest: str
    verdict: Verdict
    summary: str
    suite_digest: str
    snapshot_digest: str
    findings: tuple[Finding, ...]


def explain(
    decision: Decision, evidence: Evidence, outcomes: bytes | None, equivalent: Sequence[Sequence[str]] = ()
) -> Explanation:
    """Explain everything that did not pass; where the samples are missing or damaged, without them.

    Args:
        equivalent: groups of classes that were judged as one.
    """
    report, samples = evidence.stress, None
    if report is not None and outcomes is not None:
        try:
            samples = from_bytes(outcomes, report.outcomes)
            samples = samples.alike(equivalent) if equivalent else samples
        except StoreError:
            samples = None  # the decision has said so already
    findings = [
        _finding(reason, report, samples) for reason in decision.reasons if reason.outcome not in ("pass", "not-set")
    ]
    return Explanation(
        digest_of(decision),
        decision.verdict,
        decision.summary,
        evidence.suite_digest,
        evidence.snapshot_digest,
        tuple(findings),
    )


def _finding(reason: Reason, report: StressReport | None, samples: Outcomes | None) -> Finding:
    label = None
    classes = samples.classes if samples is not None else report.classes if report is not None else ()
    if reason.class_name in classes and reason.rule != "invariance":  # of all classes
        label = classes.index(reason.class_name)
    place = None if samples is None else _place(reason, label, samples)
    seen: tuple[str, ...] = ()
    if report is not None and place is not None:
        seen = report.seen.get(place[0], ())
    return Finding(
        rule=reason.rule,
        outcome=reason.outcome,
        message=reason.message,
        corruption=place[0] if place else reason.corruption,
        severity=place[1] if place else reason.severity,
        class_name=reason.class_name,
        group=reason.group,
        against=reason.against,
        estimate=reason.measured,
        low=reason.low,
        high=reason.high,
        n=reason.n,
        threshold=reason.threshold,
        p=reason.p,
        seen=seen,
        accuracy=_accuracy(samples, place) if samples is not None and place else {},
        classes=_classes(samples, place, label) if samples is not None and place else (),
        flips=_flips(samples, place, label) if samples is not None and place else (),
    )


def _place(reason: Reason, label: int | None, samples: Outcomes) -> tuple[str, int] | None:
    """The cell that a reason is about; of a class under stress as a whole, the cell where it fares worst."""
    if "candidate" not in samples.models:
        return None
    if reason.corruption is not None and reason.severity is not None:
        address = (reason.corruption, reason.severity)
        return address if address in samples.addresses else None
    if label is None or not (samples.labels == label).any():
        return None
    rows = samples.labels == label
    right, left = samples.right[list(samples.models).index("candidate")][:, rows], samples.left[:, rows]
    recall = np.divide((right & left).sum(axis=1), left.sum(axis=1), out=np.ones(len(left)), where=left.any(axis=1))
    return samples.addresses[int(recall.argmin())]


def _accuracy(samples: Outcomes, place: tuple[str, int]) -> dict[Role, float]:
    cell = samples.addresses.index(place)
    left = samples.left[cell]
    if not left.any():
        return {}
    return {role: float(samples.right[m, cell][left].mean()) for m, role in enumerate(samples.models)}


def _classes(samples: Outcomes, place: tuple[str, int], label: int | None) -> tuple[ClassFall, ...]:
    cell, own = samples.addresses.index(place), list(samples.models).index("candidate")
    found = []
    for k in [label] if label is not None else range(len(samples.classes)):
        rows = (samples.labels == k) & samples.left[cell]
        n = int(rows.sum())
        if n:
            recall = {role: float(samples.right[m, cell][rows].mean()) for m, role in enumerate(samples.models)}
            low, high = wilson(round(recall["candidate"] * n), n, _CONFIDENCE)
            clean = float(samples.right[own, 0][rows].mean())
            others: dict[Role, float] = {role: value for role, value in recall.items() if role != "candidate"}
            found.append(
                ClassFall(
                    name=samples.classes[k],
                    n=n,
                    clean=clean,
                    recall=recall["candidate"],
                    low=low,
                    high=high,
                    others=others,
                )
            )
    return tuple(sorted(found, key=lambda fall: fall.recall - (fall.clean if place[0] != CLEAN else 0.0))[:_CLASSES])


def _flips(samples: Outcomes, place: tuple[str, int], label: int | None) -> tuple[Flip, ...]:
    """On clean samples there is nothing to flip from: there, samples that are simply wrong."""
    cell, roles = samples.addresses.index(place), list(samples.models)
    own = roles.index("candidate")
    guesses, labels = samples.answered[own, cell].astype(np.int64), samples.labels.astype(np.int64)
    wrong = samples.left[cell] & (guesses != labels) & (guesses != NOT_A_NUMBER)
    if place[0] != CLEAN:
        wrong &= samples.right[own, 0]
    if label is not None:
        wrong &= labels == label
    return tuple(
        Flip(
            samples.sample_ids[row],
            samples.classes[labels[row]],
            samples.classes[guesses[row]],
            round(float(samples.p_predicted[own, cell, row]), 4),
            tuple(role for m, role in enumerate(roles) if m != own and samples.right[m, cell, row]),
        )
        for row in worst_classes_in_turn(np.flatnonzero(wrong), labels, guesses)[:_FLIPS]
    )
