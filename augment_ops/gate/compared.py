"""The candidate beside the other models on the very same samples, with the intervals that the reasons have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from augment_ops.gate.decision import Evidence
from augment_ops.gate.judge_comparisons import SMALLEST_CLASS
from augment_ops.gate.ranked import RankedSamples
from augment_ops.gate.recompute import recompute
from augment_ops.gate.rules import GateRules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Estimate, corrected
from augment_ops.statistics import wilson
from augment_ops.stress.report import Role


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Another model.

    Attributes:
        role: `champion` or `control`.
        share: what it has right, 0 to 1.
        gain, low, high: what the candidate has right more, as a share, with its interval.
    """

    role: Role
    share: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MeasuredShare:
    """What the candidate has right, beside the others.

    Attributes:
        name: of the measure.
        share, low, high: 0 to 1, with its interval.
        n: samples behind it.
    """

    name: str
    share: float
    low: float
    high: float
    n: int
    beside: tuple[Beside, ...]


@dataclass(frozen=True, kw_only=True)
class Fall:
    """Where the candidate is measured below another model.

    Attributes:
        what: corruption, or class and where.
        loss, low, high: what it has right less, as a share, with its interval.
        shown: whether that it is worse there is shown, having looked at every corruption and class.
    """

    what: str
    loss: float
    low: float
    high: float
    shown: bool


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What the outcomes say of the candidate beside the others.

    Attributes:
        confidence: of the intervals.
        against: the model that `falls` is about: the champion where there is one, else the control.
        looked_at: corruptions and classes that were compared with it.
        falls: where the candidate is measured below it, the largest loss first; those that are shown before the rest.
    """

    confidence: float
    measured: tuple[MeasuredShare, ...]
    against: Role
    looked_at: int
    falls: tuple[Fall, ...]


def compared(rules: GateRules, evidence: Evidence, outcomes: bytes | None, key: str) -> SideBySide | None:
    """Compare on the samples that the gate judges.

    Args:
        outcomes: the object that the stress report names.
        key: digest of the evidence, by which the gate draws its intervals: the same numbers stand in its reasons.

    Returns:
        None where there is nothing that may be believed to compare.
    """
    report = evidence.stress
    if report is None:
        return None
    samples, altered, faults = recompute(rules, report, outcomes, key)
    others: tuple[Role, ...] = tuple(role for role in ("champion", "control") if role in report.models)
    if samples is None or altered or faults or not others:
        return None
    corruptions = tuple(name for name in report.corruptions if samples.judged.get(name))
    rows = [_measured(samples, f"clean {rules.measure}", (), others)]
    if corruptions:
        rows.append(_measured(samples, f"mean {rules.measure} under stress", corruptions, others))
    if rules.alerts is not None and RankedSamples(samples).measured("candidate", *others):
        rows.append(_ranked(samples, f"average precision of class {rules.alerts.class_name}", others))
    losses = list(_losses(samples, others[0], corruptions))
    return SideBySide(
        confidence=rules.statistics.confidence,
        measured=tuple(rows),
        against=others[0],
        looked_at=len(losses),
        falls=_falls(losses, rules.statistics.alpha),
    )


def _measured(
    samples: VerifiedOutcomes, name: str, corruptions: tuple[str, ...], others: tuple[Role, ...]
) -> MeasuredShare:
    share, low, high, n = _own(samples, corruptions)
    beside = []
    for role in others:
        loss = samples.loss(role, corruptions, 0.0)
        theirs = share + loss.value
        beside.append(Beside(role=role, share=theirs, gain=-loss.value, low=-loss.high, high=-loss.low))
    return MeasuredShare(name=name, share=share, low=low, high=high, n=n, beside=tuple(beside))


def _ranked(samples: VerifiedOutcomes, name: str, others: tuple[Role, ...]) -> MeasuredShare:
    """Clean, whatever the rate of alerts."""
    ranked = RankedSamples(samples)
    own, beside = ranked.own("candidate"), []
    for role in others:
        loss = ranked.loss(role, 0.0)
        beside.append(Beside(role=role, share=ranked.value(role), gain=-loss.value, low=-loss.high, high=-loss.low))
    return MeasuredShare(
        name=name, share=own.value, low=max(0.0, own.low), high=min(1.0, own.high), n=own.n, beside=tuple(beside)
    )


def _own(samples: VerifiedOutcomes, corruptions: tuple[str, ...]) -> tuple[float, float, float, int]:
    if not corruptions:
        right = samples.right("candidate")
        return float(right.mean()), *wilson(int(right.sum()), len(right), samples.bootstrap.confidence), len(right)
    values = samples.stressed("candidate", corruptions)
    found = samples.bootstrap.mean("stressed candidate", values[~np.isnan(values)], 0.0)
    return found.value, max(0.0, found.low), min(1.0, found.high), found.n


def _losses(samples: VerifiedOutcomes, against: Role, corruptions: tuple[str, ...]) -> Iterator[tuple[str, Estimate]]:
    """Every corruption, and every class clean and under stress, of which enough samples are left."""
    for name in corruptions:
        if samples.hits(against, (name,))[1].any():
            yield name.replace("_", " "), samples.loss(against, (name,), 0.0)
    left = samples.hits(against, corruptions)[1] > 0
    for label, name in enumerate(samples.outcomes.classes):
        of_class = samples.outcomes.labels == label
        if of_class.sum() >= SMALLEST_CLASS:
            yield f"class {name}, clean", samples.loss(against, (), 0.0, label)
        if (of_class & left).sum() >= SMALLEST_CLASS:
            yield f"class {name}, under stress", samples.loss(against, corruptions, 0.0, label)


def _falls(losses: list[tuple[str, Estimate]], alpha: float) -> tuple[Fall, ...]:
    judged = corrected([loss for _, loss in losses])
    falls = [
        Fall(what=what, loss=loss.value, low=loss.low, high=loss.high, shown=loss.p_harm <= alpha)
        for (what, _), loss in zip(losses, judged, strict=True)
        if loss.value > 0
    ]
    return tuple(sorted(falls, key=lambda fall: (not fall.shown, -fall.loss)))
